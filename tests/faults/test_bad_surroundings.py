"""Processes in bad surroundings: servers that are away, wrong, slow or older; a folder that cannot be written. Each is
told in one clear line, in /readyz too, without tracebacks, storms or endless loops."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.kit.readiness import TIMEOUT_S
from tests.patience import until
from tests.running_demo import REPO, free_port
from tests.running_scale_out import HOST, in_database, settings_of
from tests.services import url_of

pytestmark = pytest.mark.slow
START_S = 120
PARTS = 6  # that a black hole stands for
AWAY = f"{HOST}:1"  # nobody listens there


@contextmanager
def black_hole() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server((HOST, 0)) as listener:
        held: list[socket.socket] = []
        threading.Thread(target=lambda: [held.append(listener.accept()[0]) for _ in range(1000)], daemon=True).start()
        yield listener.getsockname()[1]
        for line in held:
            line.close()


class Process:
    """A process with its output, and its health."""

    def __init__(self, role: str, env: Mapping[str, str], folder: Path) -> None:
        self.port, self._log = free_port(), folder / f"{role}.log"
        given = {"SHOPLIGHT_HTTP_PORT": str(self.port), "SHOPLIGHT_DATADIR": str(folder / role), **env}
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workers.cli", role],
                cwd=REPO,
                env={**os.environ, **given},
                stdout=log,
                stderr=log,
            )

    def health(self) -> tuple[int, dict[str, Any]]:
        """The first answer of /readyz."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                answer = httpx2.get(f"http://{HOST}:{self.port}/readyz", timeout=60)
            except httpx2.HTTPError:
                time.sleep(0.1)
            else:
                return answer.status_code, answer.json()
        raise AssertionError(f"no health: {self.said}")

    def reasons(self) -> tuple[int, dict[str, Any]]:
        """The first of its answers in which every part had the time to say what is wrong with it."""

        def told() -> tuple[int, dict[str, Any]] | None:
            status, body = self.health()
            late = [name for name, part in body["checks"].items() if part.get("reason", "").startswith("no answer")]
            return None if late else (status, body)

        found = until(told, pause_s=0.5)
        assert found
        return found

    @property
    def said(self) -> str:
        return self._log.read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def process(role: str, env: Mapping[str, str], folder: Path) -> Iterator[Process]:
    running = Process(role, env, folder)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


@pytest.fixture(scope="module")
def env() -> dict[str, str]:
    """A house on the tests' servers that nobody has migrated."""
    return settings_of(f"surroundings_{os.getpid()}_{secrets.token_hex(2)}", free_port(), "", url_of)


def command(role: str, env: Mapping[str, str], datadir: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers.cli", role],
        cwd=REPO,
        env={**os.environ, "SHOPLIGHT_HTTP_PORT": "0", "SHOPLIGHT_DATADIR": str(datadir), **env},
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )


def test_a_process_without_tables_names_the_command(env: dict[str, str], tmp_path: Path) -> None:
    there = {**env, "SHOPLIGHT_DATABASE_URL": url_of("postgresql")}  # a database that exists and is not ours
    refused = command("serve", there, tmp_path / "a")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].endswith("run `shoplight migrate`")
    refused = command("sink", env, tmp_path / "b")
    assert refused.returncode == 1
    assert "the event store lacks" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_that_does_not_exist_shows_and_the_process_waits_for_it(env: dict[str, str], tmp_path: Path) -> None:
    missing = {**env, "SHOPLIGHT_DATABASE_URL": in_database(url_of("postgresql"), "no_such_database")}
    missing["SHOPLIGHT_EVENTS_CLICKHOUSE_URL"] = f"clickhouse://default@{AWAY}/x"
    with process("serve", missing, tmp_path) as serve:
        status, told = serve.reasons()
        assert (status, told["status"]) == (503, "not ready")
        assert 'database "no_such_database" does not exist' in told["checks"]["database"]["reason"]
        assert "Connection refused" in told["checks"]["event_store"]["reason"]
        with httpx2.Client(base_url=f"http://{HOST}:{serve.port}", timeout=60) as http:
            answers = [http.get("/v1/products", headers={"Authorization": "Bearer sk_x"}) for _ in range(20)]
            assert {answer.status_code for answer in answers} == {503}
            assert all("retry-after" in answer.headers for answer in answers)
            assert http.get("/").status_code == 200
        assert serve.stop() == 0
        assert "Traceback" not in serve.said
        assert len(serve.said.splitlines()) < 30, serve.said


