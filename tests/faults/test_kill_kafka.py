"""kill -9 of what stands around Kafka, and of Kafka: every event that was made durable is counted once."""

import gc
import itertools
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.events import kafka_reader
from api.events.log import LogUnavailable
from api.events.progress import progress
from api.events.reconcile import reconcile
from api.events.records import encode
from api.events.spool import Spool
from api.events.store_chdb import ChdbEventStore
from tests.api.events.log_sides import KAFKA_LEAVES, KafkaSide, kafka_side
from tests.faults.dying_forwarder import DIED
from tests.faults.no_store import NO_STORE
from tests.patience import until
from tests.services import url_of
from tests.workers.test_sink import stamped
from workers.sink.batch import Ends
from workers.sink.commit import commit
from workers.sink.parse import parse
from workers.sink.pipeline import STEPS, Sink

REPO = Path(__file__).resolve().parents[2]
MOST_WAITING = 240
APPENDED_WITHIN_S = 10.0  # the work of a disk, on a very busy machine
pytestmark = [pytest.mark.slow, KAFKA_LEAVES]


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


@pytest.fixture
def broker(tmp_path: Path) -> Iterator:
    """A broker of our own, which nobody misses."""
    from infra.services.place import Place
    from infra.services.problems import ServiceProblem
    from infra.services.registry import service

    started = service("kafka", Place.beside(tmp_path / "services"))
    try:
        started.start(kept=False)
    except ServiceProblem as problem:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            raise
        pytest.skip(str(problem))
    yield started
    if started.process():
        os.kill(started.process().pid, signal.SIGCONT)
    started.stop()


def signalled(broker, number: signal.Signals) -> None:
    os.kill(broker.process().pid, number)


class Appender:
    """Appends events of three tenants one after the other and remembers what was durable, and how long each took."""

    def __init__(self, log) -> None:
        self.log, self.durable, self.longest_s = log, 0, 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            started = time.monotonic()
            events = [
                stamped(f"event-{self.durable + i:06d}", "click", publisher_id=f"tnt_{i}", nonce=f"n{self.durable + i}")
                for i in range(3)
            ]
            self.log.append([encode(event) for event in events]).result(60)
            self.longest_s = max(self.longest_s, time.monotonic() - started)
            self.durable += 3

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.durable


class RunningSink:
    def __init__(self, reader, store: ChdbEventStore) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=Sink(Ends(reader, store), STEPS).run, args=(self._stop,))
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def counted_once_in_order(store: ChdbEventStore, durable: int) -> None:
    rows = store.select("SELECT publisher_id, event_id FROM events ORDER BY publisher_id, log_offset")
    order = [(row["publisher_id"], row["event_id"]) for row in rows]
    assert len(order) == durable
    assert order == sorted(order), "each tenant's events in the order in which they were accepted"
    rolled_up = store.select("SELECT sum(events) AS events, sum(spend_micros) AS spend FROM rollup_15m FINAL")[0]
    assert rolled_up == {"events": durable, "spend": durable * 100}


@pytest.mark.parametrize("how", ["killed", "paused"])
def test_a_broker_that_goes_away_in_the_middle_costs_time_and_nothing_else(
    how: str, broker, tmp_path: Path, store: ChdbEventStore
) -> None:
    with kafka_side(tmp_path, broker.address) as side:
        log = side.log()
        sink, appender = RunningSink(side.reader(), store), Appender(log)
        until(lambda: appender.durable > 200 and _records(log) > 100)
        signalled(broker, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        before = appender.durable
        if how == "killed":
            assert "Kafka" in until(log.status)
        else:
            time.sleep(4)
        until(lambda: appender.durable > before + 200, "appends need the spool alone: they did not go on")
        log.check()
        assert log.unforwarded() > 0
        if how == "killed":
            broker.start(kept=False)
        else:
            signalled(broker, signal.SIGCONT)
        until(lambda: log.status() is None)
        time.sleep(0.5)
        durable = appender.stop()
        assert appender.longest_s < APPENDED_WITHIN_S, "appends need the spool alone"
        until(lambda: _count(store) >= durable)
        until(lambda: log.unforwarded() == 0)
        sink.stop()
        counted_once_in_order(store, durable)
        assert until(lambda: reconcile(log, store).waiting == 0)
        assert reconcile(log, store).differences == []


def _records(log) -> int:
    try:
        return progress(log).records
    except LogUnavailable:
        return 0


def _count(store: ChdbEventStore) -> int:
    return int(store.select("SELECT count() AS n FROM events")[0]["n"])


def test_a_forwarder_killed_between_acknowledgement_and_commit_doubles_nothing(side, store, tmp_path: Path) -> None:
    log, durable = side.log(), 0
    log.append([encode(stamped("event-first"))]).result(60)
    until(lambda: log.unforwarded() == 0)
    log.close()
    side._log = None
    for turn in range(3):
        spool = Spool(tmp_path / "log", max_bytes=10**9)
        events = [stamped(f"event-{turn}-{i}", "click", nonce=f"n{turn}-{i}") for i in range(100)]
        spool.append([encode(event) for event in events]).result(60)
        spool.close()
        durable += 100
        command = [sys.executable, "-m", "tests.faults.dying_forwarder", str(tmp_path / "log")]
        command += [side.settings.kafka_servers, side.settings.kafka_topic]
        assert subprocess.run(command, cwd=REPO, timeout=120, check=False).returncode == DIED
    log, reader = side.log(), side.reader()
    sent = 1 + 100 + 200 + 300 + 300  # each life sends again what the one before did not commit
    sink = Sink(Ends(reader, store))
    until(lambda: sink.once() * 0 == 0 and _records(log) >= sent)
    assert _count(store) == durable + 1
    assert progress(log).duplicate == sent - durable - 1
    assert reconcile(log, store).differences == []


def test_when_a_sink_is_killed_another_takes_its_partitions_over_and_no_record_is_committed_twice(side) -> None:
    log = side.log()
    sent, enough = itertools.count(), threading.Event()

    def feed() -> None:
        # until both are at work: one alone might be through before the other has come. No more than they can soon do,
        # however late they come
        while not enough.is_set():
            number = next(sent)
            until(lambda fed=12 * number: enough.is_set() or fed - _records(log) < MOST_WAITING)
            records = [encode(stamped(f"event-{number}-{k}", publisher_id=f"tnt_{k}")) for k in range(12)]
            log.append(records).result(60)
            time.sleep(0.05)

    command = [sys.executable, "-m", "tests.faults.counting_sink", side.settings.kafka_servers]
    sinks = [
        subprocess.Popen([*command, side.settings.kafka_topic], cwd=REPO, stdout=subprocess.PIPE, bufsize=0)
        for _ in range(2)
    ]
    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        for sink in sinks:
            with selectors.DefaultSelector() as selector:
                selector.register(sink.stdout, selectors.EVENT_READ)
                for _ in range(5):
                    assert selector.select(60), "both must come to work"
                    assert sink.stdout.readline(), "both are at work"
        sinks[0].kill()
        killed = time.monotonic()
        enough.set()
        feeder.join(60)
        total = 12 * next(sent)
        until(lambda: _records(log) == total)
        assert time.monotonic() - killed < kafka_reader.MAX_BATCH_MS / 1000 / 2, "it is missed by its heartbeats"
    finally:
        enough.set()
        for sink in sinks:
            sink.kill()
            sink.wait(60)
            sink.stdout.close()
    time.sleep(1.5)
    assert progress(log).records == total
    # and nothing is left for one that comes now
    assert Sink(Ends(side.reader(), NO_STORE), [parse, commit]).drain() == 0
