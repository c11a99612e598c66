"""The event store's queries behind reports: small frozen objects, none of which can be built without its scope."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from api.reports.dimensions import OFFER_LEVEL, Grouping
from api.reports.periods import Period

Traffic = Literal["net", "gross"]
Bound = dict[str, str | int]


@dataclass(frozen=True)
class Scope:
    """Whose rows: one publisher's, one brand's, or (the operator) everybody's. Has to be said."""

    column: Literal["publisher_id", "brand_id"] | None
    tenant_id: str

    @classmethod
    def everybody(cls) -> "Scope":
        """Across tenants: operator and billing alone."""
        return cls(None, "")


@dataclass(frozen=True)
class Where:
    """Scope, time and filters as a condition with bound values."""

    scope: Scope
    start: int
    end: int
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def sql(self, time_column: str) -> tuple[str, Bound]:
        """Column names come from dimensions.DIMENSIONS, values are bound."""
        bound: Bound = {"start": self.start, "end": self.end}
        parts = [
            f"{time_column} >= toDateTime({{start:Int64}}, 'UTC')",
            f"{time_column} < toDateTime({{end:Int64}}, 'UTC')",
        ]
        if self.scope.column is not None:
            parts.append(f"{self.scope.column} = {{tenant:String}}")
            bound["tenant"] = self.scope.tenant_id
        for number, (column, values) in enumerate(self.filters.items()):
            names = [f"f{number}_{i}" for i in range(len(values))]
            parts.append(f"{column} IN ({', '.join(f'{{{name}:String}}' for name in names)})")
            bound.update(zip(names, values, strict=True))
        return " AND ".join(parts), bound


@dataclass(frozen=True)
class CtrQuery:
    """Counts by group out of the roll-up. Without a grouping: one row, the totals."""

    where: Where
    period: Period
    grouping: Grouping
    traffic: Traffic
    limit: int

    def sql(self) -> tuple[str, Bound]:
        """The statement and its bound values."""
        condition, bound = self.where.sql("bucket")
        keys = [f"{self._boundary()} AS period_start"] if self.grouping.period else []
        keys += self.grouping.columns
        names = ["period_start"] * bool(self.grouping.period) + list(self.grouping.columns)
        grouped = f"GROUP BY {', '.join(names)} ORDER BY {', '.join(names)}" if names else ""
        net = "flag = ''" if self.traffic == "net" else "1"
        text = f"""
SELECT {"".join(f"{key}, " for key in keys)}
       sumIf(events, type = 'impression' AND {net}) AS impressions,
       sum({self._media_column()}) AS media_impressions,
       sumIf(events, type = 'viewable' AND {net}) AS viewables,
       sumIf(events, type = 'click' AND {net}) AS clicks,
       sum(spend_micros) AS spend,
       minIf(currency, spend_micros > 0) AS lowest_currency, maxIf(currency, spend_micros > 0) AS highest_currency
FROM rollup_15m FINAL WHERE {condition} {grouped} LIMIT {int(self.limit)}"""  # noqa: S608 - our names, bound values
        return text, bound

    def _boundary(self) -> str:
        """Integers worked out from the zone: the store needs no zones of its own."""
        boundaries = self.period.boundaries(self.grouping.period)  # type: ignore[arg-type]  # asked for when it is set
        return f"roundDown(toUInt32(bucket), [{', '.join(map(str, boundaries))}])"

    def _media_column(self) -> str:
        if OFFER_LEVEL & {*self.grouping.columns, *self.where.filters}:
            return f"{self.traffic}_media_product"
        by_brand = self.where.scope.column == "brand_id" or "brand_id" in {*self.grouping.columns, *self.where.filters}
        return f"{self.traffic}_media_brand" if by_brand else f"{self.traffic}_media"


@dataclass(frozen=True)
class FlaggedQuery:
    """Gross events that are not net, by reason and type."""

    where: Where

    def sql(self) -> tuple[str, Bound]:
        """The statement and its bound values."""
        condition, bound = self.where.sql("bucket")
        return (
            f"SELECT flag, type, sum(events) AS events FROM rollup_15m FINAL WHERE {condition} AND flag != '' "  # noqa: S608
            "GROUP BY flag, type ORDER BY flag, type"
        ), bound


@dataclass(frozen=True)
class SpendQuery:
    """Spend by currency."""

    where: Where

    def sql(self) -> tuple[str, Bound]:
        """The statement and its bound values."""
        condition, bound = self.where.sql("bucket")
        return (
            f"SELECT currency, sum(spend_micros) AS spend FROM rollup_15m FINAL WHERE {condition} "  # noqa: S608
            "GROUP BY currency HAVING spend > 0 ORDER BY currency"
        ), bound


@dataclass(frozen=True)
class ConflictQuery:
    """How many events came with a known id and another fingerprint."""

    where: Where

    def sql(self) -> tuple[str, Bound]:
        """The statement and its bound values."""
        condition, bound = self.where.sql("at")
        return f"SELECT count() AS conflicts FROM event_conflicts WHERE {condition}", bound  # noqa: S608


@dataclass(frozen=True)
class BillableAcrossTenants:
    """Net billable events by hour, what billing closes its hours from."""

    start: int
    end: int

    def sql(self) -> tuple[str, Bound]:
        """The statement and its bound values."""
        condition, bound = Where(Scope.everybody(), self.start, self.end).sql("bucket")
        return (
            "SELECT brand_id, publisher_id, campaign_id, price_kind, currency, "  # noqa: S608 - our names, bound values
            "intDiv(toUInt32(bucket), 3600) * 3600 AS hour, sum(billable) AS paid_events, sum(spend_micros) AS spend "
            f"FROM rollup_15m FINAL WHERE {condition} AND flag = '' AND billable > 0 "
            "GROUP BY brand_id, publisher_id, campaign_id, price_kind, currency, hour "
            "ORDER BY hour, brand_id, publisher_id, campaign_id, price_kind, currency"
        ), bound
