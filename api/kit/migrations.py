"""Brings the relational store to the schema of this code, and tells when it is not there."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from api.kit.db import Database
from api.settings import REPO_ROOT


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(REPO_ROOT / "migrations" / "relational"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(database: Database) -> None:
    """Run every migration that is missing. On SQLite inside one transaction: all or none."""
    config = _config()
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def current_and_head(database: Database) -> tuple[str | None, str | None]:
    """The schema's revision and the newest one known."""
    with database.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(_config()).get_current_head()
