"""Running tasks: a Celery worker of threads and the beat that asks for the sweeps; a process of their own each
(`shoplight worker`, `shoplight beat`), or both inside the embedded shape."""

import logging
import socket
import threading
import time
from dataclasses import dataclass
from os import getpid
from typing import Any

from celery import Celery
from celery.concurrency.thread import TaskPool
from celery.worker import WorkController, state
from kombu.connection import Connection

from api.kit.queue import CeleryQueue, QueueUnavailable
from workers import celery_app

log = logging.getLogger(__name__)
PATIENCE_S = 10.0  # for running tasks, when the worker is asked to stop
REBUILD_AFTER_S = LOOK_AGAIN_S = 3.0
TICK_S = 1.0


@dataclass(frozen=True)
class WorkerStatus:
    """`consuming`: connected to its broker and taking tasks."""

    consuming: bool
    running: int
    threads: int
    stopping: bool


class _Broker(Connection):
    """Celery's connection, which looks for a lost broker every few seconds instead of ever more seldom."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        """The same with a short longest wait."""
        waits = {"interval_start": 1, "interval_max": LOOK_AGAIN_S, **kwargs}
        return super().ensure_connection(*args, **waits)  # type: ignore[no-untyped-call]


class _Threads(TaskPool):  # type: ignore[misc]  # Celery publishes no types
    """Celery's pool of threads, which at its stop waits for running tasks for a while instead of for ever."""

    patience_s = PATIENCE_S

    def on_stop(self) -> None:
        """Drop what has not begun, wait for what has."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        until = time.monotonic() + self.patience_s
        for thread in list(self.executor._threads):  # noqa: SLF001 - as Celery's own class does
            thread.join(max(0.0, until - time.monotonic()))


class Worker:
    """Takes tasks off the broker; one a process. While the broker is away it waits and goes on by itself."""

    def __init__(self, threads: int, *, patience_s: float = PATIENCE_S, app: Celery = celery_app.app) -> None:
        self._app = app
        app.amqp.Connection = _Broker
        self._threads = threads
        self._pool = type("Threads", (_Threads,), {"patience_s": patience_s})
        self._patience_s = patience_s
        self._stopping = threading.Event()
        self._controller: WorkController | None = None
        self._thread = threading.Thread(target=self._run, name="celery-worker", daemon=True)

    def start(self) -> None:
        """Begin to work, in a thread of its own."""
        state.should_stop = state.should_terminate = None
        self._thread.start()

    def stop(self) -> bool:
        """Take no further task and wait for the running ones, for `patience_s` at most; those that are left then go
        back to the queue. False when some still run: their threads end with the process (os._exit) alone."""
        self._stopping.set()
        state.should_stop = 0  # Celery looks at it about every second, in its own thread
        self._thread.join(self._patience_s + 5)
        return not self._thread.is_alive() and self.status().running == 0

    def status(self) -> WorkerStatus:
        """How it is, at no cost."""
        controller = self._controller
        consumer = getattr(controller, "consumer", None)
        consuming = self._thread.is_alive() and bool(getattr(consumer, "task_consumer", None))
        connected = consuming and getattr(consumer, "connection", None) is not None
        running = len(state.active_requests)
        return WorkerStatus(connected and not self._stopping.is_set(), running, self._threads, self._stopping.is_set())

    def check(self) -> None:
        """Raises QueueUnavailable while no tasks can be had."""
        if not self.status().consuming:
            raise QueueUnavailable("the worker has no connection to its broker")

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._controller = WorkController(
                app=self._app,
                pool_cls=self._pool,
                concurrency=self._threads,
                without_mingle=True,
                without_gossip=True,
                without_heartbeat=True,
                hostname=f"{getpid()}@{socket.gethostname()}",
                loglevel="WARNING",
            )
            self._controller.start()
            # it ends by itself only for what Celery takes for a mistake of ours, such as a broker that is still loading
            # its data or has no memory left
            if not self._stopping.is_set():
                log.error("the worker broke off; it starts again in %g s", REBUILD_AFTER_S)
                self._stopping.wait(REBUILD_AFTER_S)


class Beat:
    """Asks for every sweep at its time. Two of them do no harm: a sweep finds what waits, and claims decide."""

    def __init__(self, queue: CeleryQueue) -> None:
        self._queue = queue
        self._every_s = dict(celery_app.BEAT)
        self._stopping = threading.Event()
        self._sent_at = 0.0
        self._thread = threading.Thread(target=self._run, name="celery-beat", daemon=True)

    def start(self) -> None:
        """Begin, with one round of all sweeps."""
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(5)

    def check(self) -> None:
        """Raises QueueUnavailable when no sweep was taken for a while."""
        if not self._thread.is_alive() or time.monotonic() - self._sent_at > 3 * min(self._every_s.values()):
            raise QueueUnavailable("the broker takes no sweeps")

    def _run(self) -> None:
        due = dict.fromkeys(self._every_s, time.monotonic())
        while not self._stopping.is_set():
            for name, every_s in self._every_s.items():
                if time.monotonic() >= due[name]:
                    # one that nobody took until the next is due would only find the same again
                    if self._queue.offer(name, {}, expires_s=every_s):
                        self._sent_at = time.monotonic()
                    due[name] = time.monotonic() + every_s
            self._stopping.wait(min(TICK_S, max(0.01, min(due.values()) - time.monotonic())))


class EmbeddedWorker:
    """A worker and its beat as threads of this process, for the shape without servers."""

    def __init__(self, threads: int) -> None:
        self._worker = Worker(threads)
        self._beat = Beat(CeleryQueue(celery_app.app))

    def start(self) -> None:
        """Begin to work."""
        self._worker.start()
        self._beat.start()

    def stop(self) -> bool:
        """Take no further task, wait for the running ones; False when some still run."""
        self._beat.stop()
        return self._worker.stop()
