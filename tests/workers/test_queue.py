"""Celery on a real Redis: what senders and workers do while it lives, is away, is silent, and comes back empty."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery

from api.kit import queue as queue_module
from api.kit.queue import QUEUE, SWEEPS, CeleryQueue, QueueUnavailable
from api.settings import QueueSettings
from tests.own_redis import OwnRedis, redis_or_nothing
from workers import celery_app
from workers.celery_worker import Beat

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
        worker.wait(20)
        return bool(json.loads((self.folder / "stopped").read_text())["clean"])

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self.app.close()


@pytest.fixture
def bench(server: OwnRedis, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(server, tmp_path)
    yield made
    made.close()


def until(true: Callable[[], object], within_s: float = 20) -> float:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < within_s, "it did not come true in time"
        time.sleep(0.02)
    return time.monotonic() - started


def timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def test_hints_reach_a_worker_and_are_acknowledged(bench: Bench, server: OwnRedis) -> None:
    bench.worker()
    for number in range(20):
        bench.queue.send("test.note", text=str(number))
    until(lambda: len(bench.ran) == 20)
    until(lambda: not server.client.hlen("unacked"))
    assert bench.queue.waiting() == 0


def test_a_broker_that_is_away_costs_one_short_wait_then_nothing(
    bench: Bench, server: OwnRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "PAUSE_S", 1.0)
    bench.queue.send("test.note", text="before")
    server.kill()
    assert timed(lambda: bench.queue.send("test.note", text="lost")) < 1.2
    assert timed(lambda: [bench.queue.send("test.note", text="lost") for _ in range(100)]) < 0.1
    with pytest.raises(QueueUnavailable):
        bench.queue.check()
    server.start()
    time.sleep(1.0)
    bench.queue.send("test.note", text="after")
    assert bench.queue.waiting() == 1


def test_a_broker_that_says_nothing_is_no_worse(bench: Bench, server: OwnRedis) -> None:
    bench.queue.send("test.note", text="before")
    server.freeze()
    threads = [threading.Thread(target=bench.queue.send, args=("test.note",), daemon=True) for _ in range(40)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert time.perf_counter() - started < 2.5, "forty requests at once wait together, not in turn"
    assert timed(lambda: bench.queue.send("test.note")) < 0.01
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
    back = until(lambda: bench.consuming, within_s=45)
    had = len(bench.ran)
    until(lambda: len(bench.ran) > had)  # the sweeps flow again
    beat.stop()
    assert back < 10, "the broker is looked for every few seconds, however long it was away"


def test_a_killed_workers_task_is_given_out_again_after_the_visibility_timeout(bench: Bench, server: OwnRedis) -> None:
    worker = bench.worker(visibility_s=2)
    bench.queue.send("test.hold")
    until(lambda: bench.ran)
    worker.kill()
    worker.wait()
    assert server.client.hlen("unacked") == 1
    (bench.folder / "status").unlink()
    bench.worker(visibility_s=2)
    again = until(lambda: len(bench.ran) == 2, within_s=40)
    bench.let_go()
    until(lambda: not server.client.hlen("unacked"))
    assert again < 20


def test_a_polite_stop_finishes_what_runs(bench: Bench, server: OwnRedis) -> None:
    worker = bench.worker()
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
    assert bench.stop(worker) is False
    assert time.monotonic() - started < 5
    assert bench.ran == ["held"]
    assert server.client.llen(QUEUE) == 2, "both wait for another worker now, not after the visibility time-out"
    assert server.client.hlen("unacked") == 0


def test_sweeps_that_nobody_takes_do_not_pile_up_into_work(bench: Bench, server: OwnRedis) -> None:
    bench.app.conf.task_routes = {"test.note": {"queue": SWEEPS}}
    for _ in range(5):
        assert bench.queue.offer("test.note", {"text": "late"}, expires_s=0.5)
    assert server.client.llen(SWEEPS) == 5
    time.sleep(0.7)
    bench.queue.offer("test.note", {"text": "due"}, expires_s=30)
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
    until(lambda: bench.queue.offer("test.note", {"text": "again"}), within_s=20)
    until(lambda: "again" in bench.ran, within_s=40)
