"""Celery on a real Redis: what senders and workers do while it lives, is away, is silent, and comes back empty."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from api.kit import queue as queue_module
from api.kit.queue import QUEUE, SWEEPS, CeleryQueue, QueueUnavailable
from api.settings import QueueSettings
from tests.api.search.away import closed_port
from tests.own_redis import OwnRedis, redis_or_nothing
from tests.patience import HANGS_S, until
from workers import celery_app, celery_worker
from workers.celery_worker import Beat, Worker
from workers.cli import ending

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OwnRedis]:
    redis_or_nothing()
    own = OwnRedis(tmp_path)
    yield own
    own.thaw()
    own.kill()


class Bench:
    """A sender of its own application, and worker processes on the test's broker."""

    def __init__(self, server: OwnRedis, folder: Path) -> None:
        self.app = Celery(f"test-{server.port}", set_as_current=False)
        self.app.conf.update(celery_app.configuration(QueueSettings(broker_url=server.url)))
        self.queue = CeleryQueue(self.app)
        self.folder = folder
        self._url = server.url
        self._processes: list[subprocess.Popen[bytes]] = []

    def waits_at_most(self, connect_s: float, answer_s: float) -> None:
        """From its next connection on."""
        self.app.conf.broker_transport_options |= {"socket_connect_timeout": connect_s, "socket_timeout": answer_s}
        self.app.pool.force_close_all()
        self.app.amqp._producer_pool = None

    @property
    def ran(self) -> list[str]:
        path = self.folder / "ran"
        return path.read_text().split("\n")[:-1] if path.exists() else []

    @property
    def consuming(self) -> bool:
        path = self.folder / "status"
        return path.exists() and bool(json.loads(path.read_text())["consuming"])

    def let_go(self) -> None:
        (self.folder / "let-go").touch()

    def worker(self, threads: int = 2, patience_s: float = 5, visibility_s: int = 900) -> subprocess.Popen[bytes]:
        bounds = [str(threads), str(patience_s), str(visibility_s)]
        command = [sys.executable, "-m", "tests.workers.redis_worker", self._url, str(self.folder), *bounds]
        self._processes.append(subprocess.Popen(command, cwd=REPO))
        until(lambda: self.consuming)
        return self._processes[-1]

    def stop(self, worker: subprocess.Popen[bytes]) -> bool:
        """Politely; whether everything was finished."""
        worker.terminate()
        worker.wait(HANGS_S)
        return bool(json.loads((self.folder / "stopped").read_text())["clean"])

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self.app.close()


@pytest.fixture
def bench(server: OwnRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A broker that answers late, on a busy machine, is not away."""
    monkeypatch.setattr(queue_module, "CONNECT_S", HANGS_S)
    monkeypatch.setattr(queue_module, "ANSWER_S", HANGS_S)
    made = Bench(server, tmp_path)
    yield made
    made.close()


@pytest.fixture
def asked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Grows with every message that is tried to be sent."""
    tried: list[bool] = []
    send_task = bench.app.send_task

    def counted(*args: Any, **options: Any) -> Any:
        tried.append(True)
        return send_task(*args, **options)

    monkeypatch.setattr(bench.app, "send_task", counted)
    # looking how many wait would ask the broker too
    monkeypatch.setattr(bench.queue, "_full", lambda _: False)
    return tried


def test_hints_reach_a_worker_and_are_acknowledged(bench: Bench, server: OwnRedis) -> None:
    bench.worker()
    for number in range(20):
        bench.queue.send("test.note", text=str(number))
    until(lambda: len(bench.ran) == 20)
    until(lambda: not server.client.hlen("unacked"))
    assert bench.queue.waiting() == 0


def test_a_broker_that_is_away_costs_one_try_then_nothing(
    bench: Bench, server: OwnRedis, asked: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "PAUSE_S", HANGS_S)
    bench.queue.send("test.note", text="before")
    server.kill()
    asked.clear()
    for _ in range(101):
        bench.queue.send("test.note", text="lost")
    assert len(asked) == 1
    with pytest.raises(QueueUnavailable):
        bench.queue.check()
    server.start()
    bench.queue._away_until -= HANGS_S
    bench.queue.send("test.note", text="after")
    assert bench.queue.waiting() == 1


def test_the_waits_for_a_broker_are_short_in_production(server: OwnRedis) -> None:
    app = Celery("production", set_as_current=False)
    app.conf.update(celery_app.configuration(QueueSettings(broker_url=server.url)))
    with app.connection_for_write() as connection:
        pool = connection.default_channel.client.connection_pool
        held = pool.get_connection()
        try:
            assert held.socket_connect_timeout <= 0.5
            assert held.socket_timeout <= 0.9
            assert held.retry.get_retries() == 0, "and none is waited out twice"
        finally:
            pool.release(held)
    app.close()


def test_a_broker_that_says_nothing_is_no_worse(
    server: OwnRedis, tmp_path: Path, asked: list[bool], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "PAUSE_S", HANGS_S)
    bench.queue.send("test.note", text="before")
    bench.waits_at_most(connect_s=0.5, answer_s=0.9)
    bench.queue.send("test.note", text="before")
    server.freeze()
    threads = [threading.Thread(target=bench.queue.send, args=("test.note",), daemon=True) for _ in range(40)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANGS_S)
    assert time.perf_counter() - started < len(threads) * 0.9 / 2, "forty requests at once wait together, not in turn"
    asked.clear()
    bench.queue.send("test.note")
    assert asked == []
    with pytest.raises(QueueUnavailable):
        bench.queue.check()


def test_a_worker_goes_on_by_itself_when_its_broker_was_killed_and_is_empty_again(
    bench: Bench, server: OwnRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "PAUSE_S", 0.5)
    monkeypatch.setattr(celery_app, "BEAT", {"test.note": 1.0})
    bench.worker()
    beat = Beat(bench.queue)
    beat.start()
    until(lambda: bench.ran)
    beat.check()
    server.kill()
    until(lambda: not bench.consuming)
    server.start()
    until(lambda: bench.consuming)
    had = len(bench.ran)
    until(lambda: len(bench.ran) > had)  # the sweeps flow again
    beat.stop()


def test_a_lost_broker_is_looked_for_every_few_seconds_however_long_it_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda _: None)
    broker = celery_worker._Broker(f"redis://127.0.0.1:{closed_port()}/0")
    with pytest.raises((*broker.connection_errors, OperationalError)):
        broker.ensure_connection(errback=lambda _, pause_s: pauses.append(pause_s), max_retries=20)
    assert len(pauses) >= 20
    assert max(pauses) <= 3


