"""The embedded shape: API, worker, beat and sink in one process, started and stopped in an order that loses nothing."""

import logging
import socket
import threading
from collections.abc import Callable

import uvicorn

from api.kit.db import Database
from api.kit.migrations import upgrade
from api.main import create_app
from api.ports import open_ports
from api.search.rebuild import rebuild_index
from api.settings import Settings
from dashboard.routes import mount as mount_pages
from workers import celery_app
from workers.sink import Sink
from workers.tasks import load_tasks

log = logging.getLogger(__name__)


class AddressInUse(Exception):
    """Somebody listens there already."""


def listening_socket(host: str, port: int) -> socket.socket:
    """Bind now, so that a taken port is told before anything is opened; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise AddressInUse(f"{host}:{port}: {error.strerror}") from error
    return listener


class EmbeddedHouse:
    """Everything of one process. `serve` blocks until a signal ends it."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._listener = listener
        database = Database(settings.database_url)
        upgrade(database)
        database.close()
        load_tasks()
        self.ports = open_ports(settings, celery_app.configure(settings))
        self.ports.eyes.load()
        rebuilt = rebuild_index(
            self.ports.database, self.ports.index, self.ports.eyes.embedder_version, self.ports.eyes.dim
        )
        log.info("the index holds %d products", rebuilt.products)
        celery_app.use(self.ports)
        self._worker = celery_app.EmbeddedWorker(settings.queue.threads)
        self._sink = Sink.of(self.ports)
        self._sink_stop = threading.Event()
        self._sink_thread = threading.Thread(target=self._sink.run, args=(self._sink_stop,), name="sink", daemon=True)
        app = create_app(self.ports)
        mount_pages(app)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
            server_header=False,
            h11_max_incomplete_event_size=32 * 1024,
        )
        self.server = uvicorn.Server(config)

    def serve(self, when_started: Callable[[], None]) -> None:
        """Serve until stopped; `when_started` runs in a thread of its own once requests are answered."""
        self._sink_thread.start()
        self._worker.start()
        threading.Thread(target=self._announce, args=(when_started,), name="announce", daemon=True).start()
        try:
            self.server.run(sockets=[self._listener])
        finally:
            self.close()

    def close(self) -> None:
        """Stop taking work, finish what is under way, let go of the stores."""
        self._worker.stop()
        self._sink_stop.set()
        self._sink_thread.join(15)
        self.ports.close()

    def stop(self) -> None:
        """Ask `serve` to return."""
        self.server.should_exit = True

    def _announce(self, when_started: Callable[[], None]) -> None:
        waiting = threading.Event()
        while not self.server.started and not self.server.should_exit:
            waiting.wait(0.02)
        try:
            if self.server.started:
                when_started()
        except Exception:
            log.exception("starting up failed")
            self.stop()
