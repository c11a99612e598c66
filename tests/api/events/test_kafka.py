"""What Kafka adds to the log's contract: many writers, many readers, and trouble between them."""

import gc
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.events import kafka_forwarder, kafka_reader
from api.events.kafka_client import KafkaClient
from api.events.log import LogFull, LogUnavailable, PartitionLost
from api.events.progress import progress
from api.events.reconcile import reconcile
from api.events.records import StampedEvent, UsageRecord, decode, encode
from api.events.store_chdb import ChdbEventStore
from tests.api.events.log_sides import (
    KAFKA_LEAVES,
    KafkaSide,
    kafka_settings,
    kafka_side,
    read_from,
    the_partition,
)
from tests.patience import until
from tests.services import url_of
from tests.workers.test_sink import T0, stamped
from workers.sink.batch import Ends
from workers.sink.pipeline import STEPS, Sink

pytestmark = KAFKA_LEAVES


@pytest.fixture(autouse=True, scope="module")
def _sockets_collected() -> Iterator[None]:
    """Under the mark's rule, before another module's tests come."""
    yield
    gc.collect()


@pytest.fixture
def side(tmp_path: Path) -> Iterator[KafkaSide]:
    with kafka_side(tmp_path, url_of("kafka")) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChdbEventStore]:
    opened = ChdbEventStore(tmp_path / "chdb")
    yield opened
    opened.close()


def put(log, *records: StampedEvent | UsageRecord) -> None:
    log.append([encode(record) for record in records]).result(60)


def take(log, reader, store: ChdbEventStore, records: int) -> None:
    """Let a sink work until it has dealt with that many records."""
    sink = Sink(Ends(reader, store))

    def done() -> bool:
        sink.once()
        return progress(log).records >= records

    until(done)


def one(store: ChdbEventStore, sql: str) -> int:
    return int(next(iter(store.select(sql)[0].values())))


def events_of(tenant: str, count: int, **changes: object) -> list[StampedEvent]:
    return [stamped(f"{tenant}-{i:04d}", "click", publisher_id=tenant, nonce=f"n{i}", **changes) for i in range(count)]


