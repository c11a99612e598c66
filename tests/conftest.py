"""What every test may ask for: a house on a fresh data directory, its app, tenants with keys, and the real photos."""

import functools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.accounts import passwords
from api.accounts.scopes import SCOPES_OF, Scope, TenantKind
from api.accounts.service import AccountsDesk, AccountService
from api.kit import cache
from api.kit.clock import FixedClock
from api.kit.db import Database
from api.kit.migrations import upgrade
from api.main import create_app
from api.ports import Ports, open_ports
from api.settings import Settings
from tests.descriptors import allow_what_chdb_needs, left_open
from tests.postgresql import TestDatabases
from tests.running_demo import RunningDemo, free_port
from tests.running_scale_out import RunningScaleOut, scale_out
from tests.two_workers import WholeFiles, put_in_order

REPO = Path(__file__).resolve().parents[1]
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--shape scale-out`: the same tests on the servers of the other shape."""
    parser.addoption("--shape", choices=["embedded", "scale-out"], default="embedded", help="which shape to test")


@dataclass
class RecordingQueue:
    """A queue whose hints a test reads and carries out itself, in its own thread."""

    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def send(self, name: str, **kwargs: Any) -> None:
        self.sent.append((name, kwargs))


def pytest_configure() -> None:
    allow_what_chdb_needs()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    put_in_order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> WholeFiles:
    """With `-n 2`."""
    config.option.loadscopereorder = False  # in our order, not by how many tests a file has
    return WholeFiles(config, log)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photographs."""
    folder = Path(os.environ.get("SHOPLIGHT_SHARED_DATA", REPO.parent / "shared" / "data"))
    if not folder.is_dir():
        message = f"the real photographs are not at {folder}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def queue() -> RecordingQueue:
    return RecordingQueue()


@pytest.fixture(scope="session")
def shape(request: pytest.FixtureRequest) -> str:
    """Which shape of the house is tested: embedded or scale-out."""
    return str(request.config.getoption("--shape"))


@pytest.fixture(scope="session")
def test_databases() -> Iterator[TestDatabases]:
    """Databases on a real PostgreSQL."""
    made = TestDatabases()
    yield made
    made.close()


@pytest.fixture
def settings(
    tmp_path: Path, shape: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """A house of its own for each test. The other shape's servers are named in the environment, where commands that a
    test runs find them too."""
    if shape == "embedded":
        yield Settings(datadir=tmp_path / "data")
        return
    databases: TestDatabases = request.getfixturevalue("test_databases")
    with databases.migrated() as url:
        monkeypatch.setenv("SHOPLIGHT_DATABASE_URL", url)
        yield Settings(datadir=tmp_path / "data")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite store brought up by the real migrations, once; tests get copies."""
    path = tmp_path_factory.mktemp("migrated") / "shoplight.db"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    database.close()
    return path


@pytest.fixture
def ageless_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held in front of the store does not get old, however long a busy machine takes over a test."""
    now = time.monotonic()
    monkeypatch.setattr(cache, "time", SimpleNamespace(monotonic=lambda: now))


@pytest.fixture
def ports(settings: Settings, migrated: Path, queue: RecordingQueue, clock: FixedClock) -> Iterator[Ports]:
    """Open ports on an empty, migrated store."""
    settings.datadir.mkdir(parents=True, exist_ok=True)
    if not settings.database.url:
        shutil.copy(migrated, settings.datadir / "shoplight.db")
    opened = open_ports(settings, queue, clock)
    yield opened
    opened.close()


@pytest.fixture
def client(ports: Ports) -> Iterator[TestClient]:
    """The app over its real HTTP surface; a crash is a 500, as people would meet it."""
    with TestClient(create_app(ports), raise_server_exceptions=False) as opened:
        yield opened


@dataclass(frozen=True)
class Account:
    """A tenant and a secret key of it."""

    tenant_id: str
    user_id: str
    secret: str

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}


AccountMaker = Callable[..., Account]


@pytest.fixture
def account(ports: Ports) -> AccountMaker:
    """Makes tenants: `account("brand")`, `account("brand", scopes=[Scope.search], approved=True)`."""
    made = iter(range(1000))

    def make(kind: str, *, scopes: list[Scope] | None = None, approved: bool = False) -> Account:
        with ports.database.write() as session:
            desk = AccountsDesk(session, ports.clock.now())
            tenant, user = desk.sign_up(TenantKind(kind), f"A {kind}", f"{kind}{next(made)}@example.com", "long enough")
            tenant.listing_approved = approved
            session.flush()
            held = frozenset(map(str, SCOPES_OF[tenant.kind]))
            _, secret = AccountService(session, tenant.id, user.id, ports.clock.now()).create_key(
                "test", scopes, held=held
            )
        return Account(tenant.id, user.id, secret)

    return make


@pytest.fixture(scope="session")
def publisher_port() -> int:
    """The port of a publisher of the tests' own, whose pictures the running houses may fetch."""
    return free_port()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, publisher_port: int) -> Iterator[RunningDemo]:
    """One running demo for all tests that only look at it."""
    running = RunningDemo(tmp_path_factory.mktemp("demo") / "data", fetch_allow=f"127.0.0.1:{publisher_port}")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def scaled_out(tmp_path_factory: pytest.TempPathFactory, publisher_port: int) -> Iterator[RunningScaleOut]:
    """The same in the second shape: real servers, two API processes, two workers, two sinks."""
    with scale_out(tmp_path_factory.mktemp("house") / "data", fetch_allow=f"127.0.0.1:{publisher_port}") as running:
        yield running


@pytest.fixture(scope="session", params=["demo", "scaled_out"], ids=["embedded", "scale-out"])
def house(request: pytest.FixtureRequest, publisher_port: int) -> RunningDemo | RunningScaleOut:
    """A running house of either shape, seeded with the demo's world."""
    running: RunningDemo | RunningScaleOut = request.getfixturevalue(request.param)
    return running


@pytest.fixture(autouse=True, scope="module")
def _no_descriptors_left() -> Iterator[None]:
    """What each test leaves open adds up, and would in production."""
    yield
    assert not left_open()


@pytest.fixture(autouse=True, scope="session")
def _each_password_hashed_once() -> Iterator[None]:
    """Argon2 is slow on purpose, and nearly every test has people; it took half of their time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passwords, "hash_password", functools.cache(passwords.hash_password))
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_stray_settings() -> None:
    """Settings of the person's shell must not change what is tested."""
    for name in [name for name in os.environ if name.startswith("SHOPLIGHT_")]:
        if name != "SHOPLIGHT_SHARED_DATA" and not name.startswith("SHOPLIGHT_TEST_"):
            del os.environ[name]


__all__ = ["Account", "AccountMaker", "RecordingQueue"]
