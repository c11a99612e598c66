"""The rows behind `Idempotency-Key`."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, and_, col, delete, or_, select

from api.accounts.models import IdempotencyRecord
from api.kit.ids import new_id
from api.kit.insert_repository import add_once


@dataclass(frozen=True)
class Stored:
    """A remembered request; `status` is None while the first one is still being served."""

    fingerprint: str
    status: int | None
    body: str


class IdempotencyAcrossTenants:
    """Keyed by a hash of the caller's credentials, before any tenant is known."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def find(self, caller: str, key: str) -> Stored | None:
        """The remembered request of this caller and key."""
        row = self._row(caller, key)
        return Stored(row.fingerprint, row.status, row.body or "") if row else None

    def claim(self, caller: str, key: str, fingerprint: str, now: datetime) -> bool:
        """Remember that the first request is under way; False when there was one before."""
        row = IdempotencyRecord(id=new_id("idm"), caller=caller, key=key, fingerprint=fingerprint, created_at=now)
        return add_once(self.session, row)

    def settle(self, caller: str, key: str, status: int | None, body: str) -> None:
        """Keep the answer; without a status forget the request, so that a retry runs."""
        row = self._row(caller, key)
        if row is None:
            return
        if status is None:
            self.session.delete(row)
        else:
            row.status, row.body = status, body

    def forget_before(self, before: datetime, unsettled_before: datetime) -> None:
        """Drop what is too old to be retried, and what nobody serves any more."""
        at, status = col(IdempotencyRecord.created_at), col(IdempotencyRecord.status)
        abandoned = and_(status.is_(None), at < unsettled_before)
        self.session.exec(delete(IdempotencyRecord).where(or_(at < before, abandoned)))

    def _row(self, caller: str, key: str) -> IdempotencyRecord | None:
        query = select(IdempotencyRecord).where(IdempotencyRecord.caller == caller, IdempotencyRecord.key == key)
        return self.session.exec(query).one_or_none()