def test_one_event_through_two_processes_counts_once_and_other_content_is_a_conflict(side, store) -> None:
    first, second = side.another_log("first"), side.another_log("second")
    barrier = threading.Barrier(2)

    def send(log, content: str) -> None:
        barrier.wait()
        put(log, *events_of("tnt_a", 50), stamped("twice", core=content, full=content))

    threads = [threading.Thread(target=send, args=(log, name)) for log, name in ((first, "this"), (second, "that"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    take(first, side.reader(), store, 102)
    assert one(store, "SELECT count() FROM events") == 51
    assert one(store, "SELECT count() FROM event_conflicts") == 1
    until(lambda: progress(first).duplicate == 50)
    assert reconcile(second, store).differences == []


def test_a_tenants_records_keep_their_order_in_one_partition_over_restarts_of_its_writer(side) -> None:
    expected: defaultdict[str, list[str]] = defaultdict(list)
    for turn in range(3):
        log = side.log()
        for i in range(60):
            tenant = f"tnt_{i % 7}"
            put(log, stamped(f"{turn}-{i}", publisher_id=tenant))
            put(log, UsageRecord(tenant_id=tenant, query_id=f"{turn}-{i}-q", kind="search", quantity=1, at_ms=T0))
            expected[tenant] += [f"{turn}-{i}", f"{turn}-{i}-q"]
    reader, found, places = side.reader(), defaultdict(list), defaultdict(set)

    def read_all() -> bool:
        for partition in reader.assigned():
            batch = partition.read(partition.committed().offset, 1000)
            for record in map(decode, [record.payload for record in batch.records]):
                tenant = record.publisher_id if isinstance(record, StampedEvent) else record.tenant_id
                found[tenant].append(record.event_id if isinstance(record, StampedEvent) else record.query_id)
                places[tenant].add(partition.number)
            if batch.records:
                partition.commit(batch.end)
        return sum(map(len, found.values())) >= 360

    until(read_all)
    assert found == expected
    assert all(len(numbers) == 1 for numbers in places.values())
    assert len(set.union(*places.values())) > 1, "seven tenants do not all fall into one"


def test_two_readers_share_the_partitions_and_commit_every_record_once(side) -> None:
    log = side.log()
    readers = [side.another_reader(), side.another_reader()]
    committed: list[list[tuple[int, int]]] = [[], []]
    held, stop = [0, 0], threading.Event()

    def work(number: int) -> None:
        reader, mine = readers[number], committed[number]
        while not stop.is_set():
            partitions = reader.assigned()
            held[number] = len(partitions)
            for partition in partitions:
                batch = partition.read(partition.committed().offset, 13)
                if not batch.records:
                    continue
                try:
                    partition.commit(batch.end)
                except PartitionLost:
                    continue  # the other one has it
                mine += [(partition.number, record.offset) for record in batch.records]

    def put_and_await(rounds: range) -> None:
        for i in rounds:
            put(log, *[stamped(f"{i}-{k}", publisher_id=f"tnt_{k}") for k in range(12)])
            time.sleep(0.02)
        until(lambda: sum(map(len, committed)) >= rounds.stop * 12)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    put_and_await(range(50))  # some before, some during, some after the group has formed
    until(lambda: held == [2, 2])
    before = [len(mine) for mine in committed]
    put_and_await(range(50, 100))
    stop.set()
    for thread in threads:
        thread.join()
    together = committed[0] + committed[1]
    assert (len(together), len(set(together))) == (1200, 1200)
    shares = [{number for number, _ in mine[start:]} for mine, start in zip(committed, before, strict=True)]
    assert all(shares), "both work"
    assert not shares[0] & shares[1], "at the end each has partitions of its own"


def test_a_reader_that_closes_hands_over_at_once(side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_reader, "SESSION_MS", 300_000)  # who is missed only after that comes too late here
    log, leaving, staying = side.log(), side.reader(), side.another_reader()
    put(log, *[stamped(f"event-{k}", publisher_id=f"tnt_{k}") for k in range(40)])
    with working(leaving, lambda: len(leaving.assigned()) == 2):
        until(lambda: len(staying.assigned()) == 2)
    side._reader = None
    leaving.close()
    until(lambda: len(staying.assigned()) == 4)


def test_a_sink_that_was_taken_for_dead_cannot_commit(side) -> None:
    log, zombie = side.log(), side.reader()
    put(log, stamped("event-0001"))
    partition = the_partition(zombie)
    batch = partition.read(partition.committed().offset, 10)
    _expel(zombie, side)
    heir = side.another_reader()
    theirs = the_partition(heir)
    assert theirs.number == partition.number
    with pytest.raises(PartitionLost):
        partition.commit(batch.end, "the zombie's")
    theirs.commit(batch.end, "the heir's")
    with working(zombie, lambda: len(zombie.assigned()) == 2):  # it comes back as a new member
        until(lambda: len(heir.assigned()) == 2)
    with pytest.raises(PartitionLost):
        partition.commit(batch.end, "the zombie's, once more")
    until(lambda: {part.committed().note for part in log.partitions()} == {"", "the heir's"})


def test_a_join_that_outlasts_a_poll_is_not_forgotten(side) -> None:
    side.log()
    reader = side.reader()
    until(lambda: len(reader.assigned()) == 4)
    for _ in range(3):
        reader._consumer._coordinator.request_rejoin()
        reader._consumer.poll(0)  # begins to join and does not wait; the answer comes when nobody asks
        time.sleep(0.2)
        until(lambda: len(reader.assigned()) == 4)


@contextmanager
def working(reader, done) -> Iterator[None]:
    """Readers that form a group wait for each other: each needs its own thread, as a sink has."""
    thread = threading.Thread(target=until, args=(done,))
    thread.start()
    yield
    thread.join()


def _expel(reader, side: KafkaSide) -> None:
    """What the broker does to a member that it has not heard of for the session's time."""
    from kafka.admin import MemberToRemove

    member = reader._consumer.group_metadata().member_id
    client = KafkaClient(side.settings)
    client._opened().remove_group_members(side.settings.kafka_group, [MemberToRemove(member_id=member)])
    client.drop()


def test_what_lies_in_the_topic_and_is_no_record_goes_to_the_dead_letters(side, store) -> None:
    log = side.log()
    poison = [b"\xc1 rubbish", b"", encode(stamped("late", at_ms=2**60)), encode(stamped("rich", charge_micros=2**63))]
    early = UsageRecord(tenant_id="tnt_a", query_id="early", kind="search", quantity=1, at_ms=-5)
    log.append([*poison, encode(early)]).result(60)
    put(log, *events_of("tnt_a", 3))
    take(log, side.reader(), store, 8)
    letters = store.select("SELECT payload FROM dead_letters")
    assert {bytes.fromhex(row["payload"]) for row in letters} == {*poison, encode(early)}
    assert one(store, "SELECT count() FROM events") == 3
    assert reconcile(log, store).differences == []


def test_while_kafka_is_away_the_spool_takes_what_it_can_hold_and_then_says_full(tmp_path: Path) -> None:
    side = KafkaSide(tmp_path, kafka_settings("127.0.0.1:1"))
    log = side.another_log("spool", max_bytes=50_000)
    log.check()
    for _ in range(49):
        log.append([b"x" * 1000]).result(60)
    with pytest.raises(LogFull):
        log.append([b"x" * 1000])
    with pytest.raises(LogUnavailable, match=r"Kafka at 127\.0\.0\.1:1"):
        log.partitions()
    assert "Kafka at 127.0.0.1:1" in until(log.status)
    kept = log.unforwarded()
    started = time.monotonic()
    side.close()
    assert time.monotonic() - started < 12
    assert kept == log.unforwarded() > 40_000, "closing lost nothing"


def test_when_the_sinks_are_too_far_behind_events_stay_in_the_spool_until_they_catch_up(
    side, store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_forwarder, "LOOK_AT_SINKS_EVERY_S", 0.0)
    monkeypatch.setattr("api.events.kafka_log.SEEN_FOR_S", 0.0)
    side.settings.kafka_max_waiting = 20
    log = side.log()
    put(log, *events_of("tnt_a", 30))
    until(lambda: sum(part.waiting() for part in log.partitions()) == 30)
    put(log, *events_of("tnt_b", 30))
    assert "30 records wait for the sinks" in until(log.status)
    assert sum(part.waiting() for part in log.partitions()) == 30
    log.check()
    take(log, side.reader(), store, 60)
    until(lambda: log.status() is None)
    assert one(store, "SELECT count() FROM events") == 60


def test_a_topic_that_takes_small_batches_only_gets_small_ones(side, store, monkeypatch) -> None:
    monkeypatch.setattr(kafka_forwarder, "BATCH_BYTES", 60_000)
    client = KafkaClient(side.settings)
    wanted = {"num_partitions": 2, "replication_factor": 1, "configs": {"max.message.bytes": "20000"}}
    client._opened().create_topics({side.settings.kafka_topic: wanted})
    client.drop()
    log = side.log()
    put(log, *events_of("tnt_a", 300))
    assert len(until(log.partitions)) == 2, "what the topic has counts, not the setting"
    take(log, side.reader(), store, 300)
    assert one(store, "SELECT count() FROM events") == 300


def test_a_broker_that_forgot_the_writer_gets_everything_all_the_same(side, store) -> None:
    log = side.log()
    put(log, *events_of("tnt_a", 10))
    until(lambda: log._forwarder._sequences)
    for number in log._forwarder._sequences:
        log._forwarder._sequences[number] += 7  # out of order, to the broker
    put(log, *events_of("tnt_a", 20))
    take(log, side.reader(), store, 30)
    assert one(store, "SELECT count() FROM events") == 20


def test_what_is_stored_is_deleted_from_the_topic(side, store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_reader, "FORGET_EVERY_S", 0.0)
    side.settings.kafka_keep_minutes = 0
    log, reader = side.log(), side.reader()
    put(log, *events_of("tnt_a", 10))
    take(log, reader, store, 10)
    partition = next(part for part in log.partitions() if part.committed().note)
    from kafka import TopicPartition
    from kafka.protocol.consumer import OffsetSpec

    client = KafkaClient(side.settings)
    there = TopicPartition(side.settings.kafka_topic, partition.number)

    def first() -> int:
        reader.assigned()
        return client._opened().list_partition_offsets({there: OffsetSpec.EARLIEST})[there].offset

    until(lambda: first() == 10)
    client.drop()
    put(log, *events_of("tnt_a", 12))
    take(log, reader, store, 22)
    assert one(store, "SELECT count() FROM events") == 12


def test_a_partition_that_is_full_does_not_hold_up_the_others(side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_reader, "BUFFER_RECORDS", 50)
    log, reader = side.log(), side.reader()
    put(log, *events_of("tnt_a", 5000))
    busy = the_partition(reader)
    tenant = next(f"tnt_{k}" for k in range(100) if _partition_of(f"tnt_{k}", 4) != busy.number)
    put(log, *events_of(tenant, 5))
    quiet = _partition_of(tenant, 4)
    assert len(read_from(reader, quiet, quiet, 5)) == 5
    records = read_from(reader, busy.number, busy.committed().offset, 5000, at_a_time=100)
    assert [decode(record.payload).event_id for record in records] == [f"tnt_a-{i:04d}" for i in range(5000)]


def _partition_of(tenant: str, partitions: int) -> int:
    from api.events.kafka_batches import placing

    return placing(tenant, partitions)[0]


def test_a_partition_in_trouble_of_its_own_does_not_hold_up_the_others(side, store) -> None:
    log, stop = side.log(), threading.Event()
    other = next(f"tnt_{k}" for k in range(100) if _partition_of(f"tnt_{k}", 4) != _partition_of("tnt_a", 4))

    def stumble(batch, ends) -> None:
        if any(placed.event.publisher_id == "tnt_a" for placed in batch.events):
            raise RuntimeError("this one cannot be taken")

    put(log, *events_of("tnt_a", 3), *events_of(other, 5))
    sink = Sink(Ends(side.reader(), store), [STEPS[0], stumble, *STEPS[1:]])
    thread = threading.Thread(target=sink.run, args=(stop,))
    thread.start()
    until(lambda: one(store, "SELECT count() FROM events") == 5)
    put(log, *events_of(other, 9))
    until(lambda: one(store, "SELECT count() FROM events") == 9)
    stop.set()
    thread.join()
    until(lambda: progress(log).records == 14)
    assert sum(part.waiting() for part in log.partitions()) == 3, "nothing was skipped"
