"""The event store's queries behind reports: small frozen objects, none of which can be built without its scope."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from api.events.distinct import once
from api.events.rollup import BUCKET
from api.reports.dimensions import OFFER_LEVEL, Grouping
from api.reports.periods import QUARTER_S, Period, Run

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

    def sql(self, time_column: str, part: int = 0) -> tuple[str, Bound]:
        """Column names come from dimensions.DIMENSIONS, values are bound; `part` keeps several ranges' names apart."""
        bound: Bound = {f"start{part}": self.start, f"end{part}": self.end}
        parts = [
            f"{time_column} >= toDateTime({{start{part}:Int64}}, 'UTC')",
            f"{time_column} < toDateTime({{end{part}:Int64}}, 'UTC')",
        ]
        if self.scope.column is not None:
            parts.append(f"{self.scope.column} = {{tenant:String}}")
            bound["tenant"] = self.scope.tenant_id
        for number, (column, values) in enumerate(self.filters.items()):
            names = [f"f{number}_{i}" for i in range(len(values))]
            parts.append(f"{column} IN ({', '.join(f'{{{name}:String}}' for name in names)})")
            bound.update(zip(names, values, strict=True))
        return " AND ".join(parts), bound


def counted(where: Where) -> tuple[str, Bound]:
    """What reports add up: whole quarters of an hour out of the roll-up, and where the range begins or ends inside a
    quarter, that part out of the de-duplicated events themselves."""
    first, last = -(-where.start // QUARTER_S) * QUARTER_S, where.end // QUARTER_S * QUARTER_S
    if first >= last:
        ranges = [(_events, "at", where.start, where.end)]
    else:
        ranges = [
            (_rolled, "bucket", first, last),
            (_events, "at", where.start, first),
            (_events, "at", last, where.end),
        ]
    texts, bound = [], Bound()
    for part, (select, time_column, start, end) in enumerate(ranges):
        if start < end:
            condition, values = replace(where, start=start, end=end).sql(time_column, part)
            texts.append(select(condition))
            bound |= values
    return f"({' UNION ALL '.join(texts)})", bound


_KEYS = (
    "brand_id, site_id, product_id, media_id, media_kind, tag_id, campaign_id, creative_id, arm, currency, type, flag, "
    "publisher_id"
)
_MEDIA = (
    "gross_media",
    "gross_media_brand",
    "gross_media_product",
    "net_media",
    "net_media_brand",
    "net_media_product",
)


def _rolled(condition: str) -> str:
    return f"SELECT {_KEYS}, bucket, events, spend_micros, {', '.join(_MEDIA)} FROM rollup_15m FINAL WHERE {condition}"  # noqa: S608


def _events(condition: str) -> str:
    bits = [f"toUInt64(bitAnd(bitShiftRight(media_firsts, {bit}), 1)) AS {name}" for bit, name in enumerate(_MEDIA)]
    return (
        f"SELECT {_KEYS}, toDateTime({BUCKET}, 'UTC') AS bucket, toUInt64(1) AS events, spend_micros, "  # noqa: S608 - ours
        f"{', '.join(bits)} FROM {once('events', f'at, {_KEYS}, spend_micros, media_firsts', condition)}"
    )


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
        source, bound = counted(self.where)
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
FROM {source} {grouped} LIMIT {int(self.limit)}"""  # noqa: S608 - our names, bound values
        return text, bound

    def _boundary(self) -> str:
        """Integers worked out from the zone: the store needs no zones of its own. (`roundDown` would say it shorter;
        ClickHouse 18.16 does not have it.)"""
        *runs, last = self.period.runs(self.grouping.period)  # type: ignore[arg-type]  # asked for when it is set
        steps = [f"second < {run.end}, {_begin(run)}" for run in runs]
        text = f"multiIf({', '.join(steps)}, {_begin(last)})" if steps else _begin(last)
        return text.replace("second", "toInt64(toUInt32(bucket))")

    def _media_column(self) -> str:
        if OFFER_LEVEL & {*self.grouping.columns, *self.where.filters}:
            return f"{self.traffic}_media_product"
        by_brand = self.where.scope.column == "brand_id" or "brand_id" in {*self.grouping.columns, *self.where.filters}
        return f"{self.traffic}_media_brand" if by_brand else f"{self.traffic}_media"


def _begin(run: Run) -> str:
    return f"{run.start} + intDiv(second - {run.start}, {run.step}) * {run.step}"


@dataclass(frozen=True)
class FlaggedQuery:
    """Gross events that are not net, by reason and type."""

    where: Where

    def sql(self) -> tuple[str, Bound]:
        """The statement and its bound values."""
        source, bound = counted(self.where)
        return (
            f"SELECT flag, type, sum(events) AS number FROM {source} WHERE flag != '' "  # noqa: S608
            "GROUP BY flag, type ORDER BY flag, type"
        ), bound


@dataclass(frozen=True)
class SpendQuery:
    """Spend by currency."""

    where: Where

    def sql(self) -> tuple[str, Bound]:
        """The statement and its bound values."""
        source, bound = counted(self.where)
        return (
            f"SELECT currency, sum(spend_micros) AS spend FROM {source} "  # noqa: S608
            "GROUP BY currency HAVING spend > 0 ORDER BY currency"
        ), bound


@dataclass(frozen=True)
class ConflictQuery:
    """How many events came with a known id and another fingerprint."""

    where: Where

    def sql(self) -> tuple[str, Bound]:
        """The statement and its bound values."""
        condition, bound = self.where.sql("at")
        return f"SELECT count() AS conflicts FROM {once('event_conflicts', 'at', condition)}", bound  # noqa: S608


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
