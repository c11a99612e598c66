"""The ledger's rows as those see them who close hours: across tenants, and never edited."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from api.billing.entries import Booked, Source
from api.billing.models import (
    EntryKind,
    LedgerClosing,
    LedgerEntry,
    MeterPushEntry,
    TenantBilling,
)
from api.kit.insert_repository import add_once

SQL_IDS = 1000  # a statement takes 65,535 parameters on PostgreSQL, 32,766 on SQLite


class LedgerAcrossTenants:
    """The ledger as its closers see it."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def closing(self, *, lock: bool) -> LedgerClosing:
        """How far the ledger is closed; with `lock`, closers take turns until the transaction ends."""
        query = select(LedgerClosing).where(LedgerClosing.id == 1)
        if not lock:
            return self.session.exec(query).one_or_none() or LedgerClosing(id=1)
        add_once(self.session, LedgerClosing(id=1))
        return self.session.exec(query.with_for_update().execution_options(populate_existing=True)).one()

    def booked(self, start: datetime, end: datetime) -> dict[Source, Booked]:
        """What is booked for the hours in [start, end)."""
        query = select(LedgerEntry).where(LedgerEntry.hour >= start, LedgerEntry.hour < end)
        sums: dict[Source, Booked] = {}
        for row in self.session.exec(query.order_by(col(LedgerEntry.version))):
            source = source_of(row)
            held = sums.get(source)
            sums[source] = Booked(
                quantity=row.quantity + (held.quantity if held else 0),
                amount_micros=row.amount_micros + (held.amount_micros if held else 0),
                version=row.version,
                unit_price_micros=held.unit_price_micros if held else row.unit_price_micros,
                share_ppm=held.share_ppm if held else row.share_ppm,
            )
        return sums

    def all_terms(self, tenant_ids: Iterable[str]) -> dict[str, TenantBilling]:
        """The terms of those tenants that have their own."""
        found: dict[str, TenantBilling] = {}
        wanted = list(tenant_ids)
        for start in range(0, len(wanted), SQL_IDS):
            some = wanted[start : start + SQL_IDS]
            query = select(TenantBilling).where(col(TenantBilling.tenant_id).in_(some))
            found |= {row.tenant_id: row for row in self.session.exec(query)}
        return found

    def add(self, entries: Iterable[LedgerEntry]) -> None:
        """Book new entries; a source booked meanwhile raises IntegrityError."""
        self.session.add_all(list(entries))
        self.session.flush()

    def tenants_unpushed(self, kinds: Sequence[EntryKind]) -> Sequence[str]:
        """Tenants with entries of which no meter event tells yet."""
        query = select(LedgerEntry.tenant_id).distinct()
        query = query.join(MeterPushEntry, col(MeterPushEntry.entry_id) == LedgerEntry.id, isouter=True)
        query = query.where(col(MeterPushEntry.entry_id).is_(None), col(LedgerEntry.kind).in_(kinds))
        return self.session.exec(query.order_by(col(LedgerEntry.tenant_id))).all()

    def unpushed(self, tenant_id: str, kinds: Sequence[EntryKind], limit: int) -> Sequence[LedgerEntry]:
        """A tenant's entries of which no meter event tells yet, oldest hour first."""
        query = select(LedgerEntry).join(MeterPushEntry, col(MeterPushEntry.entry_id) == LedgerEntry.id, isouter=True)
        query = query.where(col(MeterPushEntry.entry_id).is_(None), col(LedgerEntry.kind).in_(kinds))
        query = query.where(LedgerEntry.tenant_id == tenant_id)
        return self.session.exec(query.order_by(col(LedgerEntry.hour), col(LedgerEntry.id)).limit(limit)).all()


def source_of(row: LedgerEntry) -> Source:
    """What `row` is an entry of."""
    return Source(row.tenant_id, row.kind, row.hour, row.campaign_id, row.counterpart_id, row.currency)
