"""A Redis of a test's own, to be killed, frozen and started again empty."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
import redis

from tests.patience import until


class OwnRedis:
    """redis-server on a free port, keeping nothing on the disk."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def client(self) -> "redis.Redis[str]":
        return redis.Redis(port=self.port, decode_responses=True, single_connection_client=False)

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir"]
        self._process = subprocess.Popen([*command, str(self._folder)], stdout=subprocess.DEVNULL)
        until(self._answers, "redis-server did not start")

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def redis_or_nothing() -> None:
    """Skips where there is no redis-server; fails under CI."""
    if shutil.which("redis-server") is None:
        message = "redis-server is not installed (infra/services installs it)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
