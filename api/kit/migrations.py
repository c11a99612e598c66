"""Brings the relational store to the schema of this code, and tells when it is not there."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from api.kit.db import Database
from api.settings import REPO_ROOT

_ONE_AT_A_TIME = 7_201_954  # the advisory lock of migrating; any number that nothing else uses


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(REPO_ROOT / "migrations" / "relational"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(database: Database) -> None:
    """Run every migration that is missing, inside one transaction: all or none. Others that start at the same time wait
    and then find nothing to do."""
    config = _config()
    # begun by us: in a transaction of its own, Alembic commits each migration on SQLite, and two could take turns
    with database.engine.execution_options(write=True).begin() as connection:
        _wait_for_our_turn(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _wait_for_our_turn(connection: Connection) -> None:
    """SQLite's one writer is a queue by itself: the transaction has begun as a writer's."""
    if connection.dialect.name == "postgresql":
        # a migration may rewrite a table, and the one before us may take as long
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,))


def current_and_head(database: Database) -> tuple[str | None, str | None]:
    """The schema's revision and the newest one known."""
    with database.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(_config()).get_current_head()


def schema_problem(database: Database) -> str | None:
    """Why this code must not run on that store, and what to do; None when the schema is the one it knows. Raises
    OperationalError when the store is away."""
    current, head = current_and_head(database)
    if current == head:
        return None
    if current is None:
        return "the database has no tables yet: run `shoplight migrate`"
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if current in known:
        return f"the database has schema {current}, this version needs {head}: run `shoplight migrate`"
    return (
        f"the database has schema {current}, which is newer than this version knows ({head}): install the newer "
        "version; `shoplight migrate` never goes back"
    )
