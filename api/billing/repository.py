"""A tenant's own rows of money, and those that invoicing, webhooks and quota alerts keep across tenants."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import case, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from api.billing.models import (
    USAGE_KINDS,
    Direction,
    EntryKind,
    Invoice,
    InvoiceState,
    LedgerEntry,
    QuotaAlert,
    TenantBilling,
    WebhookEvent,
)
from api.kit.db import TenantRepository
from api.kit.insert_repository import add_once


class BillingRepository(TenantRepository):
    """One tenant's ledger, invoices and terms."""

    def terms(self) -> TenantBilling | None:
        """The tenant's own terms."""
        return self.session.get(TenantBilling, self.tenant_id)

    def usage(self, start: datetime, end: datetime) -> Sequence[tuple[EntryKind, datetime, str, int, int]]:
        """(kind, hour, currency, quantity, amount) of metered calls in [start, end), corrections added in."""
        keys = (col(LedgerEntry.kind), col(LedgerEntry.hour), col(LedgerEntry.currency))
        query = (
            select_columns(*keys, func.sum(LedgerEntry.quantity), func.sum(LedgerEntry.amount_micros))
            .where(col(LedgerEntry.tenant_id) == self.tenant_id, col(LedgerEntry.kind).in_(USAGE_KINDS))
            .where(col(LedgerEntry.hour) >= start, col(LedgerEntry.hour) < end)
            .group_by(*keys)
        )
        rows = self.session.connection().execute(query).all()
        return [(kind, hour, currency, int(quantity), int(amount)) for kind, hour, currency, quantity, amount in rows]

    def invoices(self, after: str | None, limit: int) -> Sequence[Invoice]:
        """Invoices, newest first."""
        query = select(Invoice).where(Invoice.tenant_id == self.tenant_id)
        if after:
            query = query.where(Invoice.id < after)
        return self.session.exec(query.order_by(col(Invoice.id).desc()).limit(limit + 1)).all()

    def invoice(self, invoice_id: str) -> Invoice | None:
        """One of the tenant's invoices."""
        return self.session.exec(
            select(Invoice).where(Invoice.id == invoice_id, Invoice.tenant_id == self.tenant_id)
        ).one_or_none()

    def alerts(self, period: str) -> Sequence[QuotaAlert]:
        """Quota alerts of a month, in order."""
        query = select(QuotaAlert).where(QuotaAlert.tenant_id == self.tenant_id, QuotaAlert.period == period)
        return self.session.exec(query.order_by(col(QuotaAlert.percent))).all()


class InvoicesAcrossTenants:
    """Invoices as they are drawn up and settled."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def from_period(self, period: str) -> dict[tuple[str, str, str, Direction], InvoiceState]:
        """The state of each (tenant, period, currency, direction) from `period` on."""
        rows = self.session.exec(select(Invoice).where(Invoice.period >= period))
        return {(row.tenant_id, row.period, row.currency, row.direction): row.state for row in rows}

    def drafts(self) -> Sequence[Invoice]:
        """Invoices that still follow the ledger."""
        return self.session.exec(select(Invoice).where(Invoice.state == InvoiceState.draft)).all()

    def of_period(self, period: str) -> Sequence[Invoice]:
        """All invoices of a month."""
        return self.session.exec(select(Invoice).where(Invoice.period == period)).all()

    def one(self, tenant_id: str, period: str, currency: str, direction: Direction) -> Invoice | None:
        """The one invoice of a month, currency and direction."""
        query = select(Invoice).where(Invoice.tenant_id == tenant_id, Invoice.period == period)
        return self.session.exec(
            query.where(Invoice.currency == currency, Invoice.direction == direction)
        ).one_or_none()

    def by_provider_id(self, provider_invoice_id: str) -> Invoice | None:
        """Our invoice of a provider's."""
        return self.session.exec(
            select(Invoice).where(Invoice.provider_invoice_id == provider_invoice_id)
        ).one_or_none()

    def tenant_of_customer(self, customer_id: str) -> str | None:
        """Whose customer that is."""
        query = select(TenantBilling.tenant_id).where(TenantBilling.customer_id == customer_id)
        return self.session.exec(query).one_or_none()

    def sums(self, period: str, start: datetime) -> dict[tuple[str, str, EntryKind, str, bool], tuple[int, int]]:
        """(quantity, amount) by (tenant, currency, kind, campaign, late); late: hours before `start`, the month's."""
        late = case((col(LedgerEntry.hour) < start, 1), else_=0)
        of = (LedgerEntry.tenant_id, LedgerEntry.currency, LedgerEntry.kind, LedgerEntry.campaign_id)
        keys = (*map(col, of), late)
        query = (
            select_columns(*keys, func.sum(LedgerEntry.quantity), func.sum(LedgerEntry.amount_micros))
            .where(col(LedgerEntry.period) == period)
            .group_by(*keys)
        )
        rows = self.session.connection().execute(query).all()
        return {(row[0], row[1], row[2], row[3], bool(row[4])): (int(row[5]), int(row[6])) for row in rows}

    def add(self, invoice: Invoice) -> None:
        """Store a new invoice."""
        self.session.add(invoice)
        self.session.flush()


class WebhookEventsAcrossTenants:
    """Events of the provider."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def store(self, event: WebhookEvent) -> bool:
        """Store a new event; False when it is already there."""
        return add_once(self.session, event)

    def waiting(self, limit: int) -> Sequence[WebhookEvent]:
        """Events without effect so far, those tried least first."""
        query = select(WebhookEvent).where(col(WebhookEvent.processed_at).is_(None))
        order = (col(WebhookEvent.attempts), col(WebhookEvent.received_at))
        return self.session.exec(query.order_by(*order).limit(limit)).all()

    def event(self, event_id: str) -> WebhookEvent | None:
        """An event by id."""
        return self.session.get(WebhookEvent, event_id)


class QuotasAcrossTenants:
    """Use of quotas and what was told of it."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def used(self, start: datetime, end: datetime, tenant_id: str | None = None) -> dict[str, int]:
        """Metered units by tenant in the hours of [start, end)."""
        query = (
            select(LedgerEntry.tenant_id, func.sum(LedgerEntry.quantity))
            .where(col(LedgerEntry.kind).in_(USAGE_KINDS), LedgerEntry.hour >= start, LedgerEntry.hour < end)
            .group_by(col(LedgerEntry.tenant_id))
        )
        if tenant_id:
            query = query.where(LedgerEntry.tenant_id == tenant_id)
        return {tenant: int(quantity) for tenant, quantity in self.session.exec(query)}

    def told(self, period: str) -> set[tuple[str, int]]:
        """(tenant, percent) of the month's alerts."""
        query = select(QuotaAlert.tenant_id, QuotaAlert.percent).where(QuotaAlert.period == period)
        return set(self.session.exec(query).all())

    def add(self, alert: QuotaAlert) -> bool:
        """Store a new alert; False when another process has told it meanwhile."""
        return add_once(self.session, alert)
