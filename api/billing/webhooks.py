"""Events of the payment provider: stored once as they come, given effect by a worker that asks the provider how things
stand now, because events repeat and come in any order."""

import json
import re
from datetime import datetime, timedelta

from sqlmodel import Session

from api.billing.invoicing import period_of, settle
from api.billing.ledger_repository import LedgerAcrossTenants
from api.billing.models import Direction, Invoice, InvoiceState, PushState, WebhookEvent
from api.billing.payments import PaymentProvider, ProviderInvoice, ProviderUnavailable
from api.billing.push_repository import PushesAcrossTenants
from api.billing.repository import InvoicesAcrossTenants, WebhookEventsAcrossTenants
from api.kit.clock import Clock
from api.kit.db import Database
from api.kit.names import storable

ERROR_REPORTS = {"v1.billing.meter.error_report_triggered", "v1.billing.meter.no_meter_found"}
INVOICE_ID = re.compile(r"in_\w{1,252}", re.ASCII)
EVENTS_A_ROUND = 100
MAX_ERROR = 500


class WebhookInbox:
    """Takes events in and works them off."""

    def __init__(self, database: Database, clock: Clock, payments: PaymentProvider) -> None:
        self._database = database
        self._clock = clock
        self._payments = payments

    def receive(self, body: bytes, signature: str | None) -> bool:
        """Store a genuine event; False for one that is already here. Raises WebhookForged, WebhooksNotConfigured."""
        event = self._payments.verified(body, signature)
        row = WebhookEvent(id=event.id, type=event.type, payload=body.decode(), received_at=self._clock.now())
        with self._database.write() as session:
            return WebhookEventsAcrossTenants(session).store(row)

    def work_off(self) -> int:
        """Give every waiting event its effect. Returns how many had one or needed none."""
        with self._database.read() as session:
            waiting = [event.id for event in WebhookEventsAcrossTenants(session).waiting(EVENTS_A_ROUND)]
        return sum(self._work_off_one(event_id) for event_id in waiting)

    def _work_off_one(self, event_id: str) -> bool:
        with self._database.read() as session:
            event = WebhookEventsAcrossTenants(session).event(event_id)
        if event is None or event.processed_at:
            return False
        trouble: str | None = None
        invoice: ProviderInvoice | None = None
        refused: list[str] = []
        try:
            if event.type.startswith("invoice."):
                invoice = self._present(event.payload)
            elif event.type in ERROR_REPORTS:
                refused = self._payments.refused_identifiers(event.id)
        except ProviderUnavailable as error:
            trouble = str(error)
        with self._database.write() as session:
            return self._apply(session, event_id, invoice, refused, trouble)

    def _present(self, payload: str) -> ProviderInvoice | None:
        """The invoice that a snapshot event is about, as it is now; None for an event of another shape."""
        event = json.loads(payload)
        try:
            invoice_id = str(event["data"]["object"]["id"])
        except (KeyError, TypeError):
            return None
        return self._payments.invoice(invoice_id) if INVOICE_ID.fullmatch(invoice_id) else None

    def _apply(
        self,
        session: Session,
        event_id: str,
        invoice: ProviderInvoice | None,
        refused: list[str],
        trouble: str | None,
    ) -> bool:
        now = self._clock.now()
        LedgerAcrossTenants(session).closing(lock=True)  # an invoice must not be opened and booked into at once
        event = WebhookEventsAcrossTenants(session).event(event_id)
        if event is None or event.processed_at:
            return False
        event.attempts += 1
        event.error = storable(trouble)[:MAX_ERROR] if trouble else None
        if trouble:
            return False
        if invoice:
            _take_over(session, invoice, now)
        for push in PushesAcrossTenants(session).by_identifiers(refused):
            push.state, push.error, push.settled_at = PushState.failed, f"thrown out by the provider: {event_id}", now
        event.processed_at = now
        return True


def _take_over(session: Session, theirs: ProviderInvoice, now: datetime) -> None:
    ours = _matching(session, theirs)
    if ours is not None:
        ours.provider_invoice_id = theirs.id
        settle(session, ours, InvoiceState(theirs.state), now)


def _matching(session: Session, theirs: ProviderInvoice) -> Invoice | None:
    invoices = InvoicesAcrossTenants(session)
    known = invoices.by_provider_id(theirs.id)
    tenant_id = invoices.tenant_of_customer(theirs.customer_id)
    if known is not None or tenant_id is None:
        return known
    period = period_of(theirs.period_end - timedelta(seconds=1))
    candidate = invoices.one(tenant_id, period, theirs.currency, Direction.charge)
    # a second invoice of the provider for the same month (a correction) is not the one that ours stands for
    return candidate if candidate and candidate.provider_invoice_id is None else None
