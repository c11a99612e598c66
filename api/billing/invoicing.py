"""Invoices out of the ledger: one a month, currency and direction. A draft follows its entries; once the month and the
time for late events are over it is opened and stands still, and what is booked later goes to the next month's."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmodel import Session

from api.billing.models import Direction, EntryKind, Invoice, InvoiceState, LedgerEntry
from api.billing.repository import InvoicesAcrossTenants
from api.kit.ids import new_id

InvoiceKey = tuple[str, str, str, Direction]


def period_of(at: datetime) -> str:
    """The calendar month, UTC: `2026-11`."""
    return at.astimezone(UTC).strftime("%Y-%m")


def bounds_of(period: str) -> tuple[datetime, datetime]:
    """First instant of a month and of the next one."""
    start = datetime.strptime(period, "%Y-%m").replace(tzinfo=UTC)
    return start, (start + timedelta(days=32)).replace(day=1)


def direction_of(kind: EntryKind) -> Direction:
    """Who pays an entry."""
    return Direction.payout if kind is EntryKind.publisher_share else Direction.charge


def assign_periods(session: Session, entries: Iterable[LedgerEntry], now: datetime) -> None:
    """Give each new entry the month of its hour, or the first later one whose invoice still moves, and see to it that
    the drafts exist: in the transaction that books the entries."""
    entries = list(entries)
    if not entries:
        return
    invoices = InvoicesAcrossTenants(session)
    states = invoices.from_period(min(period_of(entry.hour) for entry in entries))
    for entry in entries:
        direction = direction_of(entry.kind)
        key = (entry.tenant_id, period_of(entry.hour), entry.currency, direction)
        while states.get(key, InvoiceState.draft) != InvoiceState.draft:
            key = (entry.tenant_id, period_of(bounds_of(key[1])[1]), entry.currency, direction)
        entry.period = key[1]
        if key not in states:
            states[key] = InvoiceState.draft
            invoices.add(_draft(key, now))


def refresh_drafts(session: Session, now: datetime, settle_after: timedelta) -> int:
    """Draw every draft anew from its entries; open those whose time for late events is over. Returns how many."""
    invoices = InvoicesAcrossTenants(session)
    drafts = invoices.drafts()
    lines: dict[InvoiceKey, list[dict[str, Any]]] = defaultdict(list)
    for period in {draft.period for draft in drafts}:
        for key, line in _lines(session, period):
            lines[key].append(line)
    opened = 0
    for draft in drafts:
        _draw(draft, lines[draft.tenant_id, draft.period, draft.currency, draft.direction], now)
        if bounds_of(draft.period)[1] + settle_after <= now:
            # nothing to pay is paid: no one has to act on it
            draft.state = InvoiceState.open if draft.total_micros else InvoiceState.paid
            opened += 1
    return opened


def settle(session: Session, invoice: Invoice, state: InvoiceState, now: datetime) -> None:
    """What the provider says of its invoice; a draft is drawn once more before it stands still."""
    if invoice.state is InvoiceState.draft and state is not InvoiceState.draft:
        key = (invoice.tenant_id, invoice.period, invoice.currency, invoice.direction)
        _draw(invoice, [line for of, line in _lines(session, invoice.period) if of == key], now)
    if state is not InvoiceState.draft:  # ours may be open before the provider's is: it never goes back
        invoice.state = state
        invoice.updated_at = now


def _draft(key: InvoiceKey, now: datetime) -> Invoice:
    tenant_id, period, currency, direction = key
    return Invoice(
        id=new_id("inv"),
        tenant_id=tenant_id,
        period=period,
        direction=direction,
        currency=currency,
        lines=[],
        total_micros=0,
        created_at=now,
        updated_at=now,
    )


def _draw(invoice: Invoice, lines: list[dict[str, Any]], now: datetime) -> None:
    ordered = sorted(lines, key=lambda line: (line["late"], line["kind"], line["campaign_id"] or ""))
    if ordered != invoice.lines:
        invoice.lines = ordered
        invoice.total_micros = sum(line["amount_micros"] for line in ordered)
        invoice.updated_at = now


def _lines(session: Session, period: str) -> Iterable[tuple[InvoiceKey, dict[str, Any]]]:
    sums = InvoicesAcrossTenants(session).sums(period, bounds_of(period)[0])
    for (tenant_id, currency, kind, campaign_id, late), (quantity, amount) in sums.items():
        line = {
            "kind": kind.value,
            "campaign_id": campaign_id or None,
            "late": late,
            "quantity": quantity,
            "amount_micros": amount,
        }
        yield (tenant_id, period, currency, direction_of(kind)), line
