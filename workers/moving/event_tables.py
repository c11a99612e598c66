"""Rows of the event store out and in, through its port. Roll-ups and facts stay behind: they are made anew.

A table is read partition by partition (a day, a month) in ranges of its sort key, each a few megabytes and each found
by the primary index, so that neither memory nor a second look at the same rows grows with the table.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from api.events.distinct import IDENTITY
from api.events.store import EventStore
from workers.moving.parts import EVENTS, Part, columns_of

ROWS_A_RANGE = 65_536  # some 150 MB on their way; fewer, and more is read beside each range than in it
SAMPLED = 2048  # one row of so many is looked at to find where ranges begin
KAFKA_PARTITION_BITS = 12  # a log offset is kafka_offset << 12 | partition


@dataclass(frozen=True)
class EventTable:
    """A table by its sort key and its partitions, as migrations/clickhouse has them."""

    name: str
    key: tuple[str, ...]
    partition: str


TABLES = (
    EventTable("events", ("publisher_id", "event_id"), "toYYYYMMDD(at)"),
    EventTable("event_conflicts", ("publisher_id", "event_id"), "toYYYYMM(at)"),
    EventTable("usage", ("tenant_id", "query_id"), "toYYYYMM(at)"),
    EventTable("dead_letters", ("log_offset",), "0"),
)


class _Named(NamedTuple):
    """A column: its type in Arrow, and the expression that reads it."""

    name: str
    type: "pa.DataType"
    read: str


class EventTables:
    """The tables of one event store. `until` bounds the log offsets that count, by Kafka partition; None: all of it."""

    def __init__(self, store: EventStore, until: Sequence[int] | None = None) -> None:
        self._store = store
        self._cut = _before(until) if until is not None else "1"

    def schema_files(self) -> list[str]:
        """The migrations that the store has seen."""
        return sorted({row["name"] for row in self._store.select("SELECT name FROM schema_migrations")})

    def held(self) -> dict[str, int]:
        """How many rows each table has that has any."""
        counts = {table.name: self._number(f"SELECT count() AS n FROM {table.name}") for table in TABLES}  # noqa: S608
        return {name: count for name, count in counts.items() if count}

    def newest_offset(self) -> int | None:
        """The largest log offset of all tables; None when they are empty."""
        newest = []
        for table in TABLES:
            sql = f"SELECT count() AS n, max(log_offset) AS newest FROM {table.name} WHERE {self._cut}"  # noqa: S608
            row = self._store.select(sql)[0]
            newest += [int(row["newest"])] if row["n"] else []
        return max(newest, default=None)

    def clear(self) -> None:
        """Every row away, roll-ups and facts included."""
        for name in [*(table.name for table in TABLES), "rollup_15m", "facts"]:
            self._store.command(f"TRUNCATE TABLE {name}")

    def parts(self) -> Iterator[Part]:
        """Every table as a part."""
        for table in TABLES:
            columns = self._columns(table)
            schema = pa.schema([(column.name, column.type) for column in columns])
            count = self._number(f"SELECT count() AS n FROM {table.name} WHERE {self._cut}")  # noqa: S608
            yield Part(f"{EVENTS}/{table.name}", schema, self._read(table, columns, schema), count)

    def add(self, name: str, batch: "pa.RecordBatch", shift: int) -> None:
        """Insert rows whose log offsets are moved down by `shift`, their order kept."""
        place = batch.schema.get_field_index("log_offset")
        moved = batch.set_column(place, "log_offset", pc.subtract(batch.column(place), shift))
        self._store.insert(name, columns_of(moved))

    def missing_columns(self, name: str, schema: "pa.Schema") -> list[str]:
        """Columns that come but are not there."""
        table = next((table for table in TABLES if table.name == name), None)
        known = {column.name for column in self._columns(table)} if table else set()
        return [column for column in schema.names if column not in known]

    def _columns(self, table: EventTable) -> list[_Named]:
        sql = """
