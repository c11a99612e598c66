"""The HTTP side that every shape shares: the listening socket, the application with its pages, and a server that ends
politely."""

import gc
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from api.kit.readiness import Readiness
from api.main import create_app
from api.ports import Ports
from api.settings import HttpSettings
from dashboard.routes import mount as mount_pages

log = logging.getLogger(__name__)
FINISH_WITHIN_S = 5  # requests under way when the draining is over


class AddressInUse(Exception):
    """Somebody listens there already."""


def listening_socket(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Bind now, so that a taken port is told before anything is opened; port 0 takes a free one. Nobody is sent here
    before the server listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise AddressInUse(f"{host}:{port}: {error.strerror}") from error
    return listener


def house(ports: Ports, readiness: Readiness) -> FastAPI:
    """The API and all pages."""
    app = create_app(ports, readiness)
    mount_pages(app)
    return app


class PoliteServer(uvicorn.Server):
    """Told to stop, it lets `/readyz` turn 503 and takes requests for `drain_s` more, so that load balancers look away
    first; then those under way finish. Signals are the process's own affair (`ending.Ending`)."""

    def __init__(self, app: ASGIApp, http: HttpSettings, readiness: Readiness, *, drain_s: float = 0) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=FINISH_WITHIN_S,
            limit_concurrency=http.max_connections,
            server_header=False,
            proxy_headers=True,  # else everybody would have the proxy's address, and one sign-in throttle
            forwarded_allow_ips=http.trusted_proxies,
            h11_max_incomplete_event_size=32 * 1024,
        )
        super().__init__(config)
        self._readiness = readiness
        self._drain_s = drain_s

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until stopped. What is there at the start stays: to look through it again finds nothing, and holds
        everybody up for 0.1 s."""
        gc.collect()
        gc.freeze()
        super().run(sockets)

    def stop(self) -> None:
        """Drain, then end. Returns at once; callable from any thread and from a signal handler."""
        self._readiness.stop()
        threading.Thread(target=self._drain, name="drain", daemon=True).start()

    def _drain(self) -> None:
        time.sleep(self._drain_s)
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None: uvicorn would end the process by the signal, not with status 0."""
        yield


def when_started(server: uvicorn.Server, tell: Callable[[], None]) -> None:
    """Call `tell` in a thread of its own once requests are answered; what it raises stops the server."""

    def wait() -> None:
        while not server.started and not server.should_exit:
            time.sleep(0.02)
        try:
            if server.started:
                tell()
        except Exception:
            log.exception("starting up failed")
            server.should_exit = True

    threading.Thread(target=wait, name="announce", daemon=True).start()
