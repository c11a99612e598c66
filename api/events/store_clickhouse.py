"""The event store on a ClickHouse server, by its native protocol: Debian's 18.16 and everything newer.

Opens nothing until it is used, never changes the schema by itself (`shoplight migrate` does), and comes back by itself
once a server that was away is there again.
"""

import logging
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from clickhouse_driver import Client, errors
from clickhouse_driver.defines import DBMS_MIN_REVISION_WITH_SETTINGS_SERIALIZED_AS_STRINGS
from clickhouse_driver.util.escape import escape_param
from clickhouse_driver.util.helpers import parse_url
from opentelemetry.trace import SpanKind

from api.events.store import KEYS, Columns, Rows, StoreUnavailable
from api.kit import tracing
from api.kit.metrics import STORE_ERRORS

# it logs a stack trace for each failed connection; the trouble itself is told by StoreUnavailable
logging.getLogger("clickhouse_driver.connection").setLevel(logging.ERROR)

CONNECTIONS = 8  # a process; a server takes 100 queries at a time by default
WAIT_S = 10.0  # for one of them
_TIMEOUTS = {"connect_timeout": 5.0, "sync_request_timeout": 3.0}
_GREETING_S = 5.0
# a server at work tells its progress ten times a second; only statements about tables are worked on in silence
_QUIET_S, _STATEMENT_S = 30.0, 600.0
# what a query may use of the server that it shares with everybody else; `?max_execution_time=...` in the URL wins
_QUERY_LIMITS = {"max_execution_time": 60, "max_memory_usage": 2 * 1024**3}
_EVERYWHERE = {"allow_experimental_low_cardinality_type": 1}  # 18.16 asks for it; newer ones ignore it
# newer servers collect small inserts from several clients into one part by default: one insert is to be one part
_NEWER = {"async_insert": 0}
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PLACE = re.compile(r"\{(\w+):(String|Int64)\}")
_KEYS_TABLE = "shoplight_keys"
_CODES = errors.ErrorCodes
# told by a server that cannot do now what it could do another time or once it is set up; all else is a wrong query
_AWAY = {
    _CODES.UNKNOWN_TABLE, _CODES.UNKNOWN_DATABASE, _CODES.TIMEOUT_EXCEEDED, _CODES.TOO_SLOW, _CODES.NETWORK_ERROR,
    _CODES.TOO_MANY_SIMULTANEOUS_QUERIES, _CODES.SOCKET_TIMEOUT, _CODES.NO_FREE_CONNECTION, _CODES.READONLY,
    _CODES.MEMORY_LIMIT_EXCEEDED, _CODES.TABLE_IS_READ_ONLY, _CODES.NOT_ENOUGH_SPACE, _CODES.TOO_MANY_PARTS,
    _CODES.CANNOT_ALLOCATE_MEMORY, _CODES.CANNOT_WRITE_TO_FILE_DESCRIPTOR, _CODES.CANNOT_OPEN_FILE,
    _CODES.ALL_CONNECTION_TRIES_FAILED, _CODES.UNKNOWN_USER, _CODES.WRONG_PASSWORD, _CODES.REQUIRED_PASSWORD,
    _CODES.TOO_LESS_LIVE_REPLICAS, _CODES.UNKNOWN_STATUS_OF_INSERT, _CODES.QUERY_WAS_CANCELLED, _CODES.ABORTED,
    _CODES.STD_EXCEPTION, 497, 516,  # the last two: ACCESS_DENIED, AUTHENTICATION_FAILED
}  # fmt: skip


