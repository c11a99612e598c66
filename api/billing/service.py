"""The rules of money as others ask for them: usage, invoices, closing hours, telling the provider, quotas."""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from sqlmodel import Session

from api.accounts.service import AccountService
from api.billing import reconciliation
from api.billing.closing import Closed, LedgerCloser, hour_of
from api.billing.invoicing import bounds_of, period_of
from api.billing.ledger_repository import LedgerAcrossTenants
from api.billing.limits import ALERT_PERCENTS, Allowance
from api.billing.models import EntryKind, Invoice, PushState, QuotaAlert
from api.billing.prices import Terms, terms_of
from api.billing.pushing import MeterPusher
from api.billing.repository import BillingRepository, QuotasAcrossTenants
from api.billing.schemas import GroupBy, QuotaRead, UsageAmount, UsageRead, UsageRow, UsageTotals
from api.billing.sources import EventStoreCounts
from api.billing.webhooks import WebhookInbox
from api.errors import NotFound, Unavailable
from api.kit.paging import Cursor

if TYPE_CHECKING:
    from api.ports import Ports

log = logging.getLogger(__name__)


class BillingService:
    """What one tenant may see of its money."""

    def __init__(self, ports: "Ports", session: Session, tenant_id: str) -> None:
        self._ports = ports
        self._session = session
        self._tenant_id = tenant_id
        self._rows = BillingRepository(session, tenant_id)

    def usage(self, since: datetime, until: datetime, group_by: frozenset[GroupBy]) -> UsageRead:
        """Metered calls of the hours that [since, until) touches: closed ones from the ledger, open ones as counted."""
        closed_until = LedgerAcrossTenants(self._session).closing(lock=False).closed_until
        terms = terms_of(self._rows.terms())
        booked = list(self._rows.usage(since, until))
        open_from = max(since, closed_until or since)
        for kind, hour, quantity in _open_usage(self._ports, self._tenant_id, open_from, until):
            booked.append((kind, hour, terms.currency, quantity, quantity * terms.prices[kind]))
        amounts: Counter[str] = Counter()
        for _, _, currency, _, amount in booked:
            amounts[currency] += amount
        return UsageRead(
            since=since,
            until=until,
            closed_until=closed_until,
            rows=_grouped(booked, group_by),
            totals=UsageTotals(
                quantity=sum(quantity for _, _, _, quantity, _ in booked),
                amounts=[UsageAmount(currency=of, amount_micros=amount) for of, amount in sorted(amounts.items())],
            ),
            quota=self.quota(terms),
        )

    def quota(self, terms: Terms) -> QuotaRead:
        """How the month's quota stands."""
        period = period_of(self._ports.clock.now())
        used = max(allowance(self._ports, self._tenant_id).used, self._ports.limits.used(self._tenant_id))
        state = "ok"
        if terms.quota_hard is not None and used >= terms.quota_hard:
            state = "hard_exceeded"
        elif terms.quota_soft is not None and used >= terms.quota_soft:
            state = "soft_exceeded"
        return QuotaRead.model_validate(
            {
                "plan": terms.plan,
                "period": period,
                "used": used,
                "soft": terms.quota_soft,
                "hard": terms.quota_hard,
                "state": state,
                "alerted_percents": [alert.percent for alert in self._rows.alerts(period)],
            }
        )

    def invoices(self, cursor: Cursor) -> Sequence[Invoice]:
        """Newest first, one more than the page holds."""
        return self._rows.invoices(cursor.after, cursor.limit)

    def invoice(self, invoice_id: str) -> Invoice:
        """One invoice. Raises NotFound, for another tenant's too."""
        invoice = self._rows.invoice(invoice_id)
        if invoice is None:
            raise NotFound("There is no such invoice.")
        return invoice


def close_hours(ports: "Ports", since: datetime | None = None) -> Closed:
    """Book what is missing of closed hours; from `since` on when something older is known to have changed."""
    return _closer(ports).close(since)


def push_meter_events(ports: "Ports") -> Counter[PushState]:
    """Tell the payment provider what is booked and not told yet."""
    return MeterPusher(ports.database, ports.clock, ports.payments).push()


