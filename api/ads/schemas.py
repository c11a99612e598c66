"""What advertising takes and answers. Money is integer micros; budgets are per UTC day and in all."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from api.ads.models import BidKind, CampaignState
from api.catalog.money import CURRENCIES
from api.kit.clock import UtcTime
from api.kit.names import one_line

MAX_BID_MICROS = 10**9  # a thousand units of any currency a click: beyond it lies a slip of the zeros
MAX_BUDGET_MICROS = 10**15

Micros = Annotated[int, Field(strict=True, ge=1, le=MAX_BUDGET_MICROS)]
Bid = Annotated[int, Field(strict=True, ge=1, le=MAX_BID_MICROS)]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(one_line)]
Id = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(one_line)]
Style = Literal["plain", "accent", "dark"]
EARLIEST, LATEST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def _within_reach(at: datetime) -> datetime:
    """The ends of the calendar cannot be told in UTC; a campaign there is a slip anyway."""
    if not EARLIEST <= at <= LATEST:
        raise ValueError(f"use a time between {EARLIEST.year} and {LATEST.year}")
    return at


When = Annotated[AwareDatetime, AfterValidator(_within_reach)]


def _known_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("no currency of ISO 4217, such as EUR")
    return code


class Targeting(BaseModel):
    """Where a campaign takes part; an empty list excludes nothing. Categories match a segment of a product's path."""

    model_config = ConfigDict(extra="forbid")

    site_ids: list[Id] = Field(default=[], max_length=500)
    categories: list[Name] = Field(default=[], max_length=200)


class CampaignCreate(BaseModel):
    """A new campaign. It is charged what it bids (first price)."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    bid_kind: BidKind = BidKind.cpc
    bid_micros: Bid
    currency: Annotated[str, Field(max_length=3), AfterValidator(_known_currency)]
    daily_budget_micros: Micros
    total_budget_micros: Micros | None = None
    starts_at: When | None = None
    ends_at: When | None = None
    state: CampaignState = CampaignState.active
    targeting: Targeting = Targeting()
    catalog_ids: list[Id] = Field(default=[], max_length=100)
    product_ids: list[Id] = Field(default=[], max_length=10_000)


class CampaignUpdate(BaseModel):
    """What may change; absent fields stay, null takes a limit away. The currency stays: what was spent is in it."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    bid_kind: BidKind | None = None
    bid_micros: Bid | None = None
    daily_budget_micros: Micros | None = None
    total_budget_micros: Micros | None = None
    starts_at: When | None = None
    ends_at: When | None = None
    state: CampaignState | None = None
    targeting: Targeting | None = None
    catalog_ids: list[Id] | None = Field(default=None, max_length=100)
    product_ids: list[Id] | None = Field(default=None, max_length=10_000)


class CampaignRead(BaseModel):
    """A campaign."""

    id: str
    name: str
    state: CampaignState
    bid_kind: BidKind
    bid_micros: int
    currency: str
    daily_budget_micros: int
    total_budget_micros: int | None
    starts_at: UtcTime | None
    ends_at: UtcTime | None
    targeting: Targeting
    catalog_ids: list[str]
    product_ids: list[str]
    created_at: UtcTime
    updated_at: UtcTime


class CreativeCreate(BaseModel):
    """A new creative of a campaign. Texts are shown as text, never as markup."""

    model_config = ConfigDict(extra="forbid")

    campaign_id: Id
    name: Name
    call_to_action: Annotated[str, Field(min_length=1, max_length=40), AfterValidator(one_line)]
    badge: Annotated[str, Field(min_length=1, max_length=24), AfterValidator(one_line)] | None = None
    style: Style = "plain"


class CreativeRead(BaseModel):
    """A creative."""

    id: str
    campaign_id: str
    name: str
    call_to_action: str
    badge: str | None
    style: str
    active: bool
    created_at: UtcTime


class CreativeUpdate(BaseModel):
    """Retire a creative, or bring it back. Its texts stay what was measured."""

    model_config = ConfigDict(extra="forbid")

    active: bool


class Arm(BaseModel):
    """One side of an experiment; no creative means the plain look."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern="^[A-Za-z0-9_-]{1,32}$")
    weight: int = Field(strict=True, ge=1, le=1000)
    creative_id: Id | None = None


class ExperimentCreate(BaseModel):
    """A new experiment; it starts at once."""

    model_config = ConfigDict(extra="forbid")

    campaign_id: Id
    name: Name
    arms: list[Arm] = Field(min_length=2, max_length=10)

    @model_validator(mode="after")
    def _arms_are_told_apart(self) -> "ExperimentCreate":
        if len({arm.name for arm in self.arms}) != len(self.arms):
            raise ValueError("two arms have the same name")
        return self


class ExperimentUpdate(BaseModel):
    """Stop an experiment, or let it run again."""

    model_config = ConfigDict(extra="forbid")

    running: bool


class ExperimentRead(BaseModel):
    """An experiment."""

    id: str
    campaign_id: str
    name: str
    arms: list[Arm]
    running: bool
    created_at: UtcTime