def test_a_killed_workers_task_is_given_out_again_after_the_visibility_timeout(bench: Bench, server: OwnRedis) -> None:
    worker = bench.worker(visibility_s=2)
    bench.queue.send("test.hold")
    until(lambda: bench.ran)
    worker.kill()
    worker.wait()
    assert server.client.hlen("unacked") == 1
    (bench.folder / "status").unlink()
    bench.worker(visibility_s=2)
    started = time.monotonic()
    until(lambda: len(bench.ran) == 2)
    assert time.monotonic() - started < 60, "kombu's own way looks every 100 s"
    bench.let_go()
    until(lambda: not server.client.hlen("unacked"))


def test_a_polite_stop_finishes_what_runs(bench: Bench, server: OwnRedis) -> None:
    worker = bench.worker(patience_s=HANGS_S)
    bench.queue.send("test.hold")
    until(lambda: bench.ran)
    threading.Timer(0.5, bench.let_go).start()
    assert bench.stop(worker) is True
    assert server.client.llen(QUEUE) == server.client.hlen("unacked") == 0, "it is done: nobody must do it again"


def test_a_polite_stop_hands_back_at_once_what_does_not_end(bench: Bench, server: OwnRedis) -> None:
    worker = bench.worker(threads=1, patience_s=1)
    bench.queue.send("test.hold")
    until(lambda: bench.ran)
    bench.queue.send("test.note", text="next")
    started = time.monotonic()
    assert bench.stop(worker) is False  # and does stop, which what is held does not do by itself
    assert time.monotonic() - started < ending.WITHIN_S, "what takes longer is killed"
    assert bench.ran == ["held"]
    assert server.client.llen(QUEUE) == 2, "both wait for another worker now, not after the visibility time-out"
    assert server.client.hlen("unacked") == 0


def test_the_waits_of_a_polite_stop_are_short_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celery_worker.state, "should_stop", None)  # what a stop tells Celery of the whole process
    worker, waits = Worker(1, app=Celery("production", set_as_current=False)), list[float]()
    monkeypatch.setattr(worker._thread, "join", waits.append)
    worker.stop()
    assert worker._pool.patience_s <= 10
    assert len(waits) == 1
    assert worker._pool.patience_s < waits[0] <= 15
    assert waits[0] + 5 < ending.WITHIN_S, "the process has time to end after it"


def test_sweeps_that_nobody_takes_do_not_pile_up_into_work(bench: Bench, server: OwnRedis) -> None:
    bench.app.conf.task_routes = {"test.note": {"queue": SWEEPS}}
    for _ in range(5):
        assert bench.queue.offer("test.note", {"text": "late"}, expires_s=0.5)
    assert server.client.llen(SWEEPS) == 5
    time.sleep(0.7)
    bench.queue.offer("test.note", {"text": "due"}, expires_s=300)
    bench.worker()
    until(lambda: server.client.llen(SWEEPS) == 0)
    until(lambda: bench.ran)
    assert bench.ran == ["due"]


def test_the_broker_never_holds_more_hints_than_the_bound(
    bench: Bench, server: OwnRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "MOST_WAITING", 10)
    monkeypatch.setattr(queue_module, "LOOK_EVERY_S", 0.0)
    for _ in range(30):
        bench.queue.send("test.note")
    assert server.client.llen(QUEUE) == 11
    assert bench.queue.offer("test.note", {}, expires_s=5), "sweeps are bounded by their own expiry"


def test_a_broker_that_forgets_everything_while_connected_takes_hints_again(bench: Bench, server: OwnRedis) -> None:
    bench.worker()
    bench.queue.send("test.note", text="one")
    until(lambda: bench.ran)
    server.client.flushall()
    bench.queue.send("test.note", text="two")
    until(lambda: len(bench.ran) == 2)


def test_a_broker_without_memory_stops_the_worker_only_while_it_lasts(bench: Bench, server: OwnRedis) -> None:
    bench.worker()
    server.client.config_set("maxmemory", "1")
    bench.queue.send("test.note", text="refused")
    time.sleep(3)
    server.client.config_set("maxmemory", "0")
    until(lambda: bench.queue.offer("test.note", {"text": "again"}))
    until(lambda: "again" in bench.ran)
