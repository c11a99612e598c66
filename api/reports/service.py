"""Click-through reports of one tenant, and what billing closes its hours from. Counts come from the roll-up alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from api.accounts.auth import Principal
from api.accounts.scopes import TenantKind
from api.errors import Unavailable, Unprocessable
from api.events.progress import waiting_since_ms
from api.events.reasons import RULES_VERSION
from api.events.store import EventStore, Rows, StoreUnavailable
from api.events.tokens import BILLABLE_MS
from api.reports.dimensions import Grouping, parse_filters, parse_grouping
from api.reports.periods import Period, parse_period
from api.reports.queries import (
    BillableAcrossTenants,
    ConflictQuery,
    CtrQuery,
    FlaggedQuery,
    Scope,
    SpendQuery,
    Traffic,
    Where,
)
from api.reports.schemas import CtrReport, CtrRow, CtrTotals

if TYPE_CHECKING:
    from api.ports import Ports

MAX_ROWS = 100_000
# an event's time is at most 30 minutes (billable age) + 5 minutes (clock tolerance) before its receipt, and between
# its receipt and its place in the log lies less than a minute
SETTLES_AFTER = timedelta(milliseconds=BILLABLE_MS) + timedelta(minutes=5 + 1)


@dataclass(frozen=True)
class CtrRequest:
    """A report that has been asked for, as text. Parsed by the service, so that every front has the same rules."""

    start: str | None = None
    end: str | None = None
    zone: str = "UTC"
    group_by: Sequence[str] = ()
    filters: Sequence[str] = ()
    traffic: Traffic = "net"
    limit: int = 10_000


class ReportService:
    """What one principal may see: a publisher its sites, a brand its products, the operator everything."""

    def __init__(self, ports: "Ports", principal: Principal) -> None:
        self._store = ports.event_store
        self._clock = ports.clock
        self._scope = scope_of(principal)

    def ctr(self, asked: CtrRequest) -> CtrReport:
        """Blocks for the store: call it from a thread. ApiError names the parameter that is wrong."""
        period = parse_period(asked.start, asked.end, asked.zone, self._clock.now())
        grouping = parse_grouping(asked.group_by)
        where = Where(self._scope, period.start, period.end, parse_filters(asked.filters))
        _check_size(period, grouping)
        limit = min(asked.limit, MAX_ROWS)
        rows = self._rows(CtrQuery(where, period, grouping, asked.traffic, limit + 1)) if grouping.fields else []
        totals = self._rows(CtrQuery(where, period, Grouping(()), asked.traffic, 1))[0]
        return CtrReport(
            start=datetime.fromtimestamp(period.start, UTC),
            end=datetime.fromtimestamp(period.end, UTC),
            tz=asked.zone,
            traffic=asked.traffic,
            rules_version=RULES_VERSION,
            rows=[_row(row, grouping, period) for row in rows[:limit]],
            totals=self._totals(totals, where),
            truncated=len(rows) > limit,
        )

    def _totals(self, counts: dict[str, Any], where: Where) -> CtrTotals:
        flagged: dict[str, dict[str, int]] = {}
        for row in self._rows(FlaggedQuery(where)):
            flagged.setdefault(row["flag"], {})[row["type"]] = row["number"]
        return CtrTotals(
            **_measures(counts),
            spend={row["currency"]: row["spend"] for row in self._rows(SpendQuery(where))},
            flagged=flagged,
            conflicts=self._rows(ConflictQuery(where))[0]["conflicts"],
        )

    def _rows(self, query: CtrQuery | FlaggedQuery | SpendQuery | ConflictQuery) -> Rows:
        return select(self._store, *query.sql())


@dataclass(frozen=True)
class BillableRow:
    """Net billable events of one hour (UTC). `campaign_id` is None for none."""

    brand_id: str
    publisher_id: str
    campaign_id: str | None
    price_kind: str
    currency: str
    hour: datetime
    count: int
    amount_micros: int


def billable(ports: "Ports", hour_from: datetime, hour_to: datetime) -> list[BillableRow]:
    """Across tenants: what is owed for [hour_from, hour_to). Final for hours that end before `settled_until`."""
    query = BillableAcrossTenants(int(hour_from.timestamp()), int(hour_to.timestamp()))
    return [
        BillableRow(
            row["brand_id"],
            row["publisher_id"],
            row["campaign_id"] or None,
            row["price_kind"],
            row["currency"],
            datetime.fromtimestamp(row["hour"], UTC),
            row["paid_events"],
            row["spend"],
        )
        for row in select(ports.event_store, *query.sql())
    ]


def settled_until(ports: "Ports") -> datetime:
    """No billable event of before this time can come any more: they are in the store or were never billable.

    What a process that cannot reach the log still keeps in its spool comes later; billing books that as a correction.
    """
    now, since_ms = ports.clock.now(), waiting_since_ms(ports.event_log)
    since = now if since_ms is None else datetime.fromtimestamp(since_ms / 1000, UTC)
    return since - SETTLES_AFTER


def scope_of(principal: Principal) -> Scope:
    """Publishers by where, everybody else by what; a tenant that has neither simply sees nothing."""
    if principal.kind == TenantKind.operator:
        return Scope.everybody()
    return Scope("publisher_id" if principal.kind == TenantKind.publisher else "brand_id", principal.tenant_id)


def select(store: EventStore, sql: str, bound: dict[str, str | int]) -> Rows:
    """The rows; 503 when the store is away."""
    try:
        return store.select(sql, bound)
    except StoreUnavailable as error:
        raise Unavailable("Reports cannot be computed now.") from error


def _check_size(period: Period, grouping: Grouping) -> None:
    days = (period.end - period.start) / 86400
    longest = {"hour": 93, "day": 1830}.get(grouping.period or "", 36600)
    if days > longest:
        raise Unprocessable(f"By {grouping.period}, a report covers at most {longest} days.", pointer="?from")


def _row(row: dict[str, Any], grouping: Grouping, period: Period) -> CtrRow:
    fields = {column: row[column] or None for column in grouping.columns}
    if grouping.period:
        fields[grouping.period] = period.label(row["period_start"], grouping.period)  # type: ignore[arg-type]
    return CtrRow(**{**_measures(row), **fields})


def _measures(row: dict[str, Any]) -> dict[str, Any]:
    mixed = row["lowest_currency"] != row["highest_currency"]
    return {
        "impressions": row["impressions"],
        "media_impressions": row["media_impressions"],
        "viewable": row["viewables"],
        "clicks": row["clicks"],
        "ctr": _rate(row["clicks"], row["impressions"]),
        "vctr": _rate(row["clicks"], row["viewables"]),
        "spend_micros": None if mixed else row["spend"],
        "currency": None if mixed else row["lowest_currency"] or None,
    }


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
