# ruff: noqa: S608 - the names of tables are ours
"""Two sinks may store the same rows. Whatever anybody reads afterwards is what it was."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.billing.queries import UsageAcrossTenants
from api.events.distinct import IDENTITY
from api.events.reconcile import reconcile
from api.events.records import UsageRecord, encode
from api.events.rollup import rebuild
from api.reports.dimensions import Grouping
from api.reports.periods import parse_period
from api.reports.queries import BillableAcrossTenants, ConflictQuery, CtrQuery, FlaggedQuery, Scope, SpendQuery, Where
from tests.api.events.sided_house import SidedHouse
from tests.event_stores import SIDES, stores_of
from tests.workers.test_sink import T0, House, random_event, stamped
from workers.sink.pipeline import STEPS, Sink

NOW = datetime.fromtimestamp(T0 / 1000, UTC)


@pytest.fixture(params=SIDES)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """Two hundred random events over two days, conflicts, calls and rubbish, all through the sink."""
    with stores_of(request.param, tmp_path) as stores:
        made = SidedHouse(tmp_path, stores)
        rng = random.Random(11)
        events = [random_event(rng) for _ in range(200)]
        yesterday = [stamped(f"before-{i:04d}", "click", nonce=f"y{i}", at_ms=T0 - 86_400_000) for i in range(20)]
        made.put(*events, *yesterday, *[called(i) for i in range(6)])
        made.log.append([b"rubbish", b"more rubbish"]).result(60)
        made.drain()
        yield made
        made.close()


def called(i: int) -> UsageRecord:
    return UsageRecord(tenant_id="tnt_d", query_id=f"qry_{i}", kind="search", quantity=i + 1, at_ms=T0)


def figures(house: House) -> dict[str, Any]:
    """Everything that anybody is shown or billed, ends of ranges inside quarters included."""
    store = house.store
    # 12:07:01 to 12:33:20, so that both ends are counted from events and the middle from the roll-up
    start, end = T0 // 1000 + 421, T0 // 1000 + 2000
    found: dict[str, Any] = {"billable": store.select(*BillableAcrossTenants(0, 2**31).sql())}
    for name, (first, last) in {"whole": (T0 // 1000 - 90_000, T0 // 1000 + 90_000), "part": (start, end)}.items():
        where = Where(Scope.everybody(), first, last)
        period = parse_period(iso(first), iso(last), "Asia/Kathmandu", NOW)
        for traffic in ("net", "gross"):
            found[f"{name} {traffic}"] = store.select(*CtrQuery(where, period, Grouping(()), traffic, 9).sql())
            grouping = Grouping(("hour", "product_id", "publisher_id"))
            found[f"{name} {traffic} rows"] = store.select(*CtrQuery(where, period, grouping, traffic, 999).sql())
        for query in (FlaggedQuery(where), SpendQuery(where), ConflictQuery(where)):
            found[f"{name} {type(query).__name__}"] = store.select(*query.sql())
    calls = UsageAcrossTenants(store).by_hour(NOW - timedelta(days=1), NOW + timedelta(days=1))
    found["usage"] = [(row.tenant_id, row.hour, row.quantity) for row in calls]
    held = reconcile(house.log, store)
    found["reconcile"] = ({name: n for name, n in held.store.items() if name != "copies"}, held.differences)
    return found


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def insert_again(house: House, rng: random.Random, parts: int) -> None:
    """Every row of every table once more, shuffled, in several inserts."""
    for table in IDENTITY:
        rows = house.store.select(f"SELECT * FROM {table} LIMIT 1 BY {IDENTITY[table]}")
        rng.shuffle(rows)
        for i in range(parts):
            some = rows[i::parts]
            house.store.insert(table, {name: [row[name] for row in some] for name in rows[0]})


def test_the_traffic_of_these_tests_has_something_of_everything(house: House) -> None:
    found = figures(house)
    assert found["reconcile"][1] == []
    for name in ("whole FlaggedQuery", "whole SpendQuery", "part SpendQuery", "billable", "usage"):
        assert found[name], name
    assert found["whole ConflictQuery"][0]["conflicts"] > 0 < found["part ConflictQuery"][0]["conflicts"]
    assert found["part net"][0]["impressions"] < found["whole net"][0]["impressions"] < found["whole gross"][0][
        "impressions"
    ]  # fmt: skip


@pytest.mark.parametrize("times", [1, 2])
def test_rows_that_are_stored_again_count_once(house: House, times: int) -> None:
    before = figures(house)
    for turn in range(times):
        insert_again(house, random.Random(turn), parts=3)
    assert figures(house) == before
    assert reconcile(house.log, house.store).store["copies"] == times * house.one(
        "SELECT uniqExact(publisher_id, event_id) FROM events"
    )


def test_roll_ups_made_of_copies_are_the_same(house: House) -> None:
    before = figures(house)
    insert_again(house, random.Random(5), parts=4)
    house.log.commit(0, "")  # the sink takes everything again and recomputes every quarter
    house.drain()
    assert figures(house) == before
    assert rebuild(house.store) == before["reconcile"][0]["events"]
    assert figures(house) == before


@pytest.mark.parametrize("late", STEPS[1:4], ids=lambda step: step.__name__)
def test_a_sink_that_was_paused_stores_only_copies(house: House, late: Callable[..., None]) -> None:
    """It read the batch, slept, and another sink took the same batch; then it goes on where it was, knowing nothing."""
    rng = random.Random(3)
    events = [random_event(rng) for _ in range(80)]
    house.log.append([encode(event) for event in events]).result(60)

    def paused(batch: Any, ends: Any) -> None:
        Sink(ends).drain()
        late(batch, ends)

    number = STEPS.index(late)
    steps = [*STEPS[:number], paused, *STEPS[number + 1 : -1]]  # its commit is refused: the partition is another's
    Sink(house.ends(), steps).once()
    after = figures(house)
    assert after["reconcile"][1] == []
    assert (
        house.one("SELECT uniqExact(publisher_id, event_id, log_offset, flags, media_firsts) FROM events")
        == (after["reconcile"][0]["identities"])
    ), "both judged every event alike"


def test_the_sink_that_has_seen_more_of_a_quarter_wins_whoever_writes_last(house: House) -> None:
    """A recomputation of before some events arrived may be written after the one that has seen them."""
    at = {"at_ms": T0 + 5 * 3_600_000}
    house.put(*[stamped(f"early-{i:04d}", "hover", nonce=f"e{i}", **at) for i in range(3)])
    house.drain()
    where = f"bucket = toDateTime({at['at_ms'] // 1000}, 'UTC')"
    seen_early = house.store.select(f"SELECT * FROM rollup_15m FINAL WHERE {where}")
    house.put(*[stamped(f"late-{i:05d}", "hover", nonce=f"l{i}", **at) for i in range(2)])
    house.drain()
    house.store.insert("rollup_15m", {name: [row[name] for row in seen_early] for name in seen_early[0]})
    assert house.one(f"SELECT sum(events) FROM rollup_15m FINAL WHERE {where}") == 5
    house.store.command("OPTIMIZE TABLE rollup_15m FINAL")
    assert house.one(f"SELECT sum(events) FROM rollup_15m WHERE {where}") == 5
    assert reconcile(house.log, house.store).differences == []


@pytest.mark.parametrize("moment", ["CREATE TABLE", "INSERT INTO", "RENAME TABLE", "DROP TABLE"])
def test_what_a_sink_stores_while_roll_ups_are_rebuilt_is_in_them(
    house: House, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, waiting = house.store.command, [True]

    def busy(sql: str, keys: Any = None) -> None:
        if moment in sql and waiting:
            waiting.clear()
            house.put(*[stamped(f"during-{i:03d}", "click", nonce=f"d{i}", at_ms=T0 + i * 60_000) for i in range(30)])
            house.drain()
        command(sql, keys)

    monkeypatch.setattr(house.store, "command", busy)
    rebuild(house.store)
    assert waiting == []
    assert reconcile(house.log, house.store).differences == []
    tables = house.store.select("SELECT name FROM system.tables WHERE database = currentDatabase()")
    assert [row["name"] for row in tables if row["name"].startswith("rollup")] == ["rollup_15m"]


def test_a_sinks_recomputation_that_ends_in_the_table_put_away_is_made_good(house: House) -> None:
    """It began before the rebuild swapped the tables, so its rows land in the old one; its events were there before."""
    house.put(*[stamped(f"swap-{i:05d}", "click", nonce=f"s{i}") for i in range(5)])
    command = house.store.command
    without_roll_up = [step for step in STEPS if step.__name__ not in {"roll_up", "commit"}]

    def swapping(sql: str, keys: Any = None) -> None:
        if sql.startswith("RENAME"):
            Sink(house.ends(), without_roll_up).once()
        command(sql, keys)

    house.store.command = swapping  # type: ignore[method-assign]
    rebuild(house.store)
    house.store.command = command  # type: ignore[method-assign]
    house.log.commit(house.log.end(), house.log.committed().note)
    assert house.one("SELECT sum(events) FROM rollup_15m FINAL") == house.one("SELECT count() FROM events")
