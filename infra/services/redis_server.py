"""Redis, the broker of the task queue. Bounded by maxmemory; refuses writes when full rather than dropping tasks."""

import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from infra.services.problems import NotServing
from infra.services.service import Service

MEMORY = "256mb"


class Redis(Service):
    """redis-server of Debian."""

    name = "redis"
    asks = "ping"

    def missing_packages(self) -> list[str]:
        return [] if self.is_installed() else ["redis-server"]

    def is_installed(self) -> bool:
        return shutil.which("redis-server") is not None

    def prepare(self) -> None:
        self.data.mkdir(exist_ok=True)

    def command(self) -> Sequence[str | Path]:
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.data),
            "maxmemory": MEMORY,
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",  # queued tasks outlive a killed server
            "save": "",
            "daemonize": "no",
        }
        return ["redis-server", *(part for name, value in options.items() for part in (f"--{name}", value))]

    def check(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as line:
            line.settimeout(2)
            line.sendall(f"{self.asks}\r\n".encode())
            answer = line.recv(64)
        if answer != b"+PONG\r\n":  # "-LOADING" while it reads its log
            raise NotServing(answer.decode(errors="replace").strip() or "no answer")

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def settings(self) -> dict[str, str]:
        return {"SHOPLIGHT_QUEUE_BROKER_URL": self.address}
