"""What a feed is made of, whatever its format: rows of named texts with their line, and what can be wrong with one."""

from dataclasses import dataclass, field

MAX_FIELD_CHARS = 64 * 1024
MAX_RECORD_CHARS = 512 * 1024
MAX_COLUMNS = 1000


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One product as the feed has it: `values` by column name in one form (lower case, underscores). `can_have_link`
    is False for a format that has no place for one."""

    line: int
    values: dict[str, str]
    can_have_link: bool = True


@dataclass(frozen=True, slots=True)
class RowError:
    """One thing to tell the brand about a row. `field` is the feed's own name of it, None for the row as a whole."""

    line: int | None
    field: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read; `values` is what could be saved of it (its id, if any), so that nobody takes it
    for a product that left the feed."""

    error: RowError
    values: dict[str, str] = field(default_factory=dict)


class FeedUnreadable(Exception):
    """The feed as a whole cannot be read, or breaks off: nothing of it may be taken for complete."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def column_name(raw: str) -> str:
    """`g:Image Link` -> `image_link`: feeds write the same column with spaces, hyphens, capitals and prefixes."""
    name = raw.replace("\ufeff", "").strip().strip('"').lower().removeprefix("g:")
    return "_".join(name.replace("-", " ").split())
