"""Meter events that were on their way when an archive was made."""

from datetime import datetime

from sqlalchemy import case, update
from sqlmodel import Session, col

from api.billing.models import MeterPush, PushState


class OpenPushesAcrossTenants:
    """All meter events of a store that are not settled."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def doubt(self, since: datetime) -> int:
        """Any of them may have been sent since then; returns how many there are."""
        since_when = case((col(MeterPush.unknown_since) < since, col(MeterPush.unknown_since)), else_=since)
        statement = update(MeterPush).where(col(MeterPush.state).in_([PushState.pending, PushState.unknown]))
        changes = {"state": PushState.unknown, "unknown_since": since_when, "not_before": None}
        return int(self._session.connection().execute(statement.values(changes)).rowcount)
