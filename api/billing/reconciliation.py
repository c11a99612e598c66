"""Comparing what must agree: ledger and reports hour by hour, invoices and ledger, meter events and ledger."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import Session

from api.billing.closing import CHUNK, Counts
from api.billing.entries import BillableRow, Booked, Source, UsageRow
from api.billing.invoicing import bounds_of, direction_of, period_of
from api.billing.ledger_repository import LedgerAcrossTenants
from api.billing.models import SPEND_KINDS, EntryKind, InvoiceState, PushState
from api.billing.prices import share_of
from api.billing.push_repository import PushesAcrossTenants
from api.billing.repository import InvoicesAcrossTenants
from api.kit.db import Database

MAX_DIFFERENCES = 1000


@dataclass(frozen=True)
class Difference:
    """Two figures that should be one. `what` is ledger_report, share, invoice or push."""

    what: str
    key: str
    expected: int
    found: int


@dataclass
class Reconciliation:
    """What was compared and what did not agree (the first 1,000)."""

    start: datetime
    end: datetime
    compared: int = 0
    differences: list[Difference] = field(default_factory=list)
    pushes: dict[str, int] = field(default_factory=dict)

    def compare(self, what: str, key: str, expected: int, found: int) -> None:
        """Note a pair of figures."""
        self.compared += 1
        if expected != found and len(self.differences) < MAX_DIFFERENCES:
            self.differences.append(Difference(what, key, expected, found))


def reconcile(database: Database, counts: Counts, start: datetime, end: datetime) -> Reconciliation:
    """Compare the closed hours in [start, end), and the invoices and meter events of their months."""
    with database.read() as session:
        closed_until = LedgerAcrossTenants(session).closing(lock=False).closed_until
    result = Reconciliation(start, max(start, min(end, closed_until or start)))
    at = result.start
    while at < result.end:
        until = min(at + CHUNK, result.end)
        with database.read() as session:
            booked = LedgerAcrossTenants(session).booked(at, until)
        _ledger_and_reports(result, booked, counts.billable(at, until), counts.usage(at, until))
        _spend_and_shares(result, booked)
        at = until
    with database.read() as session:
        for period in _periods(start, end):
            _invoices_and_ledger(result, session, period)
        _pushes_and_ledger(result, session)
    return result


def _ledger_and_reports(
    result: Reconciliation,
    booked: dict[Source, Booked],
    billable: Iterable[BillableRow],
    usage: Iterable[UsageRow],
) -> None:
    expected: Counter[tuple[str, str, datetime, str]] = Counter()
    for row in billable:
        expected[row.brand_id, "spend", row.hour, row.currency] += row.amount_micros
    for call in usage:
        expected[call.tenant_id, call.kind.value, call.hour, ""] += call.quantity
    found: Counter[tuple[str, str, datetime, str]] = Counter()
    for source, held in booked.items():
        if source.kind in SPEND_KINDS:
            found[source.tenant_id, "spend", source.hour, source.currency] += held.amount_micros
        elif source.kind is not EntryKind.publisher_share:
            found[source.tenant_id, source.kind.value, source.hour, ""] += held.quantity
    for key in expected.keys() | found.keys():
        tenant_id, kind, hour, currency = key
        result.compare("ledger_report", f"{tenant_id} {kind} {hour:%Y-%m-%dT%H}Z {currency}", expected[key], found[key])


def _spend_and_shares(result: Reconciliation, booked: dict[Source, Booked]) -> None:
    """Each publisher's credit follows from the debits it is a share of; what is left is the house's."""
    spend: Counter[tuple[str, str, datetime, str, str]] = Counter()
    for source, held in booked.items():
        if source.kind in SPEND_KINDS:
            key = (source.counterpart_id, source.campaign_id, source.hour, source.tenant_id, source.currency)
            spend[key] += held.amount_micros
    for source, held in booked.items():
        if source.kind is EntryKind.publisher_share:
            key = (source.tenant_id, source.campaign_id, source.hour, source.counterpart_id, source.currency)
            due = share_of(spend[key], held.share_ppm or 0)
            result.compare("share", " ".join(map(str, key)), due, held.amount_micros)


def _invoices_and_ledger(result: Reconciliation, session: Session, period: str) -> None:
    invoices = InvoicesAcrossTenants(session)
    owed: Counter[tuple[str, str, str]] = Counter()
    for (tenant_id, currency, kind, _, _), (_, amount) in invoices.sums(period, bounds_of(period)[0]).items():
        owed[tenant_id, currency, direction_of(kind).value] += amount
    asked = {
        (invoice.tenant_id, invoice.currency, invoice.direction.value): invoice.total_micros
        for invoice in invoices.of_period(period)
        if invoice.state is not InvoiceState.void
    }
    for key in owed.keys() | asked.keys():
        result.compare("invoice", f"{' '.join(key)} {period}", owed[key], asked.get(key, 0))


def _pushes_and_ledger(result: Reconciliation, session: Session) -> None:
    pushes = PushesAcrossTenants(session)
    result.pushes = {state.value: count for state, count in pushes.counts().items()}
    for push in pushes.in_state(PushState.failed, MAX_DIFFERENCES):
        result.compare("push", f"{push.identifier} {push.error}", push.value, 0)


def _periods(start: datetime, end: datetime) -> Iterator[str]:
    at = start
    while at < end:
        yield period_of(at)
        at = bounds_of(period_of(at))[1]
