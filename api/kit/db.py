"""Sessions on the relational store, SQLite (WAL) or PostgreSQL: one transaction a request, committed at its end."""

import hashlib
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import DateTime, Engine, NullPool, event
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator
from sqlmodel import Session, create_engine


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time; SQLite keeps no zone, so it is added on the way out; PostgreSQL answers in the session's."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: they hide a wrong zone."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a naive datetime was given to the database")
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Always aware, always UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# what a connection may cost before somebody else is served: a statement, a wait for a row, a transaction left open
_TIMEOUTS_MS = {"statement_timeout": 30_000, "lock_timeout": 10_000, "idle_in_transaction_session_timeout": 60_000}
_POOL_WAIT_S = 5.0
_RECYCLE_S = 1800  # firewalls forget connections that live long
_MAX_NAME = 63
_SQLITE_WAIT_S = 15.0


def _sqlite_pragmas(connection: DBAPIConnection, _record: object) -> None:
    connection.isolation_level = None  # we issue BEGIN ourselves, see _begin
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={int(_SQLITE_WAIT_S * 1000)}")
    _to_wal(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _to_wal(cursor: DBAPICursor) -> None:
    """Switching wants the file for itself while others may be starting too, and SQLite does not always wait for it."""
    gives_up_at = time.monotonic() + _SQLITE_WAIT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > gives_up_at:
                raise
            time.sleep(0.02)
        else:
            return


def _begin(connection: Connection) -> None:
    # a deferred transaction that turns into a writer fails at once when another wrote meanwhile; an immediate one waits
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _sqlite_engine(url: str) -> Engine:
    Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_size=20, max_overflow=20, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _sqlite_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _postgresql_engine(url: str, pool_size: int) -> Engine:
    """At most `pool_size` connections, tried before use; waiting for one, for a row or for the server has an end."""
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_S,
        pool_pre_ping=True,
        pool_recycle=_RECYCLE_S,
        connect_args=_connect_args(),
    )


def _connect_args() -> dict[str, Any]:
    settings = " ".join(f"-c {name}={value}" for name, value in _TIMEOUTS_MS.items())
    return {
        "connect_timeout": 5,
        "application_name": f"shoplight {socket.gethostname()} {os.getpid()}"[:_MAX_NAME],
        "options": f"{settings} -c timezone=UTC -c client_encoding=UTF8",
        # a server whose machine is gone is noticed in seconds, not in the two hours of the system's default
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }


class Database:
    """The engine and its two kinds of sessions."""

    def __init__(self, url: str, pool_size: int = 20) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite:")
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgresql_engine(url, pool_size)
        self.asking = (
            self.engine if self.is_sqlite else create_engine(url, poolclass=NullPool, connect_args=_connect_args())
        )
        # PostgreSQL takes a new look for each statement unless told otherwise; SQLite's readers see one moment
        of_one_moment: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reading = self.engine if self.is_sqlite else self.engine.execution_options(**of_one_moment)
        self._writing = self.engine.execution_options(write=True)
        self._closed = False
        event.listen(self.engine, "checkin", self._checked_in)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading, all of one moment; it stores nothing."""
        with Session(self._reading, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that commits at its end and rolls back on any exception. Keep it short: SQLite has one writer, and
        on PostgreSQL others wait for the rows it holds. Where what it writes follows from what it has read, others may
        write in between: lock the row that both must read (`with_for_update`; SQLite's one writer needs none)."""
        with Session(self._writing, expire_on_commit=False) as session:
            yield session
            session.commit()

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Whether nobody else is at work under `name` in any process; if so, nobody else will be until the block ends
        or its process does. Spares double work; what must not happen twice needs a row's lock or a lease."""
        if self.is_sqlite:  # belongs to one process
            lock = _alone.setdefault((self.url, name), threading.Lock())
            taken = lock.acquire(blocking=False)
            try:
                yield taken
            finally:
                if taken:
                    lock.release()
            return
        # outside a transaction: none is left open while the block works
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
            taken = bool(connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (key,)).scalar())
            try:
                yield taken
            finally:
                if taken:
                    connection.invalidate()  # ends the server's session and with it the lock, also when it is away

    def check(self) -> None:
        """Raises when the store does not answer."""
        with self.asking.connect() as connection:
            connection.exec_driver_sql("SELECT 1")

    def close(self) -> None:
        """Let go of every connection; those in use at once when they are given back."""
        self._closed = True
        self.engine.dispose()
        self.asking.dispose()

    def _checked_in(self, _: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        """A cache's refresh may outlive the house: nobody else would close what it used."""
        if self._closed:
            record.invalidate()


_alone: dict[tuple[str, str], threading.Lock] = {}


def _read_session(request: Request) -> Iterator[Session]:
    with request.app.state.ports.database.read() as session:
        yield session


def _write_session(request: Request) -> Iterator[Session]:
    with request.app.state.ports.database.write() as session:
        yield session


# scope="function": the commit happens before the answer leaves, so nobody is told of what is not stored
ReadSession = Annotated[Session, Depends(_read_session, scope="function")]
WriteSession = Annotated[Session, Depends(_write_session, scope="function")]


class TenantRepository:
    """Base of whatever reads or writes one tenant's rows: it cannot be built without the tenant."""

    def __init__(self, session: Session, tenant_id: str) -> None:
        if not tenant_id:
            raise ValueError("a tenant is required")
        self.session = session
        self.tenant_id = tenant_id
