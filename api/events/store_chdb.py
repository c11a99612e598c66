"""The event store inside this process: chdb, one data folder, owned by one process.

Rows go in and come out as Arrow. A session serialises its queries, so writes and reads have one each: reports do not
wait for the sink. Both are threads' work: chdb releases the GIL, but it does block its caller.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from chdb.session import Session

from api.events.migrations import migrate
from api.events.store import KEYS, Columns, Rows, StoreUnavailable

DATABASE = "shoplight"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


class ChdbEventStore:
    """An `EventStore` in a folder, opened and brought to today's schema when it is first used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opening = threading.RLock()
        self._writer: _Guarded | None = None
        self._reader: _Guarded | None = None
        self._usable = False

    def open(self) -> None:
        """Open now; StoreUnavailable when another process has the folder, or nothing can be written there."""
        with self._opening:
            if self._usable or self._writer is not None:
                return  # the second: the migrations below use the store while it is being opened
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._writer = _Guarded(self._folder)
                migrate(self)
                self._reader = _Guarded(self._folder)
                self._usable = True
            except (RuntimeError, OSError) as error:
                self.close()
                raise StoreUnavailable(f"the event store in {self._folder} cannot be opened: {error}") from error

    def command(self, sql: str, keys: Columns | None = None) -> None:
        """See EventStore."""
        if not self._usable:
            self.open()
        _opened(self._writer).run(sql, None, keys)

    def insert(self, table: str, columns: Columns) -> None:
        """See EventStore."""
        if columns and len(next(iter(columns.values()))):
            names = ", ".join(columns)
            self.command(f"INSERT INTO {table} ({names}) SELECT {names} FROM {KEYS}", columns)  # noqa: S608 - our names

    def select(self, sql: str, params: Mapping[str, str | int] | None = None, keys: Columns | None = None) -> Rows:
        """See EventStore."""
        if not self._usable:
            self.open()
        # while the schema is being brought up to date there is only the writer
        table = _opened(self._reader or self._writer).run(sql, params, keys)
        return list(table.to_pylist()) if table is not None else []

    def close(self) -> None:
        """See EventStore."""
        with self._opening:
            for session in (self._reader, self._writer):
                if session is not None:
                    session.close()
            self._reader = self._writer = None
            self._usable = False


class _Guarded:
    """One session and the lock that keeps its queries in a row."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._session = cast("Any", Session)(str(folder))  # chdb says that it is typed, and is not
        self._session.query(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        self._session.query(f"USE {DATABASE}")

    def run(self, sql: str, params: Mapping[str, str | int] | None, keys: Columns | None) -> "pa.Table | None":
        # chdb finds the table by this name in the frames above it
        shoplight_keys = _arrow(keys) if keys is not None else None
        text = sql.replace(KEYS, "Python(shoplight_keys)") if shoplight_keys is not None else sql
        bound = {name: _escaped(value) for name, value in (params or {}).items()}
        with self._lock:
            answer = self._session.query(text, "ArrowTable", params=bound)
        return answer if isinstance(answer, pa.Table) else None

    def close(self) -> None:
        with self._lock:
            self._session.close()


def _opened(session: _Guarded | None) -> _Guarded:
    if session is None:
        raise StoreUnavailable("the event store is closed")
    return session


def _arrow(columns: Columns) -> "pa.Table":
    return pa.table({name: _array(values) for name, values in columns.items()})


def _array(values: Any) -> "pa.Array":
    """Inferred, but for lists of text: an empty one has no type to infer."""
    if len(values) and isinstance(values[0], list):
        return pa.array(values, pa.list_(pa.string()))
    return pa.array(values)


def _escaped(value: str | int) -> str | int:
    """Bound values are read like a TabSeparated field."""
    if isinstance(value, int):
        return value
    return value.translate(_ESCAPES)
