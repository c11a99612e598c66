"""The embedded shape: API, worker, beat and sink in one process, started and stopped in an order that loses nothing."""

import logging
import socket
import threading
import time
from collections.abc import Callable

from api.catalog.directory import yet_unseen
from api.catalog.imports import look_again
from api.kit.db import Database
from api.kit.migrations import upgrade
from api.moving.service import moving_problem
from api.operations.health import readiness_of
from api.ports import open_ports
from api.search.index import IndexUnavailable
from api.search.rebuild import Rebuilder
from api.settings import Settings
from workers import celery_app, celery_worker
from workers.cli.web import PoliteServer, house, when_started
from workers.sink import Sink
from workers.tasks import load_tasks

log = logging.getLogger(__name__)
LOOK_S, TELL_S = 0.2, 2.0
STANDSTILL_S = 60.0  # a picture that nobody answers for takes less to be given up


class HouseMoved(Exception):
    """This house must not be opened; the text says why and what to do."""


class EmbeddedHouse:
    """Everything of one process. `serve` blocks until a signal ends it."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._listener = listener
        database = Database(settings.database_url)
        upgrade(database)
        problem = moving_problem(database)
        database.close()
        if problem:
            raise HouseMoved(problem)
        load_tasks()
        self.ports = open_ports(settings, celery_app.configure(settings))
        self.ports.eyes.load()
        self._fill_index()
        celery_app.use(self.ports)
        self._worker = celery_worker.EmbeddedWorker(settings.queue.threads)
        self._sink = Sink.of(self.ports)
        self._sink_stop = threading.Event()
        self._sink_thread = threading.Thread(target=self._sink.run, args=(self._sink_stop,), name="sink", daemon=True)
        readiness = readiness_of(self.ports)
        self.server = PoliteServer(house(self.ports, readiness), settings.http, readiness)

    def serve(self, announce: Callable[[], None]) -> None:
        """Serve until stopped; `announce` runs in a thread of its own once requests are answered."""
        self._sink_thread.start()
        self._worker.start()
        when_started(self.server, announce)
        try:
            self.server.run(sockets=[self._listener])
        finally:
            self.close()

    def _fill_index(self) -> None:
        ports = self.ports
        rebuilder = Rebuilder(ports.database, ports.index, ports.eyes.embedder_version, ports.eyes.dim)
        try:
            rebuilt = rebuilder.at_start(ports.clock.now())
        except IndexUnavailable as away:
            log.warning("the index is filled when it is back: %s", away)
            return
        if rebuilt:
            log.info("the index holds %d products", rebuilt.products)
        look_again(ports)

    def wait_until_seen(self, stopping: threading.Event) -> None:
        """After a change of the embedder: until it has looked at all that an earlier one had seen, telling how far it
        is. Goes on without what stands still; `/readyz` then says so."""
        first = left = yet_unseen(self.ports.database, self.ports.eyes.embedder_version)
        moved_at, told_at = time.monotonic(), 0.0
        while left and time.monotonic() - moved_at < STANDSTILL_S and not stopping.is_set():
            if time.monotonic() - told_at > TELL_S:
                log.info("the embedder has changed; products looked at anew: %d of %d", first - left, first)
                told_at = time.monotonic()
            stopping.wait(LOOK_S)
            before, left = left, yet_unseen(self.ports.database, self.ports.eyes.embedder_version)
            moved_at = time.monotonic() if left != before else moved_at
        if left:
            log.warning("%d of %d products have not been looked at yet; searches do not find them", left, first)
        elif first:
            log.info("the embedder has changed; products looked at anew: all %d", first)

    def close(self) -> None:
        """Stop taking work, finish what is under way, let go of the stores."""
        self._worker.stop()
        self._sink_stop.set()
        self._sink_thread.join(15)
        self.ports.close()
