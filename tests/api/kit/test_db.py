"""The relational store in trouble: a clear answer at once, nothing half-written, and service again when it is over.
PostgreSQL, because SQLite has no server to lose."""

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, SQLAlchemyError
from sqlmodel import select

from api.accounts.models import Tenant
from api.accounts.scopes import TenantKind
from api.errors import store_problem
from api.kit import db
from api.kit.db import Database
from api.kit.insert_repository import add_once
from api.ports import Ports
from api.settings import DatabaseSettings, Settings
from tests.postgresql import TestDatabases


@pytest.fixture
def settings(tmp_path: Path, test_databases: TestDatabases) -> Iterator[Settings]:
    with test_databases.migrated() as url:
        yield Settings(datadir=tmp_path / "data", database=DatabaseSettings(url=url, pool_size=2))


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(settings.database_url, settings.database.pool_size)
    yield opened
    opened.close()


@pytest.fixture
def operator(settings: Settings) -> Iterator[psycopg.Connection]:
    """Somebody at the server's console."""
    url = urlsplit(settings.database_url)._replace(scheme="postgresql", path="/postgres").geturl()
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def name_of(settings: Settings) -> str:
    return urlsplit(settings.database_url).path[1:]


def end_connections(operator: psycopg.Connection, settings: Settings) -> None:
    """What a crash or a restart of the server does to us."""
    operator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name_of(settings),))


def tenant(number: int) -> Tenant:
    return Tenant(id=f"tnt_{number}", kind=TenantKind.brand, name="Acme", created_at=db.datetime.now(db.UTC))


