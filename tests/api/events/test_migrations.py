"""Schema of the event store: pending, applied once, gone on with after a crash, by two at once. On both sides."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from api.events.migrations import DURABLE, FOLDER, migrate, pending, require_schema
from api.events.store import EventStore, StoreUnavailable
from tests.event_stores import SIDES, Stores, stores_of

MORE = """
-- a comment; with a semicolon
CREATE TABLE later (id String) ENGINE = MergeTree ORDER BY id;
CREATE TABLE last_of_all (id String) ENGINE = MergeTree ORDER BY id;
"""


@pytest.fixture(params=SIDES)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    with stores_of(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The migrations of a release to come."""
    folder = tmp_path / "newer"
    shutil.copytree(FOLDER, folder)
    (folder / "9000_later.sql").write_text(MORE)
    return folder


def tables(store: EventStore) -> set[str]:
    return {row["name"] for row in store.select("SELECT name FROM system.tables WHERE database = currentDatabase()")}


def empty(store: EventStore) -> EventStore:
    """As a database that nobody has migrated yet."""
    for name in tables(store):
        store.command(f"DROP TABLE {name}")
    return store


def test_a_store_without_a_schema_says_so_and_asking_changes_nothing(stores: Stores) -> None:
    store = empty(stores.open())
    assert pending(store) == sorted(path.name for path in FOLDER.glob("*.sql"))
    with pytest.raises(StoreUnavailable, match=r"0001_events\.sql.*shoplight migrate"):
        require_schema(store)
    assert tables(store) == set()
    assert migrate(store) == sorted(path.name for path in FOLDER.glob("*.sql"))
    require_schema(store)


def test_an_older_schema_is_refused_until_it_is_migrated(stores: Stores, newer: Path) -> None:
    store = stores.open()
    assert pending(store, newer) == ["9000_later.sql"]
    assert migrate(store, newer) == ["9000_later.sql"]
    assert (pending(store, newer), migrate(store, newer)) == ([], [])
    assert {"later", "last_of_all"} <= tables(store)


def test_a_migration_that_was_killed_half_way_goes_on_where_it_stopped(stores: Stores, newer: Path) -> None:
    store = stores.open()
    assert migrate(store) == []
    command, insert = store.command, store.insert

    class Killed(Exception):
        pass

    def dies_before(sql: str, keys: Any = None) -> None:
        if "last_of_all" in sql:
            raise Killed
        command(sql, keys)

    def dies_between(table: str, columns: Any) -> None:
        raise Killed  # the statement is done, its note is not

    for name, death in (("insert", dies_between), ("command", dies_before)):
        setattr(store, name, death)
        with pytest.raises(Killed):
            migrate(store, newer)
        store.command, store.insert = command, insert  # type: ignore[method-assign]
        assert pending(store, newer) == ["9000_later.sql"]
    store.insert("later", {"id": ["kept"]})
    assert migrate(store, newer) == ["9000_later.sql"]
    assert store.select("SELECT id FROM later") == [{"id": "kept"}]
    assert migrate(store, newer) == []


def test_two_processes_may_migrate_at_once(stores: Stores, newer: Path) -> None:
    store = empty(stores.open())
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: migrate(store, newer), range(4)))
    assert any("9000_later.sql" in names for names in done)
    assert pending(store, newer) == []
    assert {"events", "usage", "rollup_15m", "later", "last_of_all"} <= tables(store)


def test_only_the_embedded_store_migrates_by_itself(stores: Stores) -> None:
    empty(stores.open())
    store = stores.open()
    assert ("events" in tables(store)) == (stores.side == "chdb")


def test_where_the_engine_can_every_durable_insert_is_flushed(stores: Stores) -> None:
    store = stores.open()
    made = {
        row["name"]: row["create_table_query"]
        for row in store.select("SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()")
    }
    flushed = {name for name in DURABLE if "fsync_after_insert = 1" in made[name]}
    assert flushed == (set(DURABLE) if stores.side == "chdb" else set())
