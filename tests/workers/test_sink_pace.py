"""Batches are written as they come; roll-ups and commits follow seldom, soon enough, and heal by a replay."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from api.events.log import Committed, LogBatch, Mark, PartitionLost
from api.events.progress import progress, progress_of
from api.events.reconcile import reconcile
from api.events.records import encode
from api.events.spool import Spool
from api.events.store_chdb import ChdbEventStore
from tests.patience import until
from tests.workers.test_sink import T0, House, stamped
from workers.sink import facts, pace, pipeline
from workers.sink.batch import Ends
from workers.sink.pipeline import Sink


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def clicks(name: str, count: int, **changes: Any) -> list[Any]:
    return [stamped(f"{name}-{i:05d}", "click", nonce=f"{name}{i}", **changes) for i in range(count)]


def assert_exact(house: House, expected: int) -> None:
    held = reconcile(house.log, house.store)
    assert (held.differences, held.store["identities"], held.waiting) == ([], expected, 0)
    assert house.one("SELECT sum(spend_micros) FROM rollup_15m FINAL") == expected * 100


@contextmanager
def working(sink: Sink) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=sink.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)


def rolled_up(store: ChdbEventStore) -> int:
    return int(store.select("SELECT sum(events) AS n FROM rollup_15m FINAL")[0]["n"])


class Died(Exception):
    pass


@pytest.mark.parametrize("step", ["roll_up", "commit"])
@pytest.mark.parametrize("after", [False, True])
def test_a_sink_that_dies_with_several_batches_written_loses_and_doubles_nothing(
    house: House, step: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.sink.pipeline.BATCH_RECORDS", 40)
    monkeypatch.setattr(pace, "LONGEST_S", 60.0)
    monkeypatch.setattr(pace, "SHORTEST_S", 60.0)
    end, name = (house.store, "command") if step == "roll_up" else (house.log, "commit_all")
    work, calls = getattr(end, name), Counter[str]()

    def dying(*given: Any) -> None:
        paced = step == "commit" or "INTO rollup_15m" in given[0]
        calls["paced"] += paced
        dies = paced and calls["paced"] == 2  # the first batch is settled at once
        if not dies or after:
            work(*given)
        if dies:
            raise Died

    house.put(*clicks("event", 200), stamped("event-00000", "click", core="another", full="another"))
    house.put(*clicks("event", 20))  # duplicates
    monkeypatch.setattr(end, name, dying)
    with pytest.raises(Died):
        house.drain()
    monkeypatch.setattr(end, name, work)
    assert house.one("SELECT count() FROM events") == 200, "everything was written"
    assert progress(house.log).records == (221 if after and step == "commit" else 40)
    house.close()
    house.open()
    house.drain()
    assert_exact(house, 200)
    totals = progress(house.log)
    assert (totals.records, totals.stored, totals.duplicate, totals.conflict) == (221, 200, 20, 1)


class Watch:
    """The sink's time, which goes on only when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        for module in (pace, pipeline):
            monkeypatch.setattr(module, "time", self)

    def monotonic(self) -> float:
        return self.now_s


