"""Databases for tests on a real PostgreSQL: one template brought up by the real migrations, a copy of it for each test.

The server's language is English on purpose: what sorts by it instead of by bytes fails here."""

import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from api.kit.db import Database
from api.kit.migrations import upgrade
from tests.services import url_of

# name, machine, process: what a crashed run leaves behind is known by its process being gone
PREFIX = f"shoplight_test_{re.sub('[^a-z0-9]', '', socket.gethostname().lower())[:12]}"
_LANGUAGE = "TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C.UTF-8'"


class TestDatabases:
    """Makes and drops databases; each of this process has a name of its own."""

    __test__ = False

    def __init__(self) -> None:
        self._server = url_of("postgresql")
        self._admin = psycopg.connect(_plain(self._server), autocommit=True)
        self._names = (f"{PREFIX}_{os.getpid()}_{secrets.token_hex(3)}" for _ in count())
        self._template: str | None = None
        self._drop_leftovers()

    @contextmanager
    def empty(self) -> Iterator[str]:
        """The URL of a database without tables, dropped at the end."""
        name = self._create(_LANGUAGE)
        try:
            yield self._url(name)
        finally:
            self._drop(name)

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """The URL of a database with empty tables, dropped at the end."""
        if self._template is None:
            self._template = self._create(_LANGUAGE)
            database = Database(self._url(self._template))
            upgrade(database)
            database.close()
        # copying through the log takes 40 ms here; copying files takes 400, because it waits for a checkpoint
        name = self._create(f"TEMPLATE {self._template} STRATEGY WAL_LOG")
        try:
            yield self._url(name)
        finally:
            self._drop(name)

    def close(self) -> None:
        """Drop the template too."""
        if self._template is not None:
            self._drop(self._template)
        self._admin.close()

    def _create(self, like: str) -> str:
        name = next(self._names)
        self._admin.execute(sql.SQL("CREATE DATABASE {} " + like).format(sql.Identifier(name)))  # type: ignore[arg-type]
        return name

    def _drop(self, name: str) -> None:
        self._admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _drop_leftovers(self) -> None:
        rows = self._admin.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (f"{PREFIX}_",))
        for (name,) in rows.fetchall():
            owner = name.removeprefix(f"{PREFIX}_").split("_")[0]
            if owner.isdigit() and not _alive(int(owner)):
                self._drop(name)

    def _url(self, name: str) -> str:
        return urlsplit(self._server)._replace(path=f"/{name}").geturl()


def _plain(url: str) -> str:
    """Without SQLAlchemy's name of the driver."""
    return re.sub(r"^postgresql\+\w+://", "postgresql://", url)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
