"""Runs of hours and days, which queries count by, against the plain list of where each begins."""

from bisect import bisect_right
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from api.reports.periods import QUARTER_S, Period, Run, Unit

ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca"]


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def begin(runs: list[Run], second: int) -> int:
    run = next((run for run in runs if second < run.end), runs[-1])
    return run.start + (second - run.start) // run.step * run.step


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("unit", "start", "end"), [
    ("hour", "2026-03-01T00:00", "2026-05-01T00:00"),
    ("hour", "2026-10-24T05:20", "2026-11-10T17:05"),
    ("day", "2025-01-01T00:00", "2027-01-01T12:00"),
])  # fmt: skip
def test_every_quarter_is_in_the_part_that_began_last(zone: str, unit: Unit, start: str, end: str) -> None:
    period = Period(seconds(start), seconds(end), ZoneInfo(zone))
    boundaries, runs = period.boundaries(unit), period.runs(unit)
    for second in range(period.start // QUARTER_S * QUARTER_S, period.end, QUARTER_S):
        assert begin(runs, second) == boundaries[bisect_right(boundaries, second) - 1]


@pytest.mark.parametrize("hours", [23, 24, 25])
def test_a_day_of_25_hours_at_the_end_is_one_day(hours: int) -> None:
    start = seconds("2026-10-24T22:00")  # Berlin's longest day begins
    period = Period(start, start + hours * 3600, ZoneInfo("Europe/Berlin"))
    runs = period.runs("day")
    assert {begin(runs, start + i * QUARTER_S) for i in range(hours * 4)} == {start}


def test_years_of_days_are_told_in_few_runs() -> None:
    period = Period(seconds("2022-01-01T00:00"), seconds("2027-01-01T00:00"), ZoneInfo("Europe/Berlin"))
    assert len(period.boundaries("day")) > 1800
    assert len(period.runs("day")) < 25
