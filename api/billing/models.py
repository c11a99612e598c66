"""Tables of money: what was booked (ledger), told to the payment provider (pushes), asked for (invoices), heard back.

Amounts are integer micros and always positive in their direction: debits of the tenant, but for `publisher_share`,
which is owed to it. Rows of the ledger are never edited: what changes after an hour was booked is a further entry.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from api.kit.db import UtcDateTime


class EntryKind(StrEnum):
    """What an entry is about."""

    detect = "detect"
    search = "search"
    similar = "similar"
    complements = "complements"
    video_minute = "video_minute"
    click_spend = "click_spend"
    viewable_spend = "viewable_spend"
    publisher_share = "publisher_share"


USAGE_KINDS = (
    EntryKind.detect,
    EntryKind.search,
    EntryKind.similar,
    EntryKind.complements,
    EntryKind.video_minute,
)
SPEND_KINDS = (EntryKind.click_spend, EntryKind.viewable_spend)


class PushState(StrEnum):
    """What is known of a meter event's way to the provider. `unknown` also means: a call may be under way."""

    pending = "pending"
    unknown = "unknown"
    sent = "sent"
    failed = "failed"


class InvoiceState(StrEnum):
    """Drafts still move with the ledger; the rest is settled between the provider and the tenant."""

    draft = "draft"
    open = "open"
    paid = "paid"
    void = "void"


class Direction(StrEnum):
    """Whom an invoice asks to pay: the tenant (charge) or the house (payout)."""

    charge = "charge"
    payout = "payout"


class LedgerEntry(SQLModel, table=True):
    """One closed hour of one thing of one tenant, or (version > 1) its correction by what came late.

    No foreign key to tenants: an entry must be bookable for whatever the event store has counted.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        # the source of an entry: two closers of one hour cannot both book it
        UniqueConstraint(
            "tenant_id", "kind", "hour", "campaign_id", "counterpart_id", "currency", "version", name="uq_ledger_source"
        ),
        Index("ix_ledger_tenant_period", "tenant_id", "period"),
    )

    id: str = Field(primary_key=True)
    tenant_id: str = Field(max_length=40)
    kind: EntryKind
    hour: datetime = Field(sa_type=UtcDateTime, index=True)
    campaign_id: str = Field(default="", max_length=40)  # empty, not null: nulls are distinct in a unique constraint
    counterpart_id: str = Field(default="", max_length=40)
    currency: str = Field(max_length=3)
    version: int
    quantity: int = Field(sa_type=BigInteger)
    unit_price_micros: int | None = Field(default=None, sa_type=BigInteger)
    share_ppm: int | None = None
    amount_micros: int = Field(sa_type=BigInteger)
    period: str = Field(max_length=7)  # the invoice month: the hour's own, or a later one once that was invoiced
    created_at: datetime = Field(sa_type=UtcDateTime)


class LedgerClosing(SQLModel, table=True):
    """One row: how far the ledger is closed. Locked by whoever books; `generation` tells a closer that another booked
    since it read the counts."""

    __tablename__ = "ledger_closing"

    id: int = Field(primary_key=True)
    closed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    generation: int = 0


class MeterPush(SQLModel, table=True):
    """One meter event, frozen before it is first sent: window, value and identifier never change."""

    __tablename__ = "meter_pushes"

    id: str = Field(primary_key=True)
    tenant_id: str = Field(max_length=40, index=True)
    customer_id: str = Field(max_length=255)
    meter: str = Field(max_length=100)
    window_start: datetime = Field(sa_type=UtcDateTime)
    window_end: datetime = Field(sa_type=UtcDateTime)
    value: int = Field(sa_type=BigInteger)
    identifier: str = Field(max_length=100, unique=True)
    state: PushState = Field(default=PushState.pending, index=True)
    attempts: int = 0
    unknown_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)  # a lease in a call, a pause after trouble
    error: str | None = Field(default=None, max_length=500)
    created_at: datetime = Field(sa_type=UtcDateTime)
    settled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class MeterPushEntry(SQLModel, table=True):
    """Which entries a push told of: each at most once."""

    __tablename__ = "meter_push_entries"

    entry_id: str = Field(primary_key=True, foreign_key="ledger_entries.id")
    push_id: str = Field(foreign_key="meter_pushes.id", index=True)


class OwnMeterEvent(SQLModel, table=True):
    """What a payment provider would hold, where there is none: the house's own meter (LedgerOnlyPayments)."""

    __tablename__ = "own_meter_events"

    identifier: str = Field(primary_key=True, max_length=100)
    customer_id: str = Field(max_length=255, index=True)
    meter: str = Field(max_length=100)
    at: datetime = Field(sa_type=UtcDateTime)
    value: int = Field(sa_type=BigInteger)


class Invoice(SQLModel, table=True):
    """One month of one tenant in one currency: the sum of the entries of that period."""

    __tablename__ = "invoices"
    __table_args__ = (UniqueConstraint("tenant_id", "period", "currency", "direction"),)

    id: str = Field(primary_key=True)
    tenant_id: str = Field(max_length=40, index=True)
    period: str = Field(max_length=7)
    direction: Direction
    currency: str = Field(max_length=3)
    state: InvoiceState = InvoiceState.draft
    lines: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    total_micros: int = Field(sa_type=BigInteger)
    provider_invoice_id: str | None = Field(default=None, max_length=255, unique=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class WebhookEvent(SQLModel, table=True):
    """An event of the provider, once. `processed_at` is set in the transaction of its effect."""

    __tablename__ = "webhook_events"

    id: str = Field(primary_key=True, max_length=255)
    type: str = Field(max_length=100)
    payload: str = Field(sa_type=Text)
    received_at: datetime = Field(sa_type=UtcDateTime)
    processed_at: datetime | None = Field(default=None, sa_type=UtcDateTime, index=True)
    attempts: int = 0
    error: str | None = Field(default=None, max_length=500)


class TenantBilling(SQLModel, table=True):
    """A tenant's terms; one without a row has the standard plan and no customer at the provider."""

    __tablename__ = "tenant_billing"

    tenant_id: str = Field(primary_key=True, foreign_key="tenants.id")
    customer_id: str | None = Field(default=None, max_length=255, unique=True)
    plan: str = Field(default="standard", max_length=40)
    prices: dict[str, int] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    quota_soft: int | None = Field(default=None, sa_type=BigInteger)
    quota_hard: int | None = Field(default=None, sa_type=BigInteger)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class QuotaAlert(SQLModel, table=True):
    """A tenant's month passed a part of its quota; told once."""

    __tablename__ = "quota_alerts"

    tenant_id: str = Field(primary_key=True, max_length=40)
    period: str = Field(primary_key=True, max_length=7)
    percent: int = Field(primary_key=True)
    used: int = Field(sa_type=BigInteger)
    quota: int = Field(sa_type=BigInteger)
    at: datetime = Field(sa_type=UtcDateTime)
