"""Tables of advertising: campaigns, their creatives, and experiments between creatives."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Column
from sqlmodel import Field, SQLModel

from api.kit.db import UtcDateTime


class BidKind(StrEnum):
    """Paid per click, or per thousand viewable impressions."""

    cpc = "cpc"
    cpm = "cpm"


class CampaignState(StrEnum):
    """Whether it takes part in auctions."""

    active = "active"
    paused = "paused"


class Campaign(SQLModel, table=True):
    """A brand's bid for tags of its products. Empty lists of catalogs and products: all of its listed catalogs."""

    __tablename__ = "campaigns"

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenants.id", index=True)
    name: str = Field(max_length=200)
    state: CampaignState = Field(default=CampaignState.active, index=True)
    bid_kind: BidKind
    bid_micros: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(max_length=3)
    daily_budget_micros: int = Field(sa_column=Column(BigInteger, nullable=False))
    total_budget_micros: int | None = Field(default=None, sa_column=Column(BigInteger))
    starts_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ends_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    targeting: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    catalog_ids: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    product_ids: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class Creative(SQLModel, table=True):
    """How a campaign's tags look and speak."""

    __tablename__ = "creatives"

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenants.id", index=True)
    campaign_id: str = Field(foreign_key="campaigns.id", index=True)
    name: str = Field(max_length=200)
    call_to_action: str = Field(max_length=40)
    badge: str | None = Field(default=None, max_length=24)
    style: str = Field(max_length=20)
    active: bool = True
    created_at: datetime = Field(sa_type=UtcDateTime)


class Experiment(SQLModel, table=True):
    """A split of a campaign's views among arms `[{name, weight, creative_id}]`; one runs at a time a campaign."""

    __tablename__ = "experiments"

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenants.id", index=True)
    campaign_id: str = Field(foreign_key="campaigns.id", index=True)
    name: str = Field(max_length=200)
    arms: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    running: bool = True
    created_at: datetime = Field(sa_type=UtcDateTime)
