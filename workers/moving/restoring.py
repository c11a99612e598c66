"""Back-up into an archive, and restore out of one into an empty house."""

import time
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.kit.clock import Clock, SystemClock
from api.kit.migrations import upgrade
from api.moving.marks_repository import Mark
from api.moving.service import marks_of
from api.settings import Settings
from workers.moving.archive import ArchiveReader, ArchiveWriter
from workers.moving.arriving import HouseTarget, Settled
from workers.moving.departing import HouseSource
from workers.moving.house import House, alone_in, drain, must_exist, running_house, runs_on_servers, stopped_house
from workers.moving.manifest import Manifest
from workers.moving.money import doubt_open_pushes
from workers.moving.parts import Tell, carry, quiet
from workers.moving.problems import MoveRefused


@dataclass(frozen=True)
class BackedUp:
    """What lies in the archive."""

    path: str
    bytes: int
    manifest: Manifest
    took_ms: int

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        return {"path": self.path, "bytes": self.bytes, **self.manifest.as_json(), "took_ms": self.took_ms}


@dataclass(frozen=True)
class Restored:
    """What came out of the archive. `keys`: yesterday's tokens and sessions go on. `in_doubt`: meter events that the
    old house may have sent after the back-up (see money.py)."""

    made_at: str
    target: str
    counts: dict[str, int]
    keys: bool
    in_doubt: int
    settled: Settled
    took_ms: int

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def backup(
    settings: Settings, to: Path, tell: Tell = quiet, *, with_keys: bool = True, clock: Clock | None = None
) -> BackedUp:
    """The whole house into a new file `to`, or into one named by the time in the folder `to`. A house on servers may go
    on meanwhile; one that lives in a data directory must be stopped. Raises MoveRefused."""
    started = time.monotonic()
    must_exist(settings)
    live = runs_on_servers(settings)
    now = (clock or SystemClock()).now().astimezone(UTC)
    opened: AbstractContextManager[House] = running_house(settings) if live else stopped_house(settings)
    with opened as house:
        if not live:
            upgrade(house.database)
            tell("what is still in the event log", 0, None)
            drain(house)
        arriving = marks_of(house.database).get(Mark.arriving)
        if arriving:
            raise MoveRefused(f"{house.name} is not whole: {arriving} was still coming in")
        path = _new_file(to, now)
        with ArchiveWriter(path, house.name, now, live=live) as archive:
            with HouseSource(house, live=live, with_keys=with_keys) as leaving:
                carry(leaving, archive, tell)
            made = archive.seal()
    return BackedUp(str(path), path.stat().st_size, made, round((time.monotonic() - started) * 1000))


def restore(archive: Path, settings: Settings, tell: Tell = quiet, *, clock: Clock | None = None) -> Restored:
    """An archive into the empty house of `settings`; every checksum is compared before anything is written. Broken off,
    the same call starts over. Raises MoveRefused."""
    started = time.monotonic()
    with ArchiveReader(archive) as kept:
        kept.verify(tell)
        made = kept.manifest
        with stopped_house(settings) as house, alone_in(house):
            arriving = HouseTarget(house, f"the archive of {made.house} made at {made.made_at} ({kept.identity[:12]})")
            counts = carry(kept, arriving, tell)
            settled = arriving.settle(tell)
            in_doubt = doubt_open_pushes(house, datetime.fromisoformat(made.made_at), clock or SystemClock())
            arriving.open_up()
            keys = made.holds_secrets
            took_ms = round((time.monotonic() - started) * 1000)
            return Restored(made.made_at, house.name, counts, keys, in_doubt, settled, took_ms)


def _new_file(to: Path, now: datetime) -> Path:
    path = to / f"shoplight-{now:%Y%m%dT%H%M%SZ}.zip" if to.is_dir() else to
    if path.exists():
        raise MoveRefused(f"{path} is there already, and is not written over")
    if not path.parent.is_dir():
        raise MoveRefused(f"there is no folder {path.parent}")
    return path
