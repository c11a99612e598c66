"""The table of contents of an archive: what is in it, of which schema, how much of it, with which checksums."""

import re
from typing import Any

import msgspec

from api.events.progress import Progress
from workers.moving.parts import Origin
from workers.moving.problems import ArchiveUnusable

FORMAT = 1
MEMBER = "manifest.json"
SECRETS = "secrets.json"
MAX_BYTES = 4 * 1024**2
_MEMBER = re.compile(r"(rows|events)/[a-z0-9_]{1,60}\.arrow|blobs\.arrow|secrets\.json")


class Sealed(msgspec.Struct, forbid_unknown_fields=True):
    """One member: `items` are rows or blobs, `sha256` is over its bytes as they lie there."""

    name: str
    items: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """`format` is 1 and grows when an older release could no longer read the archive rightly."""

    format: int
    made_at: str
    release: str
    house: str
    live: bool
    revision: str
    event_schema: list[str]
    progress: Progress
    newest_offset: int | None
    parts: list[Sealed]

    def origin(self, keys: dict[str, str], keepsakes: dict[str, str]) -> Origin:
        """What the archived house was."""
        return Origin(self.revision, self.event_schema, self.progress, self.newest_offset, keys, keepsakes)

    @property
    def holds_secrets(self) -> bool:
        """Whether yesterday's tokens and sessions can be opened with it."""
        return any(part.name == SECRETS for part in self.parts)

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def parse(text: bytes) -> Manifest:
    """A manifest out of an archive. ArchiveUnusable says what is wrong with it."""
    try:
        kind = msgspec.json.decode(text, type=dict[str, Any]).get("format")
        if isinstance(kind, int) and kind > FORMAT:
            raise ArchiveUnusable(f"the archive has format {kind}, this release reads up to {FORMAT}: use a newer one")
        found = msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as error:
        raise ArchiveUnusable(f"{MEMBER} is not what it should be: {error}") from error
    for part in found.parts:
        if not _MEMBER.fullmatch(part.name):
            raise ArchiveUnusable(f"{MEMBER} names a part that no archive has: {part.name!r}")
    return found