def work_off_webhooks(ports: "Ports") -> int:
    """Give stored events of the provider their effect."""
    return WebhookInbox(ports.database, ports.clock, ports.payments).work_off()


def reconcile(ports: "Ports", start: datetime, end: datetime) -> reconciliation.Reconciliation:
    """Compare ledger, reports, invoices and meter events."""
    return reconciliation.reconcile(ports.database, EventStoreCounts(ports), hour_of(start), hour_of(end))


def hours_due(ports: "Ports") -> bool:
    """Whether an hour waits to be closed."""
    return _closer(ports).due()


def _closer(ports: "Ports") -> LedgerCloser:
    counts = EventStoreCounts(ports)
    return LedgerCloser(ports.database, ports.clock, counts, ports.settings.billing, counts.counted_until)


def allowance(ports: "Ports", tenant_id: str) -> Allowance:
    """A tenant's terms and the units it has used this month, out of the ledger and, for open hours, the event store.

    While the event store is away, the ledger alone is counted: paid calls must not stop because reports do.
    """
    now = ports.clock.now()
    start, end = bounds_of(period_of(now))
    with ports.database.read() as session:
        closed_until = LedgerAcrossTenants(session).closing(lock=False).closed_until
        terms = terms_of(BillingRepository(session, tenant_id).terms())
        used = QuotasAcrossTenants(session).used(start, end, tenant_id).get(tenant_id, 0)
    open_from = max(start, closed_until or start)
    try:
        used += sum(quantity for _, _, quantity in _open_usage(ports, tenant_id, open_from, end))
    except Unavailable:
        log.warning("the quota of %s is counted without its open hours", tenant_id)
    return Allowance(terms, period_of(now), used)


def check_quotas(ports: "Ports") -> int:
    """Tell of quotas that are half, four fifths or wholly used: an alert and an audit entry each, once a month."""
    now = ports.clock.now()
    period = period_of(now)
    start, end = bounds_of(period)
    with ports.database.read() as session:
        closed_until = LedgerAcrossTenants(session).closing(lock=False).closed_until
        used = Counter(QuotasAcrossTenants(session).used(start, end))
    for row in EventStoreCounts(ports).usage(max(start, closed_until or start), end):
        used[row.tenant_id] += row.quantity
    alerts = 0
    with ports.database.write() as session:
        quotas = QuotasAcrossTenants(session)
        told = quotas.told(period)
        own = LedgerAcrossTenants(session).all_terms(used)
        for tenant_id, units in used.items():
            quota = terms_of(own.get(tenant_id)).quota
            for percent in ALERT_PERCENTS:
                if not quota or units * 100 < percent * quota or (tenant_id, percent) in told:
                    continue
                alert = QuotaAlert(tenant_id=tenant_id, period=period, percent=percent, used=units, quota=quota, at=now)
                if quotas.add(alert):
                    AccountService(session, tenant_id, "billing", now).record(f"quota.used_{percent}", period)
                    alerts += 1
    return alerts


def _open_usage(
    ports: "Ports", tenant_id: str, start: datetime, end: datetime
) -> list[tuple[EntryKind, datetime, int]]:
    if start >= end:
        return []
    rows = EventStoreCounts(ports).usage(start, end, tenant_id)
    return [(row.kind, row.hour, row.quantity) for row in rows]


def _grouped(
    booked: Sequence[tuple[EntryKind, datetime, str, int, int]], group_by: frozenset[GroupBy]
) -> list[UsageRow]:
    sums: dict[tuple[EntryKind | None, date | None, str], list[int]] = defaultdict(lambda: [0, 0])
    for kind, hour, currency, quantity, amount in booked:
        group = sums[kind if "kind" in group_by else None, hour.date() if "day" in group_by else None, currency]
        group[0] += quantity
        group[1] += amount
    rows = [
        UsageRow(kind=kind, day=day, currency=currency, quantity=quantity, amount_micros=amount)
        for (kind, day, currency), (quantity, amount) in sums.items()
    ]
    return sorted(rows, key=lambda row: (row.day or date.min, row.kind or "", row.currency))