def test_a_server_that_went_away_is_a_503_and_then_served_again(
    client: TestClient, ports: Ports, settings: Settings, operator: psycopg.Connection, account
) -> None:
    auth = account("publisher").auth
    site = {"name": "Magazine", "origins": ["https://magazine.example"]}
    assert client.post("/v1/sites", json=site, headers=auth).status_code == 201
    name = name_of(settings)
    operator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    end_connections(operator, settings)
    tried = _connections_tried(ports)
    for headers in (auth, {**auth, "Idempotency-Key": "once"}):
        answer = client.post("/v1/sites", json=site, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["content-type"] == "application/problem+json"
    assert len(tried) <= 4, "nobody waits for it to come back"
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"]["database"]["ok"] is False
    operator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert client.post("/v1/sites", json=site, headers={**auth, "Idempotency-Key": "once"}).status_code == 201
    assert len(client.get("/v1/sites", headers=auth).json()["items"]) == 2


def _connections_tried(ports: Ports) -> list[bool]:
    """Grows with each."""
    tried: list[bool] = []
    event.listen(ports.database.engine, "do_connect", lambda *_: tried.append(True))
    return tried


def test_connections_that_a_restart_cut_are_replaced_before_anybody_notices(
    database: Database, settings: Settings, operator: psycopg.Connection
) -> None:
    with database.write() as session:
        session.add(tenant(1))
    end_connections(operator, settings)
    with database.read() as session:
        assert session.exec(select(Tenant.id)).all() == ["tnt_1"]


def test_a_connection_cut_in_the_middle_stores_nothing_and_is_a_503(
    database: Database, settings: Settings, operator: psycopg.Connection
) -> None:
    with pytest.raises(OperationalError) as caught, database.write() as session:  # noqa: PT012 - where it breaks off
        session.add(tenant(1))
        session.flush()
        end_connections(operator, settings)
        session.add(tenant(2))
        session.flush()
    problem = store_problem(caught.value)
    assert problem is not None
    assert problem.status == 503
    with database.read() as session:
        assert session.exec(select(Tenant)).all() == []


def test_more_requests_than_connections_end_in_a_503_not_in_waiting(
    client: TestClient, ports: Ports, account, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = account("publisher").auth
    client.get("/v1/sites", headers=auth)
    monkeypatch.setattr(ports.database.engine.pool, "_timeout", 0.2)
    with ports.database.read() as one, ports.database.read() as two:
        one.connection(), two.connection()
        answer = client.get("/v1/sites", headers=auth)
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert client.get("/v1/sites", headers=auth).status_code == 200


def test_of_a_deadlock_one_is_told_to_come_again(database: Database) -> None:
    with database.write() as session:
        session.add_all([tenant(1), tenant(2)])
    both = threading.Barrier(2)
    outcomes: list[SQLAlchemyError | None] = []

    def rename(first: str, second: str) -> None:
        try:
            with database.write() as session:
                session.get_one(Tenant, first, with_for_update=True)
                both.wait(60)
                session.get_one(Tenant, second, with_for_update=True)
            outcomes.append(None)
        except SQLAlchemyError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=rename, args=pair) for pair in (("tnt_1", "tnt_2"), ("tnt_2", "tnt_1"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    [error] = [outcome for outcome in outcomes if outcome is not None]
    problem = store_problem(error)
    assert problem is not None
    assert (problem.status, "Retry-After" in problem.headers) == (503, True)
    assert len(outcomes) == 2


def test_what_is_there_already_is_a_409_and_what_cannot_be_stored_a_422(database: Database) -> None:
    with database.write() as session:
        session.add(tenant(1))
    with pytest.raises(IntegrityError) as twice, database.write() as session:
        session.add(tenant(1))
    with pytest.raises(DataError) as nul, database.write() as session:
        session.add(Tenant(**{**tenant(2).model_dump(), "name": "a\x00b"}))
    with pytest.raises(DataError) as long, database.write() as session:
        session.add(Tenant(**{**tenant(2).model_dump(), "name": "a" * 201}))
    problems = [store_problem(caught.value) for caught in (twice, nul, long)]
    assert [problem.status for problem in problems if problem] == [409, 422, 422]


def test_a_query_that_takes_too_long_and_a_wait_for_a_row_end(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.write() as session:
        session.add(tenant(1))
    monkeypatch.setitem(db._TIMEOUTS_MS, "statement_timeout", 300)
    impatient = Database(settings.database_url, 3)
    with pytest.raises(OperationalError, match="statement timeout") as slow, impatient.read() as session:
        session.connection().execute(text("SELECT pg_sleep(600)"))
    impatient.close()
    monkeypatch.setitem(db._TIMEOUTS_MS, "statement_timeout", 600_000)
    monkeypatch.setitem(db._TIMEOUTS_MS, "lock_timeout", 200)
    impatient = Database(settings.database_url, 3)
    with database.write() as holder:
        holder.get_one(Tenant, "tnt_1", with_for_update=True)
        with pytest.raises(OperationalError, match="lock timeout") as held, impatient.write() as session:
            session.get_one(Tenant, "tnt_1", with_for_update=True)
    impatient.close()
    assert [getattr(store_problem(caught.value), "status", None) for caught in (slow, held)] == [503, 503]


def test_a_reader_sees_one_moment_and_stores_nothing(database: Database) -> None:
    with database.write() as session:
        session.add(tenant(1))
    with database.read() as reader:
        assert len(reader.exec(select(Tenant)).all()) == 1
        with database.write() as session:
            session.add(tenant(2))
        assert len(reader.exec(select(Tenant)).all()) == 1
    with pytest.raises(SQLAlchemyError), database.read() as reader:  # noqa: PT012 - it may fail at either
        reader.add(tenant(3))
        reader.commit()
    with database.read() as reader:
        assert len(reader.exec(select(Tenant)).all()) == 2


def test_times_come_back_in_utc(database: Database) -> None:
    with database.write() as session:
        session.add(tenant(1))
        session.connection().execute(text("SET LOCAL timezone = 'Asia/Tokyo'"))
        session.flush()
        session.expire_all()
        assert session.get_one(Tenant, "tnt_1").created_at.utcoffset() == db.datetime.now(db.UTC).utcoffset()


def test_alone_is_one_at_a_time_and_ends_with_its_connection(
    database: Database, settings: Settings, operator: psycopg.Connection
) -> None:
    other = Database(settings.database_url, 2)
    with database.alone("work") as first, other.alone("work") as second, other.alone("else") as third:
        assert (first, second, third) == (True, False, True)
    with other.alone("work") as again:
        assert again
        end_connections(operator, settings)  # the process is gone
        with database.alone("work") as heir:
            assert heir
    other.close()


def test_a_row_is_added_once(database: Database) -> None:
    with database.write() as session:
        assert add_once(session, tenant(1))
        assert not add_once(session, tenant(1))
    with database.read() as session:
        assert len(session.exec(select(Tenant)).all()) == 1
