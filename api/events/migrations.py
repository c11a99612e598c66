"""Brings an event store to the schema of this release: migrations/clickhouse/*.sql, in order, each one once."""

from pathlib import Path

from api.events.store import EventStore
from api.settings import REPO_ROOT

FOLDER = REPO_ROOT / "migrations" / "clickhouse"
_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_migrations (name String, step UInt32) ENGINE = MergeTree ORDER BY name"


def migrate(store: EventStore, folder: Path = FOLDER) -> list[str]:
    """Apply what is missing; returns the names of the files that had something to do.

    DDL has no transactions here, so each statement is noted by itself: a crash in between goes on where it stopped.
    """
    store.command(_VERSIONS)
    done = {(row["name"], row["step"]) for row in store.select("SELECT name, step FROM schema_migrations")}
    applied = []
    for path in sorted(folder.glob("*.sql")):
        for step, statement in enumerate(_statements(path.read_text())):
            if (path.name, step) in done:
                continue
            # the note comes after the statement: on a crash between the two it is run again
            store.command(statement.replace("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ", 1))
            store.insert("schema_migrations", {"name": [path.name], "step": [step]})
            applied.append(path.name)
    return sorted(set(applied))


def _statements(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]
