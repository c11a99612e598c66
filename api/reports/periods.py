"""Ranges of time and their parts (hours, days) in a tenant's zone, as boundaries in UTC seconds. Pure.

The zone lives here alone: the store only ever compares integers, so every store and the invoice agree on midnight.
Roll-ups are by quarters of an hour because zones are (+5:30, +5:45).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from api.errors import Unprocessable

QUARTER_S = 900
EARLIEST = date(2020, 1, 1)
LATEST = date(2100, 1, 1)
_MAX_CHARS = 40
Unit = Literal["hour", "day"]


class Run(NamedTuple):
    """Hours or days of the same length, one after the other from `start` until `end`."""

    start: int
    step: int
    end: int


@dataclass(frozen=True)
class Period:
    """`start` inclusive, `end` exclusive, UTC seconds; parts of a second are rounded up."""

    start: int
    end: int
    zone: ZoneInfo

    def boundaries(self, unit: Unit) -> list[int]:
        """Where each hour or day of the zone begins, the first at or before `start`; ascending, without gaps."""
        first = datetime.fromtimestamp(self.start, self.zone)
        return _days(first, self.end) if unit == "day" else _hours(first, self.end)

    def runs(self, unit: Unit) -> list[Run]:
        """The same as `boundaries`, told by how long the parts are: one run, and some more where clocks change."""
        boundaries = self.boundaries(unit)
        usual = 86400 if unit == "day" else 3600
        ends = [*boundaries[1:], max(boundaries[-1] + usual, self.end)]
        found: list[Run] = []
        for start, end in zip(boundaries, ends, strict=True):
            if found and found[-1].step == end - start:
                found[-1] = found[-1]._replace(end=end)
            else:
                found.append(Run(start, end - start, end))
        return found

    def label(self, boundary: int, unit: Unit) -> str:
        """`2026-11-21` or `2026-11-21T14:00:00+05:45`: with the offset, the hour told twice in autumn is two."""
        local = datetime.fromtimestamp(boundary, self.zone)
        return local.date().isoformat() if unit == "day" else local.isoformat().replace("+00:00", "Z")


def parse_period(start: str | None, end: str | None, zone_name: str, now: datetime) -> Period:
    """Dates mean midnight in the zone, times are RFC 3339. Default: the last seven days, today included."""
    zone = parse_zone(zone_name)
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    start_s = _instant(start, zone, "?from") if start else _midnight(tomorrow - timedelta(days=7), zone)
    end_s = _instant(end, zone, "?to") if end else _midnight(tomorrow, zone)
    if end_s <= start_s:
        raise Unprocessable("'to' is exclusive and must be later than 'from'.", pointer="?to")
    return Period(start_s, end_s, zone)


def parse_zone(name: str) -> ZoneInfo:
    """An IANA zone by name."""
    try:
        if name == "localtime" or len(name) > _MAX_CHARS:
            raise ZoneInfoNotFoundError(name)
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Unprocessable("Unknown time zone; use an IANA name such as Asia/Kathmandu.", pointer="?tz") from error


def _instant(text: str, zone: ZoneInfo, pointer: str) -> int:
    try:
        if len(text) > _MAX_CHARS:
            raise ValueError
        if len(text) == len("2026-11-21"):
            day = date.fromisoformat(text)
            _check_range(day, pointer)
            return _midnight(day, zone)
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Unprocessable("Use a date (2026-11-21) or an RFC 3339 time.", pointer=pointer) from error
    if at.tzinfo is None:
        raise Unprocessable("A time needs an offset or Z; write + as %2B in a query.", pointer=pointer)
    _check_range(at.date(), pointer)
    return math.ceil(at.timestamp())


def _check_range(day: date, pointer: str) -> None:
    if not EARLIEST <= day <= LATEST:
        raise Unprocessable(f"Use a day between {EARLIEST} and {LATEST}.", pointer=pointer)


def _midnight(day: date, zone: ZoneInfo) -> int:
    """The day's first instant; where midnight is skipped (some zones' spring), the first instant after the gap."""
    seconds = int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())
    return seconds if datetime.fromtimestamp(seconds, zone).date() >= day else _after_gap(seconds, day, zone)


def _after_gap(seconds: int, day: date, zone: ZoneInfo) -> int:
    while datetime.fromtimestamp(seconds, zone).date() < day:
        seconds += QUARTER_S
    return seconds


def _days(first: datetime, end: int) -> list[int]:
    return _until(end, lambda n: _midnight(first.date() + timedelta(days=n), first.tzinfo))  # type: ignore[arg-type]


def _hours(first: datetime, end: int) -> list[int]:
    """Steps of an hour of real time from a full local hour; offsets change by full hours (Lord Howe: a half) there."""
    start = int(first.replace(minute=0, second=0, microsecond=0).astimezone(UTC).timestamp())
    boundaries = [start]
    while boundaries[-1] < end:
        following = boundaries[-1] + QUARTER_S
        while datetime.fromtimestamp(following, first.tzinfo).minute:
            following += QUARTER_S
        boundaries.append(following)
    return boundaries[:-1]


def _until(end: int, boundary: Callable[[int], int]) -> list[int]:
    boundaries = [boundary(0)]
    while (following := boundary(len(boundaries))) < end:
        boundaries.append(following)
    return boundaries
