"""Alembic's entry: migrates the connection it is given, or the database of the settings."""

from alembic import context
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

from api.kit import tables  # noqa: F401 - fills the metadata
from api.kit.db import Database
from api.settings import Settings


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    with Database(Settings().database_url).engine.connect() as connection:
        migrate(connection)
        connection.commit()
