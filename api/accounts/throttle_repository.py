"""Rows of tries to sign in."""

from datetime import datetime
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, case, col, delete, select, update

from api.accounts.models import SignInTries

FORGET_AT_ONCE = 100


class SignInTriesAcrossTenants:
    """Tries by hashed name; whose account it is nobody knows yet."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def count(self, name: str, now: datetime, before: datetime) -> tuple[datetime, int]:
        """One more, anew where the first one is of `before` or older; since when they are counted and how many they
        are. One statement, so that none is lost."""
        dialect: Any = sqlite if self.session.get_bind().dialect.name == "sqlite" else postgresql
        fresh = dialect.insert(SignInTries).values(name=name, since=now, tries=1)
        old = col(SignInTries.since) <= before
        values = {
            "since": case((old, now), else_=SignInTries.since),
            "tries": case((old, 1), else_=SignInTries.tries + 1),
        }
        again = fresh.on_conflict_do_update(index_elements=["name"], set_=values)
        since, tries = self.session.execute(again.returning(SignInTries.since, SignInTries.tries)).one()
        return since, tries

    def forget(self, name: str) -> None:
        """Begin anew."""
        self.session.exec(delete(SignInTries).where(col(SignInTries.name) == name))

    def take_back(self, name: str) -> None:
        """One less."""
        mine = col(SignInTries.name) == name
        self.session.exec(update(SignInTries).where(mine).values(tries=SignInTries.tries - 1))

    def forget_older(self, before: datetime) -> None:
        """Drop what began before then, but for rows that somebody else is at."""
        old = select(SignInTries.name).where(col(SignInTries.since) <= before).limit(FORGET_AT_ONCE)
        names = self.session.exec(old.with_for_update(skip_locked=True)).all()
        self.session.exec(delete(SignInTries).where(col(SignInTries.name).in_(names)))