def test_a_wrong_password_shows_without_being_told(env: dict[str, str], tmp_path: Path) -> None:
    wrong = in_database(url_of("clickhouse"), "default").replace("default@", "default:hunter2000@")
    with process("sink", {**env, "SHOPLIGHT_EVENTS_CLICKHOUSE_URL": wrong}, tmp_path) as sink:
        status, told = sink.reasons()
        assert (status, told["status"]) == (503, "not ready")
        assert "password" in told["checks"]["event_store"]["reason"].lower()
        time.sleep(3)
        assert sink.stop() == 0
        assert "hunter2000" not in sink.said + str(told)
        assert "Traceback" not in sink.said
        assert len(sink.said.splitlines()) < 20, sink.said


def test_servers_that_swallow_everything_do_not_hold_up_health(env: dict[str, str], tmp_path: Path) -> None:
    with black_hole() as port:
        silent = {
            "SHOPLIGHT_QUEUE_BROKER_URL": f"redis://{HOST}:{port}/0",
            "SHOPLIGHT_EVENTS_KAFKA_SERVERS": f"{HOST}:{port}",
            "SHOPLIGHT_EVENTS_CLICKHOUSE_URL": f"clickhouse://default@{HOST}:{port}/x",
            "SHOPLIGHT_INDEX_MILVUS_URL": f"http://{HOST}:{port}",
            "SHOPLIGHT_BLOBS_S3_ENDPOINT": f"http://{HOST}:{port}",
            "SHOPLIGHT_DATABASE_URL": f"postgresql+psycopg://shop@{HOST}:{port}/x",
        }
        with process("serve", {**env, **silent}, tmp_path) as serve:
            serve.health()
            for _ in range(3):
                began = time.monotonic()
                _, told = serve.health()
                assert time.monotonic() - began < TIMEOUT_S * PARTS / 2, "they are waited for together"
                assert told["status"] == "not ready"
            away = {name for name, part in told["checks"].items() if not part["ok"]}
            assert away >= {"database", "event_store", "index", "blobs", "broker"}
            assert told["checks"]["event_log"]["ok"]
            assert serve.stop() in {0, 1}  # threads that wait for an answer are not waited for


def test_a_broker_that_answers_slowly_leaves_the_beat_waiting_not_spinning(tmp_path: Path) -> None:
    with (
        black_hole() as port,
        process("beat", {"SHOPLIGHT_QUEUE_BROKER_URL": f"redis://{HOST}:{port}/0"}, tmp_path) as beat,
    ):
        status, told = beat.health()
        assert (status, told["status"]) == (503, "not ready")
        assert told["checks"]["broker"]["reason"]
        time.sleep(6)
        used = float(sum(map(int, Path(f"/proc/{beat.process.pid}/stat").read_text().split()[13:15])))
        time.sleep(2)
        now = float(sum(map(int, Path(f"/proc/{beat.process.pid}/stat").read_text().split()[13:15])))
        assert (now - used) / os.sysconf("SC_CLK_TCK") < 1  # of two seconds
        assert beat.stop() == 0
        assert "Traceback" not in beat.said
        assert len(beat.said.splitlines()) < 15, beat.said


@pytest.mark.parametrize("folder", ["/proc/nowhere", "/dev/null/nowhere"])
def test_a_folder_that_cannot_be_written_is_told_with_the_setting(env: dict[str, str], folder: str) -> None:
    refused = command("serve", env, Path(folder))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "SHOPLIGHT_DATADIR must name a folder that can be written" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_wrong_settings_end_with_status_2_and_a_list(tmp_path: Path) -> None:
    for role in ("serve", "worker", "sink", "beat", "seed", "migrate", "demo"):
        wrong = {
            "SHOPLIGHT_HTTP_PORT": "x",
            "SHOPLIGHT_HTP_PORT": "1",
            "SHOPLIGHT_DATABASE_URL": "mysql://u:hunter2@h/x",
        }
        refused = command(role, wrong, tmp_path)
        assert (refused.returncode, refused.stdout) == (2, "")
        lines = refused.stderr.splitlines()
        assert lines[0] == f"shoplight {role}: these settings are wrong:"
        assert {line.split()[0].rstrip(":") for line in lines[1:]} >= set(wrong)
        assert "hunter2" not in refused.stderr
