"""The event store port: a ClickHouse dialect behind three verbs. What is asked of it lives in workers/sink and reports.

Both sides (chdb in the process, a server) run the migrations in migrations/clickhouse and the same SQL.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Columns = Mapping[str, Sequence[Any]]
Rows = list[dict[str, Any]]
KEYS = "@keys"  # in a query: the table of look-up keys that travels with it


class StoreUnavailable(Exception):
    """The store cannot be opened or does not answer."""


class EventStore(Protocol):
    """See the contract suite in tests/api/events/test_store_contract.py."""

    def command(self, sql: str, keys: Columns | None = None) -> None:
        """Run a statement without an answer. `@keys` in it names the columns in `keys` as a table."""
        ...

    def insert(self, table: str, columns: Columns) -> None:
        """Add rows, given as columns of equal length; they survive a crash once this returns."""
        ...

    def select(self, sql: str, params: Mapping[str, str | int] | None = None, keys: Columns | None = None) -> Rows:
        """Rows of a query. `{name:String}` and `{name:Int64}` are bound from `params`, never spliced."""
        ...

    def close(self) -> None:
        """Let go of the data."""
        ...
