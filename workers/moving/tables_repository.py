"""Rows of every relational table out and in, exact across SQLite and PostgreSQL: microseconds of UTC, JSON as it was
written, bytes, 64-bit integers. Works from the columns themselves, so a new table needs nothing here."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Enum,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    insert,
    select,
    table,
)
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import SQLModel

from api.kit import tables as _tables  # noqa: F401 - fills the metadata
from api.kit.db import UtcDateTime
from workers.moving.parts import ROWS, Part
from workers.moving.problems import ArchiveUnusable

ROWS_A_BATCH = 1000
_KIND = b"shoplight.kind"
_ARROW = {
    "time": pa.timestamp("us", tz="UTC"),
    "json": pa.string(),
    "bytes": pa.binary(),
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "real": pa.float64(),
    "text": pa.string(),
}
# the order matters: an enum is a string to SQLAlchemy
_KINDS: Sequence[tuple[type[TypeEngine[Any]], str]] = (
    (JSON, "json"),
    (LargeBinary, "bytes"),
    (Boolean, "boolean"),
    (Integer, "integer"),
    (Float, "real"),
    (String, "text"),
)


def kind_of(found: Column[Any]) -> str:
    """How a column travels; `enum:<name>` for an enumeration, whose labels travel as text."""
    if isinstance(found.type, UtcDateTime):
        return "time"
    inner = found.type.impl_instance if isinstance(found.type, TypeDecorator) else found.type
    if isinstance(inner, Enum):
        return f"enum:{inner.name}"
    for type_, kind in _KINDS:
        if isinstance(inner, type_):
            return kind
    raise TypeError(f"{found.table.name}.{found.name}: {found.type!r} cannot be carried to another house")


def tables() -> list[Table]:
    """Every table, those that others refer to first."""
    return list(SQLModel.metadata.sorted_tables)


class TablesAcrossTenants:
    """All rows of a whole store, on one connection. Who calls commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_postgresql = connection.dialect.name == "postgresql"

    def hold_still(self) -> None:
        """From now on this transaction sees one moment, however long it takes."""
        if self._is_postgresql:
            for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
                self._connection.exec_driver_sql(f"SET LOCAL {limit} = 0")
        self._connection.execute(select(func.count()).select_from(table("alembic_version"))).scalar_one()

    def held(self) -> dict[str, int]:
        """How many rows each table has that has any."""
        counts = {each.name: self._count(each.name) for each in tables()}
        return {name: count for name, count in counts.items() if count}

    def clear(self) -> None:
        """Every row away, in an order that the references allow."""
        for each in reversed(tables()):
            self._connection.execute(each.delete())

    def parts(self) -> Iterator[Part]:
        """Every table as a part."""
        for each in tables():
            yield Part(f"{ROWS}/{each.name}", _schema(each), self._read(each), self._count(each.name))

    def add(self, name: str, batch: "pa.RecordBatch") -> None:
        """Insert rows as they lay in another store. Raises ArchiveUnusable where they are of no table here."""
        kinds = _checked(name, batch.schema)
        try:
            rows = batch.to_pylist()
            if rows:
                self._connection.execute(insert(table(name, *map(column, kinds))).values(self._values(kinds)), rows)
        except (IntegrityError, DataError, ValueError, OverflowError) as error:  # which value it is must not be told
            raise ArchiveUnusable(f"{ROWS}/{name}: a row is not what the table takes") from error

    def count_on(self, name: str, schema: "pa.Schema") -> None:
        """Let numbers that the database hands out go on after those that came in with their rows."""
        if not self._is_postgresql or "id" not in schema.names or schema.field("id").type != pa.int64():
            return
        sequence = self._connection.execute(select(func.pg_get_serial_sequence(name, "id"))).scalar_one()
        most: ColumnElement[int] = func.max(column("id"))
        newest = self._connection.execute(select(most).select_from(table(name))).scalar_one()
        if sequence and newest is not None:
            self._connection.execute(select(func.setval(sequence, newest)))

    def _count(self, name: str) -> int:
        return int(self._connection.execute(select(func.count()).select_from(table(name))).scalar_one())

    def _read(self, source: Table) -> Iterator["pa.RecordBatch"]:
        schema = _schema(source)
        statement = select(*[_read_as(each) for each in source.columns])
        streamed = self._connection.execution_options(yield_per=ROWS_A_BATCH).execute(statement)
        for rows in streamed.partitions(ROWS_A_BATCH):
            columns = list(zip(*rows, strict=True))
            yield pa.record_batch([pa.array(v, f.type) for v, f in zip(columns, schema, strict=True)], schema=schema)

    def _values(self, kinds: dict[str, str]) -> dict[str, ColumnElement[Any]]:
        return {name: self._bound(name, kind) for name, kind in kinds.items()}

    def _bound(self, name: str, kind: str) -> ColumnElement[Any]:
        simple: dict[str, TypeEngine[Any]] = {
            "time": UtcDateTime(),
            "bytes": LargeBinary(),
            "boolean": Boolean(),
            "integer": BigInteger(),
            "real": Double(),
        }
        if kind in simple:
            return bindparam(name, type_=simple[kind])
        bound = bindparam(name, type_=Text())
        if not self._is_postgresql or kind == "text":
            return bound
        # PostgreSQL takes neither for text; only the name of the enumeration is used in a cast
        return cast(bound, JSON() if kind == "json" else Enum("any", name=kind.removeprefix("enum:")))


def _schema(source: Table) -> "pa.Schema":
    fields = []
    for each in source.columns:
        kind = kind_of(each)
        type_ = pa.string() if kind.startswith("enum:") else _ARROW[kind]
        fields.append(pa.field(each.name, type_, metadata={_KIND: kind}))
    return pa.schema(fields)


def _checked(name: str, schema: "pa.Schema") -> dict[str, str]:
    """The kinds of the columns that come. An archive is somebody else's word: only what this house would have written
    itself gets into a statement."""
    if name not in SQLModel.metadata.tables:
        raise ArchiveUnusable(f"{ROWS}/{name}: there is no such table")
    known = {field.name: field for field in _schema(SQLModel.metadata.tables[name])}
    for field in schema:
        if field.name not in known or not field.equals(known[field.name], check_metadata=True):
            raise ArchiveUnusable(f"{ROWS}/{name}: {field.name[:80]!r} is no column of it, or of another kind")
    if sorted(schema.names) != sorted(known):
        raise ArchiveUnusable(f"{ROWS}/{name}: columns are missing or there twice")
    return {field.name: field.metadata[_KIND].decode() for field in schema}


def _read_as(found: Column[Any]) -> ColumnElement[Any]:
    """JSON and enumerations as the text that lies there: parsing it and writing it anew might change it."""
    raw = kind_of(found) == "json" or kind_of(found).startswith("enum:")
    return cast(found, Text()).label(found.name) if raw else found
