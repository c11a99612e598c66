"""Services are started and stopped for real, each in a place of its own."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from infra.services.chromium import Chromium
from infra.services.clickhouse_server import ClickHouse
from infra.services.place import Place
from infra.services.postgresql_server import Postgresql
from infra.services.problems import InstallFailed, ServiceProblem, StartFailed
from infra.services.redis_server import Redis
from infra.services.registry import SERVICES, service
from infra.services.s3_server import BUCKET, S3
from infra.services.service import Service
from infra.services.stripe_mock import StripeMock
from tests.patience import until
from tests.services import missing, url_of

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Fresh data, the installed programs; whatever a test leaves running is stopped."""
    made = Place.beside(tmp_path / "services")
    for needed in (Redis(made), ClickHouse(made), Postgresql(made)):
        try:
            needed.install()
        except ServiceProblem as problem:
            missing(needed.name, problem)
    yield made
    for name in SERVICES:
        service(name, made).remove()


def program(place: Place, *words: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """`python -m infra.services ...` in that place."""
    return subprocess.Popen(
        [sys.executable, "-m", "infra.services", *words],
        cwd=REPO,
        env={**os.environ, "SHOPLIGHT_SERVICES_DIR": str(place.root), **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def pid_of(one: Service) -> int:
    process = one.process()
    assert process is not None
    return process.pid


@pytest.mark.parametrize("kind", [Redis, ClickHouse, Postgresql])
def test_a_server_starts_on_a_fresh_folder_serves_and_is_stopped(place: Place, kind: type[Service]) -> None:
    one = kind(place)
    assert one.health() == "not running"
    assert one.start() is True
    assert one.health() is None
    pid = pid_of(one)
    assert one.start() is False, "a second start must find it running"
    assert pid_of(one) == pid
    assert one.stop() is True
    assert one.health() == "not running"
    assert not Path(f"/proc/{pid}").exists()
    assert one.stop() is False


def test_what_was_stored_and_the_address_outlive_a_kill(place: Place) -> None:
    one = Redis(place)
    one.start()
    address = one.address
    with socket.create_connection(("127.0.0.1", one.port), timeout=60) as line:
        line.sendall(b"SET kept yes\r\n")
        assert line.recv(64) == b"+OK\r\n"
        until(lambda: _is_written(line))
    os.kill(pid_of(one), signal.SIGKILL)
    assert one.start() is True
    assert one.address == address
    with socket.create_connection(("127.0.0.1", one.port), timeout=60) as line:
        line.sendall(b"GET kept\r\n")
        assert b"yes" in line.recv(64)


def _is_written(line: socket.socket) -> bool:
    """Whether all of Redis' log of changes is with the kernel: it is handed over each second."""
    line.sendall(b"INFO persistence\r\n")
    told = line.recv(65536)
    return b"aof_buffer_length:0\r\n" in told and b"aof_pending_bio_fsync:0\r\n" in told


def test_blobs_outlive_a_kill_of_a_server_that_keeps_them_in_memory(place: Place) -> None:
    one = S3(place)
    one.start()
    client = boto3.client(
        "s3", endpoint_url=one.address, aws_access_key_id="any", aws_secret_access_key="any", region_name="us-east-1"
    )
    large = os.urandom(12_000_000)  # travels in parts
    client.put_object(Bucket=BUCKET, Key="a b/ü+%41?#", Body=b"small", ContentType="image/webp")
    client.upload_fileobj(io.BytesIO(large), BUCKET, "large")
    for key in ("removed", "removed-by-list"):
        client.put_object(Bucket=BUCKET, Key=key, Body=b"")
    client.delete_object(Bucket=BUCKET, Key="removed")
    client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "removed-by-list"}]})
    os.kill(pid_of(one), signal.SIGKILL)
    one.start()
    kept = [found["Key"] for found in client.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert kept == ["a b/ü+%41?#", "large"]
    small = client.get_object(Bucket=BUCKET, Key="a b/ü+%41?#")
    assert (small["Body"].read(), small["ContentType"]) == (b"small", "image/webp")
    assert client.get_object(Bucket=BUCKET, Key="large")["Body"].read() == large
    client.close()


def test_health_fails_when_the_server_is_killed_and_when_it_hangs(place: Place) -> None:
    one = ClickHouse(place)
    one.start()
    os.kill(pid_of(one), signal.SIGSTOP)
    told = next(filter(None, (one.health() for _ in range(3))), None)  # its threads stop one by one
    os.kill(pid_of(one), signal.SIGCONT)
    assert told is not None
    assert "does not serve" in told
    assert one.health() is None
    process = one.process()
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    while process.alive:
        time.sleep(0.01)
    assert one.health() == "not running"


@pytest.mark.parametrize("born", ["another boot:1", None])
def test_a_foreign_process_is_never_stopped(place: Place, born: str | None) -> None:
    """The id in a stale pid file belongs to somebody else by now; or the file is no pid file at all."""
    one = Redis(place)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        (one.folder / "pid.json").write_text(
            json.dumps({"pid": stranger.pid, "born": born, "kept": True}) if born else str(stranger.pid)
        )
        assert one.health() == "not running"
        assert one.stop() is False
        assert one.start() is True, "a stale file must not stand in the way"
        assert one.stop() is True
        assert stranger.poll() is None
        stranger.kill()


def test_two_programs_that_start_the_same_service_start_it_once(place: Place) -> None:
    both = [program(place, "start", "redis") for _ in range(2)]
    told = [each.communicate(timeout=120)[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], told
    # one of them started it, the other found it running
    assert sorted("redis       serves" in each for each in told) == [False, True], told
    assert Redis(place).health() is None


def test_a_failed_installation_names_the_command_that_tries_again(place: Place, tmp_path: Path) -> None:
    """Go is there, but may not download anything: a network that is away."""
    if not shutil.which("go"):
        StripeMock().install()
    alone = Place(tmp_path / "alone", tmp_path / "alone" / "installed")
    offline = {"GOPROXY": "off", "GOMODCACHE": str(tmp_path / "empty"), "GOFLAGS": "-modcacherw"}
    failed = program(alone, "install", "stripe", env=offline)
    told = failed.communicate(timeout=120)[1]
    assert failed.returncode == 1
    assert "GOPROXY" in told, "what went wrong"
    assert told.strip().split("try again with: ")[1].startswith(f"{sys.executable} -m infra.services install stripe")
    assert not StripeMock(alone).is_installed()


def test_a_package_that_cannot_be_installed_is_named(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(InstallFailed, match=r"chromium needs chromium: .*install chromium"):
        Chromium(Place(place.root, place.root / "installed")).install()


def test_a_server_that_does_not_come_up_shows_the_end_of_its_log(place: Place) -> None:
    one = Redis(place)
    broken = one.data / "appendonlydir"
    broken.mkdir(parents=True)
    (broken / "appendonly.aof.manifest").write_text("not a manifest\n")
    with pytest.raises(StartFailed, match=r"(?s)log ends with.*AOF manifest"):
        one.start()
    assert one.health() == "not running"


def test_a_remembered_port_that_somebody_took_is_an_error(place: Place) -> None:
    one = Redis(place)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", one.port))
        taken.listen()
        with pytest.raises(StartFailed, match=rf"port {one.port} .*ports\.json"):
            one.start()


def test_loans_end_with_the_last_borrower_but_not_what_was_started_by_hand(place: Place) -> None:
    one = Redis(place)
    first, second = one.lend(), one.lend()
    first.give_back()
    assert one.health() is None, "somebody still uses it"
    second.give_back()
    assert one.health() == "not running"

    loan = one.lend()
    one.start()  # by hand, while it is on loan
    loan.give_back()
    assert one.health() is None


def test_status_and_settings_of_what_runs(place: Place) -> None:
    Redis(place).start()
    asked = program(place, "status", "--json", "redis", "clickhouse")
    lines = [json.loads(line) for line in asked.communicate(timeout=120)[0].splitlines()]
    assert asked.returncode == 1, "clickhouse does not run"
    assert [line["problem"] for line in lines] == [None, "not running"]
    assert lines[0]["memory_mb"] > 0
    told = program(place, "env", "--shell").communicate(timeout=120)[0]
    assert told == f"export SHOPLIGHT_QUEUE_BROKER_URL={Redis(place).address}\n"


@pytest.mark.parametrize("kind", [Redis, ClickHouse, Postgresql, S3])
def test_servers_listen_on_loopback_alone(place: Place, kind: type[Service]) -> None:
    """Kafka and stripe-mock, too; but Milvus has no setting for it."""
    one = kind(place)
    one.start()
    bound = [address for address, port in listening() if port in one.ports.values()]
    one.stop()
    assert len(bound) == len(one.ports)
    assert set(bound) == {"0100007F"}  # 127.0.0.1, as the kernel writes it


def listening() -> list[tuple[str, int]]:
    """Address and port of every listening socket of this machine."""
    tables = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return [(fields[1].split(":")[0], int(fields[1].split(":")[1], 16)) for fields in tables if fields[3] == "0A"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_of_this_session_serves(name: str) -> None:
    url_of(name)
    if not os.environ.get(f"SHOPLIGHT_TEST_{name.upper()}"):
        assert service(name).health() is None
