"""Rows that several processes may want to store at once: the first one does, the others learn that it is there."""

from typing import Any

from sqlalchemy import CursorResult
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel


def add_once(session: Session, row: SQLModel) -> bool:
    """Insert `row` unless a unique constraint of its table holds one like it already; whether it was inserted. Waits
    for a transaction that inserts the same, and sees its outcome. `row` itself does not become part of the session."""
    table = type(row)
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement: Any = dialect.insert(table).values(**row.model_dump()).on_conflict_do_nothing()
    result = session.connection().execute(statement, execution_options={"preserve_rowcount": True})
    assert isinstance(result, CursorResult)  # noqa: S101 - an INSERT gives one
    return result.rowcount == 1