class ClickHouseStore:
    """An `EventStore` at `clickhouse://user:password@host:9000/database`; `?secure=1` for TLS, further query parameters
    are the driver's (`ca_certs`, `alt_hosts`, time-outs) or settings for the server.

    `insert` sends one block. It lands whole where its rows are of one day (one partition), else perhaps in part; after
    a time-out it may land later still. Whoever inserts again looks first, and every reader takes a row and its copy
    for one. An acknowledged insert survives a kill of the server. Power cuts: see `migrations.DURABLE`.
    """

    def __init__(self, url: str) -> None:
        host, options = _parsed(url)
        self._database = options.setdefault("database", "default")
        self._given: dict[str, Any] = options.pop("settings", {})
        self._quiet_s: float = options.pop("send_receive_timeout", _QUIET_S)
        greeting_s = min(_GREETING_S, self._quiet_s)
        self._options = {"host": host, "send_receive_timeout": greeting_s, **_TIMEOUTS, **options}
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self._idle: list[Client] = []
        self._closed = False

    def command(self, sql: str, keys: Columns | None = None) -> None:
        """See EventStore."""
        text = sql.replace(KEYS, _KEYS_TABLE)
        quiet_s = self._quiet_s if text.lstrip().startswith("INSERT") else _STATEMENT_S
        with self._connection(quiet_s) as client:
            client.execute(text, external_tables=_external(keys))

    def insert(self, table: str, columns: Columns) -> None:
        """See EventStore."""
        if columns and len(next(iter(columns.values()))):
            traced = tracing.span("clickhouse.insert", kind=SpanKind.CLIENT, table=table)
            with traced, self._connection(self._quiet_s) as client:
                rows = [list(values) for values in columns.values()]
                client.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES", rows, columnar=True)

    def select(self, sql: str, params: Mapping[str, str | int] | None = None, keys: Columns | None = None) -> Rows:
        """See EventStore."""
        text = _bound(sql.replace(KEYS, _KEYS_TABLE), params or {})
        limits = {**_QUERY_LIMITS, **self._given}
        with self._connection(self._quiet_s) as client:
            values, header = client.execute(
                text, external_tables=_external(keys), settings=limits, columnar=True, with_column_types=True
            )
        names = [name for name, _ in header]
        plain = [_plain(column, kind) for column, (_, kind) in zip(values, header, strict=False)]
        return [dict(zip(names, row, strict=True)) for row in zip(*plain, strict=True)]

    def close(self) -> None:
        """See EventStore."""
        self._closed = True
        while self._idle:
            self._idle.pop().disconnect()

    @contextmanager
    def _connection(self, quiet_s: float) -> "Iterator[Client]":
        """A connection of our own for one query, ready; given up on when the server says nothing for `quiet_s`."""
        if self._closed:
            raise StoreUnavailable("the event store is closed")
        if not self._free.acquire(timeout=WAIT_S):
            raise StoreUnavailable(f"all {CONNECTIONS} connections to ClickHouse are busy")
        try:
            with _told(self._options):
                client = self._idle.pop() if self._idle else self._client(self._database)
                try:
                    self._wake(client)
                    client.connection.socket.settimeout(quiet_s)
                    yield client
                except BaseException:
                    client.disconnect()
                    raise
            if self._closed:
                client.disconnect()
            else:
                self._idle.append(client)
        finally:
            self._free.release()

    def _wake(self, client: Client) -> None:
        """Connect, unless it still is; make the database where there is none (a server makes its own folder too)."""
        link = client.connection
        if link.connected and link.ping():
            return
        try:
            link.connect()
        except errors.ServerException as error:
            if error.code != _CODES.UNKNOWN_DATABASE:
                raise
            with self._client("") as anywhere:
                anywhere.execute(f"CREATE DATABASE IF NOT EXISTS {self._database}")
            link.disconnect()
            link.connect()
        if link.server_info.used_revision >= DBMS_MIN_REVISION_WITH_SETTINGS_SERIALIZED_AS_STRINGS:
            client.settings = {**_EVERYWHERE, **_NEWER, **self._given}

    def _client(self, database: str) -> Client:
        return Client(**{**self._options, "database": database}, settings={**_EVERYWHERE, **self._given})


def _parsed(url: str) -> tuple[str, dict[str, Any]]:
    """Host and the driver's arguments. ValueError never shows the URL: a password may be in it."""
    try:
        host, options = parse_url(url) if url.startswith(("clickhouse://", "clickhouses://")) else (None, {})
    except ValueError:
        host, options = None, {}
    if not host or not _DATABASE.fullmatch(options.get("database", "default")):
        raise ValueError(
            "a ClickHouse URL reads clickhouse://user:password@host:9000/database, with %40 for an @ in the password "
            "and the like; the database's name has letters, digits and underscores"
        )
    return host, options


@contextmanager
def _told(options: Mapping[str, Any]) -> Iterator[None]:
    """Trouble on the way to the server, or of the server itself, as the port's own exception."""
    try:
        yield
    except errors.ServerException as error:
        if error.code not in _AWAY:
            raise
        STORE_ERRORS.labels("event_store").inc()
        text = str(error.message).partition("Stack trace")[0].strip()
        raise StoreUnavailable(f"ClickHouse at {options['host']} answers: {text} (code {error.code})") from error
    except (errors.Error, OSError, EOFError) as error:
        STORE_ERRORS.labels("event_store").inc()
        raise StoreUnavailable(f"ClickHouse at {options['host']} does not answer: {error}") from error


def _bound(sql: str, params: Mapping[str, str | int]) -> str:
    """With the values as literals: 18.16 knows no parameters. One pass, so that a value with braces stays one."""

    def literal(place: re.Match[str]) -> str:
        value = params[place[1]]
        return f"toInt64({int(value)})" if place[2] == "Int64" else str(escape_param(str(value), None))

    return _PLACE.sub(literal, sql)


def _external(keys: Columns | None) -> list[dict[str, Any]] | None:
    """A table that travels with the query; blocks of any length do, a batch of the sink is one of some megabytes."""
    if keys is None:
        return None
    structure = [(name, "Int64" if len(v) and isinstance(v[0], int) else "String") for name, v in keys.items()]
    return [{"name": _KEYS_TABLE, "structure": structure, "data": list(zip(*keys.values(), strict=True))}]


def _plain(values: Sequence[Any], kind: str) -> Sequence[Any]:
    """Times as seconds since 1970, as the other side of the port has them."""
    return [int(value.timestamp()) for value in values] if kind.startswith("DateTime") else values
