"""Health and metrics of a process that answers no other requests: on http.host and http.port, in a thread."""

import socket
import threading

from fastapi import FastAPI

from api.kit.observing import Observed
from api.kit.readiness import Readiness
from api.operations.health import HEALTH, health_router
from api.settings import HttpSettings
from workers.cli.web import PoliteServer


class OpsServer:
    """`start` it once the process can tell how it is."""

    def __init__(self, readiness: Readiness, http: HttpSettings, listener: socket.socket) -> None:
        app = FastAPI(title="Shoplight", docs_url=None, redoc_url=None, openapi_url=None)
        app.add_middleware(Observed, quiet=HEALTH)
        app.include_router(health_router(readiness))
        self._readiness = readiness
        self._server = PoliteServer(app, http, readiness)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="health", daemon=True
        )

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stopping(self) -> None:
        """`/readyz` says so, while what is under way is finished."""
        self._readiness.stop()

    def stop(self) -> None:
        """The process is about to end."""
        self._server.should_exit = True
        self._thread.join(2)