SELECT name, type FROM system.columns
WHERE database = currentDatabase() AND table = {table:String} AND default_kind NOT IN ('MATERIALIZED', 'ALIAS')"""
        return [_named(row["name"], row["type"]) for row in self._store.select(sql, {"table": table.name})]

    def _read(self, table: EventTable, columns: list[_Named], schema: "pa.Schema") -> Iterator["pa.RecordBatch"]:
        reads = ", ".join(f"{column.read} AS c{number}" for number, column in enumerate(columns))
        # one row of lists: four times as fast as the same in rows
        lists = ", ".join(f"groupArray(c{number}) AS a{number}" for number in range(len(columns)))
        for where, params in self._ranges(table):
            rows = f"SELECT {reads} FROM {table.name} WHERE {where} LIMIT 1 BY {IDENTITY[table.name]}"  # noqa: S608
            found = self._store.select(f"SELECT {lists} FROM ({rows})", params)  # noqa: S608 - our names
            if found and found[0]["a0"]:
                arrays = [pa.array(found[0][f"a{number}"], column.type) for number, column in enumerate(columns)]
                yield pa.record_batch(arrays, schema=schema)

    def _ranges(self, table: EventTable) -> Iterator[tuple[str, dict[str, str | int]]]:
        sql = f"""SELECT {table.partition} AS part, count() AS n FROM {table.name} WHERE {self._cut}
GROUP BY part ORDER BY part"""  # noqa: S608 - our names
        for row in self._store.select(sql):
            where = f"{self._cut} AND {table.partition} = {int(row['part'])}"
            starts: list[Any] = [None, *self._starts(table, where, int(row["n"])), None]
            for first, last in itertools.pairwise(starts):
                params: dict[str, str | int] = {}
                bounds = [_side(table.key, first, "a", params), _side(table.key, last, "b", params)]
                yield " AND ".join([where, *filter(None, bounds)]), params

    def _starts(self, table: EventTable, where: str, count: int) -> list[tuple[Any, ...]]:
        """Keys at which ranges begin, out of a sample: nothing that grows with the partition is sorted."""
        if count <= ROWS_A_RANGE:
            return []
        keys = ", ".join(table.key)
        sampled = f"cityHash64({table.key[-1]}) % {SAMPLED} = 0"
        sql = f"SELECT {keys} FROM {table.name} WHERE {where} AND {sampled} ORDER BY {keys}"  # noqa: S608 - our names
        found = [tuple(row[name] for name in table.key) for row in self._store.select(sql)]
        return found[:: max(1, ROWS_A_RANGE // SAMPLED)][1:]

    def _number(self, sql: str) -> int:
        return int(self._store.select(sql)[0]["n"])


def _named(name: str, type_: str) -> _Named:
    plain = type_.removeprefix("LowCardinality(").removesuffix(")") if type_.startswith("LowCardinality(") else type_
    if plain.startswith("DateTime"):
        # seconds, as the sink writes them
        return _Named(name, pa.int64(), f"toInt64(toUnixTimestamp({name}))")
    if plain.startswith(("Int", "UInt")):
        return _Named(name, pa.uint64() if plain == "UInt64" else pa.int64(), name)
    if plain == "Array(String)":
        return _Named(name, pa.list_(pa.string()), name)
    if plain == "String":
        return _Named(name, pa.string(), f"toString({name})")
    raise TypeError(f"{name}: {type_} cannot be carried to another house")


def _side(key: tuple[str, ...], bound: Any, prefix: str, params: dict[str, str | int]) -> str:
    """`key >= bound` for the lower side (a), `key < bound` for the upper one (b), in a form that the index reads."""
    if bound is None:
        return ""
    names = []
    for number, value in enumerate(bound):
        params[f"{prefix}{number}"] = value
        names.append(f"{{{prefix}{number}:{'String' if isinstance(value, str) else 'Int64'}}}")
    last = ">=" if prefix == "a" else "<"
    condition = f"{key[-1]} {last} {names[-1]}"
    for column, name in zip(reversed(key[:-1]), reversed(names[:-1]), strict=True):
        condition = f"({column} {last[0]} {name} OR ({column} = {name} AND {condition}))"
    return condition


def _before(until: Sequence[int]) -> str:
    """Rows that lie before the commits of their partitions, or came from an earlier house."""
    ends = ", ".join(f"toInt64({int(end)})" for end in until)
    mask = (1 << KAFKA_PARTITION_BITS) - 1
    return f"(log_offset < 0 OR log_offset < [{ends}][bitAnd(log_offset, {mask}) + 1])"
