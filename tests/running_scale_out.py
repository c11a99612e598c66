"""Starts the second shape as its operators do: servers, `shoplight migrate`, two of each process, `shoplight seed`.

Each house has its own database, topic, collection and bucket on the servers that the tests share."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2

from tests.running_demo import REPO, free_port
from tests.services import url_of

READY_S, SEED_S, STOP_S = 240, 300, 90
COUNTS = {"serve": 2, "worker": 2, "sink": 2, "beat": 1}
HOST = "127.0.0.1"
# the first of five databases of Redis for each kind of house: those that run at once must not take each other's tasks
_BROKER = {"shoplight": 1, "processes": 6, "surroundings": 11}


def in_database(url: str, name: str) -> str:
    """The server's address with another database on it."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def settings_of(name: str, port: int, fetch_allow: str, server: Callable[[str], str]) -> dict[str, str]:
    """What one house of that name needs on those servers; nothing else differs from the embedded shape."""
    own = f"{HOST}:{port}"
    return {
        "SHOPLIGHT_DATABASE_URL": in_database(server("postgresql"), name),
        "SHOPLIGHT_DATABASE_POOL_SIZE": "5",
        "SHOPLIGHT_QUEUE_BROKER_URL": in_database(server("redis"), str(_BROKER[name.partition("_")[0]] + port % 5)),
        "SHOPLIGHT_EVENTS_KAFKA_SERVERS": server("kafka"),
        "SHOPLIGHT_EVENTS_KAFKA_TOPIC": f"{name}.events",
        "SHOPLIGHT_EVENTS_KAFKA_GROUP": f"{name}-sink",
        "SHOPLIGHT_EVENTS_KAFKA_PARTITIONS": "4",
        "SHOPLIGHT_EVENTS_CLICKHOUSE_URL": in_database(server("clickhouse"), name),
        "SHOPLIGHT_EVENTS_HEADLESS_IS_NET": "true",
        "SHOPLIGHT_INDEX_MILVUS_URL": server("milvus"),
        "SHOPLIGHT_INDEX_COLLECTION": name,
        "SHOPLIGHT_BLOBS_S3_BUCKET": name.replace("_", "-"),
        "SHOPLIGHT_BLOBS_S3_ENDPOINT": server("s3"),
        "SHOPLIGHT_BLOBS_S3_ACCESS_KEY": "test",
        "SHOPLIGHT_BLOBS_S3_SECRET_KEY": "test",
        "SHOPLIGHT_SECRETS_SESSION_KEY": secrets.token_hex(32),
        "SHOPLIGHT_SECRETS_TOKEN_KEYS": f"k1:{secrets.token_hex(32)}",
        "SHOPLIGHT_LIMITS_MEDIA_PER_SITE_PER_DAY": "1000000",
        "SHOPLIGHT_FETCH_ALLOW": f"{own},localhost:{port},{fetch_allow}".strip(","),
        "SHOPLIGHT_HTTP_BASE_URL": f"http://{own}",
    }


class RunningProcess:
    """One `shoplight serve|worker|sink|beat`; `port` is where its health is asked for."""

    def __init__(self, role: str, datadir: Path, port: int, env: Mapping[str, str], *, shared_port: bool) -> None:
        self.role, self.port, self.log_path = role, port, datadir.with_name(f"{datadir.name}.log")
        datadir.mkdir(parents=True, exist_ok=True)
        self._env = {
            **os.environ,
            **env,
            "SHOPLIGHT_DATADIR": str(datadir),
            "SHOPLIGHT_HTTP_PORT": str(port),
            "SHOPLIGHT_HTTP_REUSE_PORT": str(shared_port).lower(),
        }
        self.start()

    def start(self) -> None:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workers.cli", self.role], cwd=REPO, stdout=log, stderr=log, env=self._env
            )

    def kill(self) -> None:
        """kill -9, of this process alone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """The polite way; its exit status."""
        self.process.terminate()
        return self.process.wait(STOP_S)

    def said(self) -> str:
        """The end of its log."""
        return self.log_path.read_text()[-4000:]


class RunningScaleOut:
    """Two API processes on one port, two workers, two sinks, a beat; the same face as `RunningDemo`."""

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        fetch_allow: str = "",
        server: Callable[[str], str] = url_of,
    ) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.name = f"shoplight_{os.getpid()}_{secrets.token_hex(3)}"
        self.settings = settings_of(self.name, self.port, fetch_allow, server)
        data_dir.mkdir(parents=True, exist_ok=True)
        self.command("migrate")
        self.processes: dict[str, RunningProcess] = {}
        started = time.monotonic()
        try:
            for role, count in COUNTS.items():
                for number in range(count):
                    self._launch(role, number)
            for one in self.processes.values():
                self.wait_until_ready(one)
            self.ready_after_s = time.monotonic() - started
            self.line: dict[str, Any] = json.loads(self.command("seed"))
        except BaseException:
            self.kill()
            raise

    @property
    def base_url(self) -> str:
        return str(self.settings["SHOPLIGHT_HTTP_BASE_URL"])

    def bearer(self, name: str) -> dict[str, str]:
        """Headers with one of the line's secret keys."""
        return {"Authorization": f"Bearer {self.line[name]}"}

    def command(self, *words: str) -> str:
        """What a `shoplight` command prints; its datadir is one of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "workers.cli", *words],
            cwd=REPO,
            env={**os.environ, **self.settings, "SHOPLIGHT_DATADIR": str(self.data_dir / "command")},
            capture_output=True,
            text=True,
            timeout=SEED_S,
            check=False,
        )
        assert done.returncode == 0, f"shoplight {' '.join(words)}:\n{done.stdout}\n{done.stderr[-4000:]}"
        return done.stdout

    def wait_until_ready(self, one: RunningProcess) -> None:
        """Until its /readyz says 200; of API processes on a shared port the kernel picks the one that answers."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            assert one.process.poll() is None, f"{one.role} ended:\n{one.said()}"
            try:
                if httpx2.get(f"http://{HOST}:{one.port}/readyz", timeout=60).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"{one.role} did not get ready:\n{one.said()}")

    def kill(self) -> None:
        """kill -9 of every process of this house; the servers stay."""
        for one in self.processes.values():
            if one.process.poll() is None:
                one.kill()

    def stop(self) -> int:
        """The polite way, sinks last; the worst exit status."""
        for one in self.processes.values():
            if one.process.poll() is None:
                one.process.terminate()
        return max(one.process.wait(STOP_S) for one in self.processes.values())

    def _launch(self, role: str, number: int) -> None:
        port = self.port if role == "serve" else free_port()
        folder = self.data_dir / f"{role}-{number}"
        self.processes[f"{role}-{number}"] = RunningProcess(
            role, folder, port, self.settings, shared_port=role == "serve"
        )


@contextmanager
def scale_out(data_dir: Path, **more: Any) -> Iterator[RunningScaleOut]:
    """A running house that is stopped at the end."""
    running = RunningScaleOut(data_dir, **more)
    try:
        yield running
    finally:
        running.stop()