def test_under_load_roll_ups_are_fewer_than_batches_and_counts_show_within_seconds(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four seconds in which a batch comes every 50 ms and a roll-up, of a full quarter, takes 200."""
    watch = Watch(monkeypatch)
    done: Counter[str] = Counter()
    commits: list[float] = []
    command, commit_all = house.store.command, house.log.commit_all

    def slow(sql: str, keys: Any = None) -> None:
        done["events" if "INTO events" in sql else "roll-ups" if "INTO rollup_15m" in sql else "others"] += 1
        if "INTO rollup_15m" in sql:
            watch.now_s += 0.2
        command(sql, keys)

    def noted(marks: Any) -> None:
        commits.append(watch.now_s)
        commit_all(marks)

    monkeypatch.setattr(house.store, "command", slow)
    monkeypatch.setattr(house.log, "commit_all", noted)
    sink, begun, sent = Sink(house.ends()), watch.now_s, 0
    while watch.now_s - begun < 4:
        house.put(*clicks(f"turn{sent}-", 20))
        sent += 20
        assert sink._round() == 20
        watch.now_s += 0.05
    assert sent / 2 < rolled_up(house.store) < sent, "counts show while more keeps coming"
    assert sink._round() == 0, "nothing more comes"
    assert rolled_up(house.store) == sent
    assert 3 <= done["roll-ups"] <= done["events"] / 2
    gaps = [later - earlier for earlier, later in pairwise(commits)]
    assert max(gaps) < pace.LONGEST_S
    assert_exact(house, sent)


def test_a_single_event_shows_at_once_and_the_last_ones_are_settled_when_the_sink_stops(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    Watch(monkeypatch)  # it stands still: what waits for its time waits for ever
    with working(Sink(house.ends())):
        house.put(*clicks("first", 1))
        until(lambda: rolled_up(house.store) == 1)
        house.put(*clicks("next", 1))
        until(lambda: rolled_up(house.store) == 2)
    sink, stop = Sink(house.ends()), threading.Event()
    monkeypatch.setattr(sink._pace, "due", stop.set)  # asked after the second was written; answers "not yet"
    house.put(*clicks("second", 1))
    sink.run(stop)
    assert_exact(house, 3)


class Part:
    """A partition of a log of several, each on a spool of its own; as long as it is ours."""

    def __init__(self, number: int, spool: Spool) -> None:
        self.number, self.spool, self.lost = number, spool, False

    def read(self, after: int, max_records: int) -> LogBatch:
        return self.spool.read(after, max_records)

    def committed(self) -> Committed:
        return self.spool.committed()

    def commit(self, offset: int, note: str = "") -> None:
        if self.lost:
            raise PartitionLost("another's")
        self.spool.commit(offset, note)

    def end(self) -> int:
        return self.spool.end()

    def waiting(self) -> int:
        return self.spool.waiting()


class Reader:
    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts

    def assigned(self) -> list[Part]:
        return list(self.parts)

    def commit_all(self, marks: list[Mark]) -> None:
        if any(mark.partition.lost for mark in marks):  # type: ignore[attr-defined]
            raise PartitionLost("one is another's")
        for mark in marks:
            mark.partition.commit(mark.offset, mark.note)

    def close(self) -> None:
        pass


@pytest.fixture
def spools(tmp_path: Path) -> Iterator[list[Spool]]:
    opened = []
    for number in range(2):
        opened.append(Spool(tmp_path / f"spool{number}", max_bytes=10**8))
        time.sleep(0.002)  # offsets begin at the time of birth
    yield opened
    for spool in opened:
        spool.close()


def put(spool: Spool, *events: Any) -> None:
    spool.append([encode(event) for event in events]).result(60)


@pytest.mark.parametrize("told", [True, False], ids=["told in time", "refused at the commit"])
def test_a_partition_lost_with_rows_written_is_taken_over_and_the_others_go_on(
    spools: list[Spool], house: House, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = [Part(number, spool) for number, spool in enumerate(spools)]
    reader = Reader(ours)
    sink = Sink(Ends(reader, house.store))  # type: ignore[arg-type]
    monkeypatch.setattr(sink._pace, "due", lambda: False)
    for number, spool in enumerate(spools):
        # far apart in time, so that no offset is another's
        put(spool, *clicks(f"part{number}", 10, publisher_id=f"tnt_{number}", at_ms=T0 + number))
    assert sink._round() == 20
    assert house.one("SELECT count() FROM events") == 20
    assert [progress_of(spool.committed().note).records for spool in spools] == [0, 0]
    ours[1].lost = True
    heir = Part(1, spools[1])
    if told:
        reader.parts = ours[:1]
    put(spools[1], *clicks("more", 5, publisher_id="tnt_1"))
    for _ in range(4):
        sink._round()
        reader.parts = ours[:1]
    assert progress_of(spools[0].committed().note).records == 10
    assert progress_of(spools[1].committed().note).records == 0
    Sink(Ends(Reader([heir]), house.store)).drain()  # type: ignore[arg-type]
    assert progress_of(spools[1].committed().note).stored == 15
    assert rolled_up(house.store) == house.one("SELECT count() FROM events") == 25
    # won again, it goes on from its last commit, whoever made it
    again = Part(1, spools[1])
    reader.parts = [ours[0], again]
    put(spools[1], *clicks("again", 3, publisher_id="tnt_1"))
    assert sink.drain() == 3
    assert progress_of(spools[1].committed().note).stored == 18


def test_two_sinks_on_the_same_partition_leave_the_same_rows_and_roll_ups(spools: list[Spool], house: House) -> None:
    """One was paused between writing and rolling up; the other has taken everything since."""
    late, spool = Part(0, spools[0]), spools[0]
    first = Sink(Ends(Reader([late]), house.store))  # type: ignore[arg-type]
    put(spool, *clicks("before", 30))
    first._take(first._assigned())
    put(spool, *clicks("after", 12))
    assert Sink(Ends(Reader([Part(0, spool)]), house.store)).drain() == 42  # type: ignore[arg-type]
    late.lost = True
    with pytest.raises(PartitionLost):
        first._settle(list(first._pending))
    assert first.once() == 0, "what it wrote is not counted again: the other's commit is the last one"
    assert progress_of(spool.committed().note).stored == 42
    assert rolled_up(house.store) == 42


def test_a_view_is_found_whether_its_facts_are_kept_or_not(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, days in enumerate((facts.KEPT_DAYS, 10_000, -10_000)):
        monkeypatch.setattr(facts, "KEPT_DAYS", days)
        house.put(*[stamped(f"event-{number}-{i}", nonce=f"view{i % 4}", publisher_id="tnt_a") for i in range(8)])
        house.drain()
    repeats = house.one("SELECT count() FROM events WHERE flag = 'repeat_impression'")
    assert repeats == 24 - 4
    assert house.one("SELECT count() FROM facts") == 24


def test_old_facts_are_forgotten_and_rebuilt_facts_are_as_they_were(house: House) -> None:
    now_ms = int(time.time() * 1000)
    day = facts.DAY_S * 1000
    for age in (0, 1, 30):
        at_ms = now_ms - age * day
        changes = {"at_ms": at_ms, "received_at_ms": at_ms, "issued_at_ms": at_ms - 1000}
        house.put(*clicks(f"age{age}", 3, **changes), stamped(f"hover-{age}", "hover", **changes))
    house.drain()
    rows = "SELECT * FROM facts ORDER BY log_offset"
    everything = house.store.select(rows)
    assert len(everything) == 9, "hovers are not looked at"
    facts.forget_old(house.store)
    kept = house.store.select(rows)
    assert kept == [row for row in everything if not row["nonce"].startswith("age30")]
    facts.rebuild(house.store)
    assert house.store.select(rows) == kept


def test_an_event_that_is_there_has_its_fact(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the two inserts: the fact without its event is harmless, and the replay judges as at first."""
    insert = house.store.insert

    def dying(table: str, columns: Any) -> None:
        if table == "events":
            raise Died
        insert(table, columns)

    house.put(stamped("event-0001"), stamped("event-0002"), *clicks("event", 3))
    monkeypatch.setattr(house.store, "insert", dying)
    with pytest.raises(Died):
        house.drain()
    monkeypatch.setattr(house.store, "insert", insert)
    assert house.one("SELECT count() FROM events") == 0
    house.drain()
    flags = {row["event_id"]: row["flag"] for row in house.store.select("SELECT event_id, flag FROM events")}
    assert (flags["event-0001"], flags["event-0002"]) == ("", "repeat_impression")
    house.put(stamped("event-0003"))
    house.drain()
    assert house.one("SELECT count() FROM events WHERE flag = 'repeat_impression'") == 2
    assert reconcile(house.log, house.store).differences == []
