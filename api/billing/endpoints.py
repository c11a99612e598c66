"""What was metered and billed, and the door for the payment provider's events."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, get_args

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool

from api.accounts.auth import Principal, requires
from api.accounts.scopes import Scope
from api.billing.closing import HOUR, hour_of
from api.billing.invoicing import bounds_of, period_of
from api.billing.models import Invoice
from api.billing.schemas import GroupBy, InvoiceRead, UsageRead, WebhookTaken
from api.billing.service import BillingService
from api.billing.webhooks import WebhookInbox
from api.errors import TooLarge, Unprocessable
from api.kit.db import ReadSession
from api.kit.paging import CursorParams, Page, page_of
from api.ports import PortsDep

MAX_WEBHOOK_BYTES = 256 * 1024
MAX_RANGE = timedelta(days=400)

router = APIRouter(tags=["billing"])
Reader = Annotated[Principal, Depends(requires(Scope.usage_read))]
When = Annotated[str | None, Query(max_length=40, description="A date (its UTC midnight) or an RFC 3339 time.")]


@router.get("/v1/usage")
def usage(
    request: Request,
    caller: Reader,
    session: ReadSession,
    ports: PortsDep,
    since: Annotated[When, Query(alias="from")] = None,
    until: Annotated[When, Query(alias="to")] = None,
    group_by: Annotated[list[str] | None, Query(max_length=4, description="kind, day")] = None,
) -> UsageRead:
    """Metered calls in the hours that [from, to) touches; this month so far by default."""
    if unknown := request.query_params.keys() - {"from", "to", "group_by"}:
        name = min(unknown)[:40]
        raise Unprocessable(f"Unknown parameter {name!r}; known are from, to and group_by.", pointer=f"?{name}")
    now = ports.clock.now()
    start = hour_of(_time(since, "?from") or bounds_of(period_of(now))[0])
    asked = _time(until, "?to")
    end = hour_of(asked + HOUR - timedelta(microseconds=1)) if asked else hour_of(now) + HOUR
    if end < start:
        raise Unprocessable("'to' lies before 'from'.", pointer="?to")
    if end - start > MAX_RANGE:
        raise Unprocessable(f"At most {MAX_RANGE.days} days at a time.", pointer="?from")
    return BillingService(ports, session, caller.tenant_id).usage(start, end, _groups(group_by or ["kind,day"]))


@router.get("/v1/invoices")
def list_invoices(caller: Reader, session: ReadSession, ports: PortsDep, cursor: CursorParams) -> Page[InvoiceRead]:
    """Invoices, newest first; the draft of this month still follows the ledger."""
    invoices = BillingService(ports, session, caller.tenant_id).invoices(cursor)
    return page_of([_read(invoice) for invoice in invoices], cursor.limit, lambda invoice: invoice.id)


@router.get("/v1/invoices/{invoice_id}")
def get_invoice(invoice_id: str, caller: Reader, session: ReadSession, ports: PortsDep) -> InvoiceRead:
    """One invoice with its lines."""
    return _read(BillingService(ports, session, caller.tenant_id).invoice(invoice_id))


@router.post("/webhooks/stripe")
async def stripe_webhook(request: Request, ports: PortsDep) -> WebhookTaken:
    """Store an event of Stripe, once; a worker gives it its effect."""
    body = await _bounded_body(request)
    inbox = WebhookInbox(ports.database, ports.clock, ports.payments)
    new = await run_in_threadpool(inbox.receive, body, request.headers.get("stripe-signature"))
    if new:
        await run_in_threadpool(ports.queue.send, "billing.work_off_webhooks")
    return WebhookTaken(duplicate=not new)


async def _bounded_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_WEBHOOK_BYTES:
            raise TooLarge(f"An event has at most {MAX_WEBHOOK_BYTES} bytes.", pointer="#")
    return bytes(body)


def _read(invoice: Invoice) -> InvoiceRead:
    return InvoiceRead.model_validate(invoice, from_attributes=True)


def _groups(given: list[str]) -> frozenset[GroupBy]:
    """`kind,day` or the parameter repeated."""
    names = [name.strip() for part in given for name in part.split(",") if name.strip()]
    known: dict[str, GroupBy] = {name: name for name in get_args(GroupBy)}
    if unknown := [name for name in names if name not in known]:
        raise Unprocessable(f"Cannot group by {unknown[0][:40]!r}; only by kind and day.", pointer="?group_by")
    return frozenset(known[name] for name in names)


def _time(text: str | None, pointer: str) -> datetime | None:
    if text is None:
        return None
    try:
        if len(text) == len("2026-11-01"):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError("no zone")
        at = at.astimezone(UTC)
        _ = at + MAX_RANGE, at - MAX_RANGE  # the ends of the calendar are no dates to reckon with
    except (ValueError, OverflowError):
        message = "Give a date such as 2026-11-01 or a time with zone such as 2026-11-01T08:00:00Z."
        raise Unprocessable(message, pointer=pointer) from None
    return at
