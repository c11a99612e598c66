"""Rows of the event store: each once, in ranges, up to a cut, before everything of the next log; on both sides of the
port."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.events.migrations import migrate
from api.events.store import EventStore
from api.events.store_chdb import ChdbEventStore
from api.events.store_clickhouse import ClickHouseStore
from tests.services import url_of
from tests.workers.moving.servers import in_database
from workers.moving import event_tables
from workers.moving.event_tables import EventTables

DAY_S = 86_400
START = 1_795_000_000
COUNT = 3000


@pytest.fixture(params=["chdb", "clickhouse"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    if request.param == "chdb":
        opened: EventStore = ChdbEventStore(tmp_path / "chdb")
        yield opened
        opened.close()
        return
    name = f"moving_{os.getpid()}_{secrets.token_hex(3)}"
    opened = ClickHouseStore(in_database(url_of("clickhouse"), name))
    migrate(opened)
    yield opened
    opened.command(f"DROP DATABASE {name}")
    opened.close()


def event_columns(numbers: list[int], offsets: list[int]) -> dict[str, list[Any]]:
    count = len(numbers)
    at = [START + number * DAY_S // 1000 for number in numbers]
    texts = {
        "publisher_id": [f"tnt_{number % 7}" for number in numbers],
        "event_id": [f"event-{number * 7919 % 10_007:08d}" for number in numbers],
        "nonce": [f"größe ' \\ \t {number}" for number in numbers],
    }
    rest = ["type", "site_id", "media_id", "media_kind", "tag_id", "product_id", "brand_id", "campaign_id"]
    rest += ["creative_id", "arm", "price_kind", "currency", "flag", "user_agent", "core", "full"]
    whole = {name: [7] * count for name in ("billable", "rules_version", "media_firsts", "spend_micros")}
    times = {name: [second * 1000 + 1 for second in at] for name in ("at_ms", "received_at_ms", "issued_at_ms")}
    flags = [["known_bot", "a'b"] if number % 2 else [] for number in numbers]
    return {
        **texts, **{name: [name] * count for name in rest}, **whole, **times, "at": at, "log_offset": offsets,
        "flags": flags,
    }  # fmt: skip


def rows_of(tables: EventTables, name: str = "events") -> list[dict[str, Any]]:
    part = next(part for part in tables.parts() if part.table == name)
    return [row for batch in part.batches for row in batch.to_pylist()]


def by_identity(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["publisher_id"], row["event_id"]))


def test_many_small_ranges_give_every_row_once(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_tables, "ROWS_A_RANGE", 64)
    monkeypatch.setattr(event_tables, "SAMPLED", 8)
    numbers = list(range(COUNT))
    store.insert("events", event_columns(numbers, numbers))
    # what another sink wrote again, and an insert that landed twice
    store.insert("events", event_columns(numbers[500:900], numbers[500:900]))
    store.insert("dead_letters", {"log_offset": [5, 5, 9], "reason": ["unparsable"] * 3, "payload": ["00", "00", "ff"]})
    part = next(EventTables(store).parts())
    batches = list(part.batches)
    assert len(batches) > 10
    assert max(map(len, batches)) < 400
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert len(rows) == COUNT
    wanted = event_columns(numbers, numbers)
    expected = [{name: wanted[name][number] for name in wanted} for number in numbers]
    assert by_identity(rows) == by_identity(expected)
    assert sorted(row["log_offset"] for row in rows_of(EventTables(store), "dead_letters")) == [5, 9]


def test_rows_come_back_as_they_were_but_before_everything_new(store: EventStore) -> None:
    """The same order, and below zero; moved once more, they stay there."""
    numbers = list(range(100))
    store.insert("events", event_columns(numbers, [number * 4096 + number % 3 for number in numbers]))
    before = by_identity(rows_of(EventTables(store)))
    for _ in range(2):
        tables = EventTables(store)
        newest = tables.newest_offset()
        assert newest is not None
        batches = [batch for part in tables.parts() if part.table == "events" for batch in part.batches]
        tables.clear()
        assert tables.held() == {}
        for batch in batches:
            tables.add("events", batch, newest + 1)
    after = by_identity(rows_of(EventTables(store)))
    assert max(row["log_offset"] for row in after) == -1
    shift = before[0]["log_offset"] - after[0]["log_offset"]
    assert [{**row, "log_offset": row["log_offset"] + shift} for row in after] == before


def test_a_cut_takes_what_lies_before_the_commits_and_what_came_from_an_earlier_house(store: EventStore) -> None:
    """Offsets are kafka_offset << 12 | partition."""
    offsets = [-7, -4096, 0 << 12 | 0, 5 << 12 | 0, 6 << 12 | 0, 2 << 12 | 1, 3 << 12 | 1, 1 << 12 | 2, 9 << 12 | 3]
    store.insert("events", event_columns(list(range(len(offsets))), offsets))
    cut = EventTables(store, [6 << 12 | 0, 3 << 12 | 1, 0 << 12 | 2])
    kept = {row["log_offset"] for row in rows_of(cut)}
    assert kept == {-7, -4096, 0, 5 << 12, 2 << 12 | 1}
    assert cut.newest_offset() == 5 << 12
    assert EventTables(store).newest_offset() == 9 << 12 | 3
