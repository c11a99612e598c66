"""Reads and sets the marks of a house, and says in words why a marked one must not be opened."""

from api.kit.clock import Clock, SystemClock
from api.kit.db import Database
from api.moving.marks_repository import Mark, MarksAcrossTenants


def marks_of(database: Database) -> dict[Mark, str]:
    """The marks and what they name. Raises OperationalError when the store is away."""
    with database.asking.connect() as connection:
        return MarksAcrossTenants(connection).all()


def mark(database: Database, name: Mark, detail: str, clock: Clock | None = None) -> None:
    """Set a mark, durably."""
    with database.engine.execution_options(write=True).begin() as connection:
        MarksAcrossTenants(connection).put(name, detail, (clock or SystemClock()).now())


def unmark(database: Database, name: Mark) -> None:
    """Take a mark away, durably."""
    with database.engine.execution_options(write=True).begin() as connection:
        MarksAcrossTenants(connection).remove(name)


def moving_problem(database: Database) -> str | None:
    """Why this house must not be opened, and what to do; None when nothing speaks against it."""
    found = marks_of(database)
    if Mark.arriving in found:
        return (
            f"a move or restore from {found[Mark.arriving]} into this house did not come to its end: "
            "run the same command again, it starts over by itself"
        )
    if Mark.moved_away in found:
        return (
            f"this house has moved to {found[Mark.moved_away]}: were both open, people would be counted in two places. "
            "If the new one is given up for good, `shoplight migrate --take-back` opens this one again"
        )
    return None
