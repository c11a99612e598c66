"""Moving house: everything of a stopped house into an empty one. The old house stays as it is, but does not open again.

Broken off at any point, the same command starts over: until the new house is whole it carries a mark, and only then the
old one gets its own.
"""

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from api.kit.db import Database
from api.kit.migrations import upgrade
from api.moving.marks_repository import Mark
from api.moving.service import mark, marks_of, unmark
from api.settings import Settings
from workers.moving.arriving import HouseTarget, Settled
from workers.moving.departing import HouseSource
from workers.moving.house import House, alone_in, drain, must_exist, name_of, stopped_house, waiting_of
from workers.moving.parts import Tell, carry, quiet
from workers.moving.problems import MoveRefused


@dataclass(frozen=True)
class Moved:
    """`drained` records lay in the old log still; `counts` are items by part."""

    source: str
    target: str
    drained: int
    counts: dict[str, int]
    settled: Settled
    took_ms: int

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def move(source: Settings, target: Settings, tell: Tell = quiet) -> Moved:
    """Everything from the house of `source` into the one of `target`. Raises MoveRefused with the reason for people."""
    started = time.monotonic()
    if name_of(source) == name_of(target):
        raise MoveRefused(f"{name_of(source)} is both the old house and the new one")
    must_exist(source)
    if not source.events.clickhouse_url and not target.events.clickhouse_url:
        # the store inside the process is one a process; a stopped data directory is moved by moving it
        raise MoveRefused(
            "both houses live in data directories: move the folder itself, or back up the one and restore it"
        )
    with ExitStack() as stack:
        old, new = (stack.enter_context(stopped_house(settings)) for settings in (source, target))
        stack.enter_context(alone_in(new))
        upgrade(old.database)
        _refuse_marked(old, new)
        arriving = HouseTarget(new, f"the house {old.name}")
        tell("what is still in the old event log", 0, None)
        drained = drain(old)
        with HouseSource(old, live=False) as leaving:
            counts = carry(leaving, arriving, tell)
        settled = arriving.settle(tell)
        _nothing_came_meanwhile(old)
        # first the old one: killed in between, neither opens and the same command goes on
        mark(old.database, Mark.moved_away, new.name)
        arriving.open_up()
    return Moved(old.name, new.name, drained, counts, settled, round((time.monotonic() - started) * 1000))


def take_back(settings: Settings) -> str:
    """Let a house that has moved away open again; returns where it had moved to."""
    must_exist(settings)
    database = Database(settings.database_url)
    try:
        found = marks_of(database).get(Mark.moved_away)
        if found is None:
            raise MoveRefused(f"{name_of(settings)} has not moved away")
        unmark(database, Mark.moved_away)
    finally:
        database.close()
    return found


def _refuse_marked(old: House, new: House) -> None:
    marks = marks_of(old.database)
    if Mark.arriving in marks:
        raise MoveRefused(f"the old house itself is not whole: {marks[Mark.arriving]} was still coming in")
    gone = marks.get(Mark.moved_away)
    if gone is not None and (gone != new.name or Mark.arriving not in marks_of(new.database)):
        raise MoveRefused(f"{old.name} has moved to {gone} already; if that house is lost, take this one back first")


def _nothing_came_meanwhile(old: House) -> None:
    waiting = waiting_of(old.log)
    if waiting:
        raise MoveRefused(
            f"{waiting} came into the old house while it was being moved: stop every process of it, then run the same "
            "command again"
        )
