"""What travels: an origin (what a house is, in a few words) and parts, each one table or all blobs, as Arrow batches.

Both shapes and the archive speak this alone: moving is house to house, a back-up house to archive, a restore archive to
house. Batches are a few megabytes, so memory does not grow with the house.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from api.events.progress import Progress

ROWS, EVENTS, BLOBS = "rows", "events", "blobs"
# part, items done so far, how many there are (None where nobody counted)
Tell = Callable[[str, int, int | None], None]


@dataclass
class Origin:
    """`newest_offset` is the largest log offset among the event parts: the next house counts on from there. `keys` are
    the secrets that open yesterday's tokens and sessions, `keepsakes` small files of the data directory."""

    revision: str
    event_schema: list[str]
    progress: Progress
    newest_offset: int | None
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    keepsakes: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass
class Part:
    """`name` is `rows/<table>`, `events/<table>` or `blobs`. The batches can be gone through once."""

    name: str
    schema: "pa.Schema"
    batches: Iterator["pa.RecordBatch"]
    expected: int | None = None

    @property
    def kind(self) -> str:
        """One of ROWS, EVENTS and BLOBS."""
        return self.name.partition("/")[0]

    @property
    def table(self) -> str:
        """The table's name; empty for blobs."""
        return self.name.partition("/")[2]


class Source(Protocol):
    """A house or an archive that gives its contents away."""

    def origin(self) -> Origin:
        """What it is. Called first."""
        ...

    def parts(self) -> Iterator[Part]:
        """Rows in the order in which they can be inserted, then events, then blobs."""
        ...


class Target(Protocol):
    """A house or an archive that takes contents in."""

    def begin(self, origin: Origin) -> None:
        """Called first."""
        ...

    def take(self, part: Part, tell: Tell) -> int:
        """All of a part; returns how many items that was."""
        ...


def carry(source: Source, target: Target, tell: Tell) -> dict[str, int]:
    """Everything from one to the other; returns the number of items by part."""
    target.begin(source.origin())
    return {part.name: target.take(part, tell) for part in source.parts()}


def told(part: Part, tell: Tell, weigh: Callable[["pa.RecordBatch"], int] = len) -> Iterator["pa.RecordBatch"]:
    """The part's batches; whoever listens hears of each when it has been dealt with."""
    done = 0
    tell(part.name, 0, part.expected)
    for batch in part.batches:
        yield batch
        done += weigh(batch)
        tell(part.name, done, part.expected)


def quiet(_part: str, _done: int, _expected: int | None) -> None:
    """Nobody listens."""


def columns_of(batch: "pa.RecordBatch") -> dict[str, list[Any]]:
    """Columns of Python values, as the event store takes them."""
    return {name: batch.column(name).to_pylist() for name in batch.schema.names}
