"""The time, injected, so that tests can move it; and its form on the wire (RFC 3339, UTC, `Z`)."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Protocol

from pydantic import PlainSerializer


class Clock(Protocol):
    """Where the present comes from."""

    def now(self) -> datetime:
        """The present, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present, aware, in UTC."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until told to move."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """The present, aware, in UTC."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move on by `by`."""
        self._now += by


def rfc3339(at: datetime) -> str:
    """`2026-11-21T08:30:00.000Z`; naive times are taken as UTC."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


UtcTime = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
