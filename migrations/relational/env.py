"""Alembic's entry: migrates the connection it is given, or the database of the settings."""

from alembic import context
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

from api.kit import tables  # noqa: F401 - fills the metadata
from api.kit.db import Database
from api.settings import Settings

# every text column whose order is the database's language's, with its type as it was declared
OTHER_ORDER = """
SELECT 'ALTER TABLE ' || quote_ident(c.relname) || string_agg(
    ' ALTER ' || quote_ident(a.attname) || ' TYPE ' || format_type(a.atttypid, a.atttypmod) || ' COLLATE "C"', ','
)
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
JOIN pg_collation o ON o.oid = a.attcollation AND o.collname <> 'C'
WHERE NOT a.attisdropped
GROUP BY c.relname ORDER BY c.relname
"""


def order_by_bytes(connection: Connection) -> None:
    """Ids and cursors must sort as on SQLite, whatever language the server was installed in: by bytes. Here and not in
    a migration, so that no later one can forget it."""
    for (statement,) in connection.exec_driver_sql(OTHER_ORDER).all():
        connection.exec_driver_sql(statement)


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
        if connection.dialect.name == "postgresql":
            order_by_bytes(connection)


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    with Database(Settings().database_url).engine.connect() as connection:
        migrate(connection)
        connection.commit()
