"""What reports are asked for and what they answer."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.kit.clock import UtcTime

Format = Literal["json", "csv", "parquet"]


class CtrRow(BaseModel):
    """One group: only the fields that were grouped by are set. `spend_micros` is null if currencies mix."""

    model_config = ConfigDict(extra="forbid")

    product_id: str | None = None
    site_id: str | None = None
    campaign_id: str | None = None
    creative_id: str | None = None
    arm: str | None = None
    media_id: str | None = None
    media_kind: str | None = None
    tag_id: str | None = None
    publisher_id: str | None = None
    brand_id: str | None = None
    day: str | None = None
    hour: str | None = None
    impressions: int
    media_impressions: int
    viewable: int
    clicks: int
    ctr: float | None = Field(description="clicks / impressions; null without impressions")
    vctr: float | None = Field(description="clicks / viewable; null without viewable impressions")
    spend_micros: int | None
    currency: str | None


class CtrTotals(BaseModel):
    """Over all rows, those beyond the limit included."""

    impressions: int
    media_impressions: int
    viewable: int
    clicks: int
    ctr: float | None
    vctr: float | None
    spend_micros: int | None
    currency: str | None
    spend: dict[str, int] = Field(description="Micros by currency.")
    flagged: dict[str, dict[str, int]] = Field(description="Events in gross and not in net: reason, type, count.")
    conflicts: int = Field(description="Events with a known id and another content; counted nowhere else.")


class CtrReport(BaseModel):
    """`GET /v1/reports/ctr`."""

    start: UtcTime = Field(serialization_alias="from")
    end: UtcTime = Field(serialization_alias="to")
    tz: str
    traffic: Literal["net", "gross"]
    rules_version: int
    rows: list[CtrRow]
    totals: CtrTotals
    truncated: bool = Field(description="There are more rows than the limit; narrow the report or export it.")
