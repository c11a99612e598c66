"""Answers about money. Amounts are integer micros of the currency beside them."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from api.billing.models import Direction, EntryKind, InvoiceState
from api.kit.clock import UtcTime

GroupBy = Literal["kind", "day"]


class UsageRow(BaseModel):
    """Calls of one group; `kind` and `day` are there when grouped by."""

    kind: EntryKind | None = None
    day: date | None = None
    quantity: int
    amount_micros: int
    currency: str


class UsageAmount(BaseModel):
    """A sum in one currency."""

    currency: str
    amount_micros: int


class UsageTotals(BaseModel):
    """Over all rows."""

    quantity: int
    amounts: list[UsageAmount]


class QuotaRead(BaseModel):
    """The month's quota. Past `soft` everything still works; past `hard` calls get 429 quota_exceeded."""

    plan: str
    period: str
    used: int
    soft: int | None
    hard: int | None
    state: Literal["ok", "soft_exceeded", "hard_exceeded"]
    alerted_percents: list[int]


class UsageRead(BaseModel):
    """What was metered in the hours of [from, to). Hours from `closed_until` on may still grow."""

    since: UtcTime = Field(serialization_alias="from")
    until: UtcTime = Field(serialization_alias="to")
    closed_until: UtcTime | None
    rows: list[UsageRow]
    totals: UsageTotals
    quota: QuotaRead


class InvoiceLine(BaseModel):
    """One kind (and campaign) of an invoice; `late` ones correct months that were invoiced before."""

    kind: EntryKind
    campaign_id: str | None
    late: bool
    quantity: int
    amount_micros: int


class InvoiceRead(BaseModel):
    """One month in one currency: `charge` is owed by the tenant, `payout` to it."""

    id: str
    period: str
    direction: Direction
    currency: str
    state: InvoiceState
    lines: list[InvoiceLine]
    total_micros: int
    created_at: UtcTime
    updated_at: UtcTime


class WebhookTaken(BaseModel):
    """`duplicate` when the event was here before."""

    received: Literal[True] = True
    duplicate: bool
