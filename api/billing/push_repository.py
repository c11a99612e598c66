"""Rows of meter events on their way to the payment provider, and of the house's own meter."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, or_
from sqlmodel import Session, col, select

from api.billing.models import MeterPush, MeterPushEntry, OwnMeterEvent, PushState
from api.billing.payments import MeterEvent
from api.kit.insert_repository import add_once


class PushesAcrossTenants:
    """Meter events on their way."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def freeze(self, push: MeterPush, entry_ids: Iterable[str]) -> None:
        """Fix a meter event and what it tells of."""
        self.session.add(push)
        self.session.flush()
        self.session.add_all([MeterPushEntry(entry_id=entry_id, push_id=push.id) for entry_id in entry_ids])
        self.session.flush()

    def starting_at(self, tenant_id: str, meter: str, window_start: datetime) -> int:
        """How many meter events of that meter begin in that hour."""
        query = select(func.count()).select_from(MeterPush)
        return self.session.exec(
            query.where(
                MeterPush.tenant_id == tenant_id, MeterPush.meter == meter, MeterPush.window_start == window_start
            )
        ).one()

    def due(self, now: datetime, limit: int) -> Sequence[MeterPush]:
        """The oldest open meter event of each customer and meter, unless it is being sent or must wait."""
        open_ = col(MeterPush.state).in_([PushState.pending, PushState.unknown])
        oldest = select(func.min(MeterPush.id)).where(open_).group_by(col(MeterPush.customer_id), col(MeterPush.meter))
        query = select(MeterPush).where(col(MeterPush.id).in_(oldest))
        query = query.where(or_(col(MeterPush.not_before).is_(None), col(MeterPush.not_before) <= now))
        return self.session.exec(query.order_by(col(MeterPush.id)).limit(limit)).all()

    def claim(self, push_id: str, now: datetime, until: datetime) -> MeterPush | None:
        """The push, leased to the caller alone; None when another was faster, or is at another one of the same customer
        and meter: the provider takes one call at a time of these."""
        named = self.session.get(MeterPush, push_id)
        if named is None:
            return None
        # in one order, so that all who claim of this customer and meter take turns at its oldest open row
        query = select(MeterPush).where(
            MeterPush.customer_id == named.customer_id,
            MeterPush.meter == named.meter,
            col(MeterPush.state).in_([PushState.pending, PushState.unknown]),
        )
        held = query.order_by(col(MeterPush.id)).with_for_update().execution_options(populate_existing=True)
        line = self.session.exec(held).all()
        in_flight = any(
            push.state is PushState.unknown and push.not_before is not None and push.not_before > now for push in line
        )
        mine = line[0] if line and line[0].id == push_id else None
        if mine is None or in_flight or (mine.not_before is not None and mine.not_before > now):
            return None
        mine.not_before = until
        self.session.flush()
        return mine

    def push(self, push_id: str) -> MeterPush | None:
        """A meter event by id."""
        return self.session.get(MeterPush, push_id)

    def by_identifiers(self, identifiers: Sequence[str]) -> Sequence[MeterPush]:
        """Meter events by what the provider calls them."""
        return self.session.exec(select(MeterPush).where(col(MeterPush.identifier).in_(identifiers))).all()

    def sent_value(self, customer_id: str, meter: str, start: datetime, end: datetime) -> int:
        """What we know the provider to have taken for windows that end in (start, end]."""
        query = select(func.coalesce(func.sum(MeterPush.value), 0)).where(
            MeterPush.customer_id == customer_id,
            MeterPush.meter == meter,
            MeterPush.state == PushState.sent,
            MeterPush.window_end > start,
            MeterPush.window_end <= end,
        )
        return int(self.session.exec(query).one())

    def in_state(self, state: PushState, limit: int) -> Sequence[MeterPush]:
        """Meter events in a state, newest first."""
        query = select(MeterPush).where(MeterPush.state == state)
        return self.session.exec(query.order_by(col(MeterPush.id).desc()).limit(limit)).all()

    def counts(self) -> dict[PushState, int]:
        """How many meter events are in each state."""
        query = select(MeterPush.state, func.count()).group_by(col(MeterPush.state))
        return {PushState(state): count for state, count in self.session.exec(query)}


class OwnMeterAcrossTenants:
    """The meter of an installation without a payment provider."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def count(self, event: MeterEvent) -> None:
        """Count an event, once an identifier."""
        row = OwnMeterEvent(
            identifier=event.identifier,
            customer_id=event.customer_id,
            meter=event.meter,
            at=event.at,
            value=event.value,
        )
        add_once(self.session, row)

    def total(self, meter: str, customer_id: str, start: datetime, end: datetime) -> int:
        """What was counted in [start, end)."""
        query = select(func.coalesce(func.sum(OwnMeterEvent.value), 0)).where(
            OwnMeterEvent.meter == meter,
            OwnMeterEvent.customer_id == customer_id,
            OwnMeterEvent.at >= start,
            OwnMeterEvent.at < end,
        )
        return int(self.session.exec(query).one())
