"""The relational migrations: from nothing to exactly the tables of the models, and never half of it."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlmodel import SQLModel

from api.kit import tables
from api.kit.db import Database
from api.kit.migrations import current_and_head, upgrade

assert tables  # the import fills the metadata


@pytest.fixture
def database(tmp_path: Path):
    opened = Database(f"sqlite:///{tmp_path / 'new.db'}")
    yield opened
    opened.close()


def test_they_make_the_tables_of_the_models(database: Database) -> None:
    upgrade(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_a_second_run_changes_nothing(database: Database) -> None:
    assert current_and_head(database)[0] is None
    upgrade(database)
    upgrade(database)
    current, head = current_and_head(database)
    assert current == head is not None
