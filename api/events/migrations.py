"""Brings an event store to the schema of this release: migrations/clickhouse/*.sql, in order, each one once.

The embedded store migrates when it is opened; on a server only `shoplight migrate` does, and every other process asks
`require_schema` first.
"""

from pathlib import Path

from api.events.store import EventStore, StoreUnavailable
from api.settings import REPO_ROOT

FOLDER = REPO_ROOT / "migrations" / "clickhouse"
# The event log forgets what the store has taken, so these inserts have to survive a power cut, not only a crash.
# ClickHouse flushes to the disk on request since 20.10; before that (Debian's 18.16) a power cut may cost the last
# seconds. There, keep the log longer than a machine is away and replay the last hour (every read and the sink take a
# row once), or run two replicas.
DURABLE = ("events", "event_conflicts", "usage", "dead_letters", "facts")
_FLUSHES_SINCE = (20, 10)
_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_migrations (name String, step UInt32) ENGINE = MergeTree ORDER BY name"
_NOTED = "SELECT count() AS n FROM system.tables WHERE database = currentDatabase() AND name = 'schema_migrations'"
_Step = tuple[str, int]


def migrate(store: EventStore, folder: Path = FOLDER) -> list[str]:
    """Apply what is missing; returns the names of the files that had something to do.

    DDL has no transactions here, so each statement is noted by itself: a crash in between goes on where it stopped.
    Every statement can be run again and beside itself, so two processes may migrate at the same time.
    """
    store.command(_VERSIONS)
    applied = []
    for (name, step), statement in _missing(store, folder):
        # the note comes after the statement: on a crash between the two it is run again
        store.command(statement.replace("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ", 1))
        store.insert("schema_migrations", {"name": [name], "step": [step]})
        applied.append(name)
    _make_durable(store)
    return sorted(set(applied))


def pending(store: EventStore, folder: Path = FOLDER) -> list[str]:
    """The files that `migrate` would have something to do for. Changes nothing."""
    return sorted({name for (name, _), _ in _missing(store, folder)})


def require_schema(store: EventStore) -> None:
    """StoreUnavailable, with the command that helps, while the store has an older schema (or none)."""
    missing = pending(store)
    if missing:
        raise StoreUnavailable(f"the event store lacks {', '.join(missing)}: run `shoplight migrate`")


def newer(store: EventStore, folder: Path = FOLDER) -> list[str]:
    """Files that a newer release has run here and this one does not know."""
    if not store.select(_NOTED)[0]["n"]:
        return []
    known = {path.name for path in folder.glob("*.sql")}
    return sorted({row["name"] for row in store.select("SELECT DISTINCT name FROM schema_migrations")} - known)


def _missing(store: EventStore, folder: Path) -> list[tuple[_Step, str]]:
    rows = store.select("SELECT name, step FROM schema_migrations") if store.select(_NOTED)[0]["n"] else []
    done = {(row["name"], row["step"]) for row in rows}
    return [
        ((path.name, step), statement)
        for path in sorted(folder.glob("*.sql"))
        for step, statement in enumerate(_statements(path.read_text()))
        if (path.name, step) not in done
    ]


def _make_durable(store: EventStore) -> None:
    """Have each insert flushed to the disk. Not in the files: old servers don't know these settings."""
    version = str(store.select("SELECT version() AS version")[0]["version"]).split(".")
    if (int(version[0]), int(version[1])) >= _FLUSHES_SINCE:
        for table in DURABLE:
            store.command(f"ALTER TABLE {table} MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1")


def _statements(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]
