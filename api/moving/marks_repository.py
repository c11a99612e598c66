"""Marks that moving leaves in a relational store. Their table is made with the first mark and is itself never moved."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, MetaData, String, Table, Text, delete, inspect, select
from sqlalchemy.engine import Connection

from api.kit.db import UtcDateTime

# a metadata of its own: these are notes about a store, no part of what is kept in it
MARKS = Table(
    "house_marks",
    MetaData(),
    Column("name", String(40), primary_key=True),
    Column("detail", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)


class Mark(StrEnum):
    """`detail` names the other house."""

    moved_away = "moved_away"
    arriving = "arriving"


class MarksAcrossTenants:
    """The marks of a whole store. Who calls commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> dict[Mark, str]:
        """Marks and their details."""
        if not inspect(self._connection).has_table(MARKS.name):
            return {}
        rows = self._connection.execute(select(MARKS.c.name, MARKS.c.detail))
        return {Mark(name): detail for name, detail in rows}

    def put(self, mark: Mark, detail: str, at: datetime) -> None:
        """Set, or replace, a mark."""
        MARKS.create(self._connection, checkfirst=True)
        self.remove(mark)
        self._connection.execute(MARKS.insert().values(name=mark.value, detail=detail, at=at))

    def remove(self, mark: Mark) -> None:
        """Take a mark away; nothing happens when it is not there."""
        if inspect(self._connection).has_table(MARKS.name):
            self._connection.execute(delete(MARKS).where(MARKS.c.name == mark.value))
