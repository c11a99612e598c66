"""The embedded worker and beat: real Celery on the in-memory broker, in this process."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from api.ports import Ports
from api.settings import Settings
from workers import celery_app, celery_worker


def test_hints_and_the_beat_reach_tasks_and_a_failing_task_does_not_stop_the_worker(
    ports: Ports, settings: Settings, monkeypatch: pytest.MonkeyPatch, worker_factory
) -> None:
    seen: list[str] = []
    told = threading.Event()
    swept = threading.Event()

    @celery_app.task("test.fails")
    def fails(_: Ports) -> None:
        raise RuntimeError("on purpose")

    @celery_app.task("test.notes")
    def notes(given: Ports, text: str) -> None:
        assert given is ports
        seen.append(text)
        told.set()

    @celery_app.task("test.sweeps")
    def sweeps(_: Ports) -> None:
        swept.set()

    monkeypatch.setattr(celery_app, "BEAT", {"test.sweeps": timedelta(seconds=0.2).total_seconds()})
    queue = celery_app.configure(settings)
    worker_factory(ports)
    queue.send("test.fails")
    queue.send("test.notes", text="hello")
    assert told.wait(60)
    assert swept.wait(60)
    assert seen == ["hello"]


@pytest.fixture
def worker_factory() -> Iterator[object]:
    running: list[celery_worker.EmbeddedWorker] = []

    def start(ports: Ports) -> None:
        celery_app.use(ports)
        running.append(celery_worker.EmbeddedWorker(threads=2))
        running[-1].start()

    yield start
    for worker in running:
        worker.stop()
