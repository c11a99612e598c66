"""The Celery application, the tasks' base, and the worker and beat that run inside a process of the embedded shape.

A task is a plain function that takes the open ports first; what it owns beyond that lives in its domain's service."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from celery import Celery
from celery.beat import ScheduleEntry, Scheduler
from celery.worker import WorkController
from prometheus_client import Histogram

from api.kit.queue import CeleryQueue
from api.ports import Ports
from api.settings import Settings

log = logging.getLogger(__name__)
P = ParamSpec("P")
TASK_SECONDS = Histogram("shoplight_task_seconds", "How long tasks run", ["task", "outcome"])
# name -> seconds between sweeps: what a lost hint would have told is found again by these
BEAT = {
    "catalog.sweep": 10.0,
    "media.sweep": 10.0,
    "billing.sweep": 60.0,
}

app = Celery("shoplight")
_open: dict[str, Ports] = {}


def configure(settings: Settings) -> CeleryQueue:
    """Point the application at its broker; returns the queue that sends to it."""
    app.conf.update(
        broker_url=settings.queue.broker_url,
        broker_connection_retry_on_startup=True,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        task_default_queue="shoplight",
        timezone="UTC",
        beat_schedule={name: {"task": name, "schedule": seconds} for name, seconds in BEAT.items()},
    )
    return CeleryQueue(app)


def use(ports: Ports) -> None:
    """Give the tasks of this process their ports."""
    _open["ports"] = ports


def task(name: str) -> Callable[[Callable[Concatenate[Ports, P], None]], Callable[Concatenate[Ports, P], None]]:
    """Register a function as the task `name`. It is measured, and what it raises is logged with its arguments: the
    row that asked for it stays unfinished and a sweep tries again."""

    def register(function: Callable[Concatenate[Ports, P], None]) -> Callable[Concatenate[Ports, P], None]:
        def run(*args: Any, **kwargs: Any) -> None:
            started = time.perf_counter()
            outcome = "failed"
            try:
                function(_open["ports"], *args, **kwargs)
                outcome = "done"
            except Exception:
                log.exception("task %s %s", name, kwargs)
                raise
            finally:
                TASK_SECONDS.labels(name, outcome).observe(time.perf_counter() - started)

        app.task(run, name=name)
        return function

    return register


class _MemoryScheduler(Scheduler):  # type: ignore[misc]  # Celery publishes no types
    """A beat that keeps its schedule in memory: every entry is a sweep, so nothing is owed after a restart."""

    Entry = ScheduleEntry


class EmbeddedWorker:
    """A Celery worker and its beat as threads of this process, for the shape without servers."""

    def __init__(self, threads: int) -> None:
        self._worker = WorkController(
            app=app,
            pool_cls="threads",
            concurrency=threads,
            without_mingle=True,
            without_gossip=True,
            without_heartbeat=True,
            hostname="embedded@localhost",
            loglevel="WARNING",
        )
        self._beat = _MemoryScheduler(app=app, lazy=False)
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._worker.start, name="celery-worker", daemon=True),
            threading.Thread(target=self._tick, name="celery-beat", daemon=True),
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 10) -> None:
        """Take no further task, wait for the running ones, and return."""
        self._stopping.set()
        self._worker.stop(in_sighandler=False)
        for thread in self._threads:
            thread.join(timeout_s)

    def _tick(self) -> None:
        while not self._stopping.is_set():
            wait_s = self._beat.tick()
            self._stopping.wait(min(1.0, wait_s or 1.0))
