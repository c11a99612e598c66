"""The sink against a plain model: random events, replays, conflicts and crashes; the two must agree."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from api.events.progress import progress
from api.events.reconcile import reconcile
from api.events.records import StampedEvent, UsageRecord, encode
from api.events.rollup import rebuild
from api.events.spool import Spool
from api.events.store_chdb import ChdbEventStore
from api.reports.queries import BillableAcrossTenants
from workers.sink.batch import Ends
from workers.sink.pipeline import STEPS, Sink

T0 = 1_795_262_400_000  # 2026-11-21T12:00:00Z
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
BOT = "curl/8.14"


def stamped(event_id: str, kind: str = "impression", **changes: object) -> StampedEvent:
    event = StampedEvent(
        publisher_id="tnt_a", event_id=event_id, type=kind, at_ms=T0, received_at_ms=T0, issued_at_ms=T0 - 60_000,
        nonce="n1", site_id="sit_1", media_id="med_1", media_kind="image", tag_id="tag_1", product_id="prd_1",
        brand_id="tnt_b", campaign_id="cmp_1", creative_id="", arm="", price_kind="cpc", currency="EUR",
        charge_micros=100 if kind == "click" else 0, billable=kind == "click", core=f"{kind}-core",
        full=f"{event_id}-full", user_agent=BROWSER,
    )  # fmt: skip
    return msgspec.structs.replace(event, **changes)


@dataclass
class House:
    """A log and a store, and what crashes leave of a sink between them."""

    folder: Path
    log: Spool = field(init=False)
    store: ChdbEventStore = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        self.log = Spool(self.folder / "spool", max_bytes=100_000_000)
        self.store = ChdbEventStore(self.folder / "chdb")

    def close(self) -> None:
        self.log.close()
        self.store.close()

    def put(self, *records: StampedEvent | UsageRecord) -> None:
        self.log.append([encode(record) for record in records]).result(60)

    def ends(self) -> Ends:
        return Ends(self.log, self.store)

    def drain(self) -> None:
        Sink(self.ends()).drain()

    def net_and_gross(self) -> dict[tuple[str, int, str, str], tuple[int, int]]:
        rows = self.store.select(
            "SELECT publisher_id, toUInt32(bucket) AS quarter, product_id, type, sumIf(events, flag = '') AS net, "
            "sum(events) AS gross FROM rollup_15m FINAL GROUP BY publisher_id, quarter, product_id, type"
        )
        return {
            (row["publisher_id"], row["quarter"], row["product_id"], row["type"]): (row["net"], row["gross"])
            for row in rows
        }

    def one(self, sql: str) -> int:
        return int(next(iter(self.store.select(sql)[0].values())))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


@dataclass
class Model:
    """What DESIGN.md's "What is one" means, written down as plainly as possible."""

    first: dict[tuple[str, str], StampedEvent] = field(default_factory=dict)
    conflicts: set[tuple[str, str, str, str]] = field(default_factory=set)
    net: list[StampedEvent] = field(default_factory=list)
    taken: list[StampedEvent] = field(default_factory=list)

    def put(self, event: StampedEvent) -> None:
        known = self.first.get((event.publisher_id, event.event_id))
        if known is not None:
            fulls = {known.full, event.full} - {""}
            if known.core != event.core or len(fulls) > 1:
                self.conflicts.add((event.publisher_id, event.event_id, event.core, event.full))
            return
        self.first[event.publisher_id, event.event_id] = event
        if self._is_net(event):
            self.net.append(event)
        self.taken.append(event)

    def _is_net(self, event: StampedEvent) -> bool:
        if event.user_agent == BOT:
            return False
        place = (event.publisher_id, event.nonce, event.tag_id)
        if event.type in {"impression", "viewable"}:
            return not any((e.publisher_id, e.nonce, e.tag_id) == place and e.type == event.type for e in self.net)
        if event.type == "click":
            near = [e for e in self.taken if e.type == "click" and abs(e.at_ms - event.at_ms) < 2000]
            return not any((e.publisher_id, e.nonce, e.tag_id) == place for e in near)
        return True

    def net_and_gross(self) -> dict[tuple[str, int, str, str], tuple[int, int]]:
        counts: dict[tuple[str, int, str, str], tuple[int, int]] = {}
        for event in self.taken:
            key = (event.publisher_id, event.at_ms // 900_000 * 900, event.product_id, event.type)
            net, gross = counts.get(key, (0, 0))
            counts[key] = (net + any(event is e for e in self.net), gross + 1)
        return counts

    def spend(self) -> int:
        return sum(event.charge_micros for event in self.net)


def random_event(rng: random.Random) -> StampedEvent:
    kind = rng.choice(["impression", "impression", "viewable", "click", "click", "hover"])
    product = rng.choice(["prd_1", "prd_2"])
    return stamped(
        f"event-{rng.randrange(150):04d}",
        kind,
        publisher_id=rng.choice(["tnt_a", "tnt_b"]),
        nonce=rng.choice(["n1", "n2", "n3", "n4", "n5"]),
        tag_id=rng.choice(["tag_1", "tag_2"]),
        product_id=product,
        at_ms=T0 + rng.randrange(0, 40 * 60_000, 700),
        core=f"{kind}-{product}",
        full=rng.choice(["", "full-1", "full-1", "full-2"]),
        user_agent=BOT if rng.random() < 0.2 else BROWSER,
    )


@pytest.mark.parametrize("seed", range(3))
def test_random_traffic_counts_as_the_model_says(house: House, seed: int) -> None:
    rng = random.Random(seed)
    model, sent = Model(), []
    for _ in range(8):
        batch = [random_event(rng) for _ in range(30)] + rng.sample(sent, min(len(sent), 10))
        sent += batch
        for event in batch:
            model.put(event)
        house.put(*batch)
        if rng.random() < 0.7:
            house.drain()
    house.drain()
    assert house.net_and_gross() == model.net_and_gross()
    assert house.one("SELECT count() FROM event_conflicts") == len(model.conflicts)
    assert house.one("SELECT sum(spend_micros) FROM rollup_15m FINAL") == model.spend()
    assert reconcile(house.log, house.store).differences == []
    assert progress(house.log).records == len(sent)


class Crash(Exception):
    pass


@pytest.mark.parametrize("step", range(len(STEPS)))
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_around_any_step_loses_and_doubles_nothing(house: House, step: int, after: bool) -> None:
    rng = random.Random(step)
    model = Model()
    for turn in range(2):
        batch = [random_event(rng) for _ in range(60)]
        for event in batch:
            model.put(event)
        usage = UsageRecord(tenant_id="tnt_d", query_id="qry_1", kind="search", quantity=1, at_ms=T0)
        house.put(*batch, usage)
        house.log.append([b"not a record"]).result(60)

        def crashing(batch, ends, step=STEPS[step]) -> None:
            if after:
                step(batch, ends)
            raise Crash

        steps = [*STEPS[:step], crashing, *STEPS[step + 1 :]]
        with pytest.raises(Crash):
            Sink(house.ends(), steps).once()
        house.close()
        house.open()
        if turn:
            house.drain()
    house.drain()
    assert house.net_and_gross() == model.net_and_gross()
    assert house.one("SELECT count() FROM event_conflicts") == len(model.conflicts)
    assert house.one("SELECT sum(quantity) FROM usage") == 1
    assert house.one("SELECT count() FROM dead_letters") == 2
    assert reconcile(house.log, house.store).differences == []


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_that_landed_in_part_is_completed_as_if_it_had_not(house: House, seed: int) -> None:
    """A chdb insert over several partitions is not atomic: any subset of the rows may be there."""
    rng = random.Random(seed)
    model, batch = Model(), [random_event(rng) for _ in range(200)]
    for event in batch:
        model.put(event)
    house.put(*batch)

    def write_some(batch, ends) -> None:
        batch.judged = [item for item in batch.judged if rng.random() < 0.5]
        STEPS[3](batch, ends)
        raise Crash

    for _ in range(3):
        with pytest.raises(Crash):
            Sink(house.ends(), [*STEPS[:3], write_some]).once()
    house.drain()
    assert house.net_and_gross() == model.net_and_gross()
    assert house.one("SELECT sum(spend_micros) FROM events") == model.spend()


def test_batches_of_any_size_give_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(7)
    events = [random_event(rng) for _ in range(120)]
    rows = []
    for size in (5, 37, 1000):
        monkeypatch.setattr("workers.sink.pipeline.BATCH_RECORDS", size)
        house = House(tmp_path / str(size))
        house.put(*events)
        house.drain()
        rows.append(
            house.store.select("SELECT event_id, flags, media_firsts FROM events ORDER BY publisher_id, event_id")
        )
        house.close()
    assert rows[0] == rows[1] == rows[2]


def test_a_replay_of_the_whole_log_adds_nothing(house: House) -> None:
    house.put(*[stamped(f"event-{i:04d}", "click", nonce=f"n{i}") for i in range(50)])
    house.drain()
    before = house.net_and_gross()
    house.log.commit(0, "")  # as after restoring an old backup of the offset
    house.drain()
    assert house.net_and_gross() == before
    assert house.one("SELECT count() FROM events") == 50


def test_roll_ups_can_be_thrown_away(house: House) -> None:
    rng = random.Random(1)
    house.put(*[random_event(rng) for _ in range(200)])
    house.drain()
    before = house.net_and_gross()
    house.store.command("TRUNCATE TABLE rollup_15m")
    assert reconcile(house.log, house.store).differences
    assert rebuild(house.store) == house.one("SELECT count() FROM events")
    assert house.net_and_gross() == before
    assert reconcile(house.log, house.store).differences == []


def test_reconcile_notices_a_lost_and_a_doubled_row(house: House) -> None:
    house.put(*[stamped(f"event-{i:04d}") for i in range(3)])
    house.drain()
    row = house.store.select("SELECT * FROM events LIMIT 1")[0]
    house.store.insert("events", {name: [value] for name, value in row.items()})
    assert reconcile(house.log, house.store).differences == [], "a copy is the same row"
    house.store.insert(
        "events", {name: [value] for name, value in {**row, "log_offset": row["log_offset"] + 1}.items()}
    )
    assert any("identities" in line for line in reconcile(house.log, house.store).differences)


def test_unreadable_records_go_to_the_dead_letters_as_they_were(house: House) -> None:
    house.log.append([b"\xc1 rubbish"]).result(60)
    house.put(stamped("event-0001"))
    house.drain()
    rows = house.store.select("SELECT payload, reason FROM dead_letters")
    assert [(bytes.fromhex(row["payload"]), row["reason"]) for row in rows] == [(b"\xc1 rubbish", "unparsable")]
    assert house.one("SELECT count() FROM events") == 1


def test_the_sink_outlives_a_store_in_trouble(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr("workers.sink.pace.BACKOFF_S", 0.01)
    stop, trouble = threading.Event(), iter([True, True])

    def flaky(batch, ends) -> None:
        if next(trouble, False):
            raise RuntimeError("the store is away")

    def stopper(*_: object) -> None:
        stop.set()

    house.put(stamped("event-0001"))
    Sink(house.ends(), [flaky, *STEPS, stopper]).run(stop)
    assert house.one("SELECT count() FROM events") == 1


def test_billing_reads_net_billable_events_by_hour(house: House) -> None:
    hour = 3_600_000
    clicks = [stamped(f"event-{i:04d}", "click", nonce=f"n{i}", at_ms=T0 + i * hour // 2) for i in range(4)]
    clicks.append(stamped("event-bot1", "click", nonce="bot", user_agent=BOT))
    clicks.append(stamped("event-stale", "click", nonce="stale", billable=False, charge_micros=0))
    house.put(*clicks)
    house.drain()
    rows = house.store.select(*BillableAcrossTenants(T0 // 1000, T0 // 1000 + 7200).sql())
    assert [(row["hour"] - T0 // 1000, row["paid_events"], row["spend"]) for row in rows] == [
        (0, 2, 200),
        (3600, 2, 200),
    ]
    assert {(row["brand_id"], row["publisher_id"], row["campaign_id"], row["price_kind"]) for row in rows} == {
        ("tnt_b", "tnt_a", "cmp_1", "cpc")
    }


def test_a_store_that_many_threads_meet_first_is_opened_once(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    store = ChdbEventStore(tmp_path / "chdb")
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: store.select("SELECT count() AS n FROM rollup_15m")[0]["n"], range(8)))
    assert counts == [0] * 8
    store.close()
