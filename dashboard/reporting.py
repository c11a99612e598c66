"""The CTR report as pages show it: the days and traffic asked for, chart rows, names beside ids, and the export."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Depends, Query

from api.catalog.schemas import ProductRead
from api.errors import Unprocessable
from api.ports import Ports
from api.reports.dimensions import parse_grouping
from api.reports.export import to_csv
from api.reports.schemas import CtrReport
from api.reports.service import MAX_ROWS, CtrRequest, ReportService
from dashboard.security import Viewer

MAX_TABLE_ROWS = 200
PRESETS = (1, 7, 30, 90)


@dataclass(frozen=True)
class Asked:
    """The range in whole days of the person's zone, today included, and the kind of traffic."""

    days: int
    traffic: Literal["net", "gross"]
    zone: str


def _asked(
    days: Annotated[int, Query(ge=1, le=366)] = 7,
    traffic: Literal["net", "gross"] = "net",
    tz: Annotated[str, Query(max_length=64)] = "UTC",
) -> Asked:
    return Asked(days, traffic, tz)


AskedFor = Annotated[Asked, Depends(_asked)]


@dataclass(frozen=True)
class Shown:
    """What the report card of a page needs."""

    asked: Asked
    by_time: CtrReport
    by_subject: CtrReport
    chart: list[dict[str, Any]]
    products: dict[str, ProductRead]
    presets: tuple[int, ...] = PRESETS


def shown(ports: Ports, who: Viewer, asked: Asked, subject: str, today: date) -> Shown:
    """The report by time for the chart and by `subject` for the table. Blocks for the event store."""
    start, end = today - timedelta(days=asked.days - 1), today + timedelta(days=1)
    reports = ReportService(ports, who.principal)
    step = "hour" if asked.days == 1 else "day"

    def report(group_by: str, limit: int) -> CtrReport:
        return reports.ctr(
            CtrRequest(
                start=start.isoformat(),
                end=end.isoformat(),
                zone=asked.zone,
                group_by=[group_by],
                traffic=asked.traffic,
                limit=limit,
            )
        )

    by_time, by_subject = report(step, 1000), report(subject, MAX_TABLE_ROWS)
    chart = [
        {"x": getattr(row, step), "impressions": row.impressions, "clicks": row.clicks, "ctr": row.ctr}
        for row in sorted(by_time.rows, key=lambda row: str(getattr(row, step)))
    ]
    ids = [row.product_id for row in by_subject.rows if row.product_id]
    return Shown(asked, by_time, by_subject, chart, dict(ports.catalogs.products_by_ids(ids)))


def exported(ports: Ports, who: Viewer, asked: Asked, subject: str, today: date) -> bytes:
    """The whole report by day and subject as CSV."""
    group_by = [subject, "day"]
    request = CtrRequest(
        start=(today - timedelta(days=asked.days - 1)).isoformat(),
        end=(today + timedelta(days=1)).isoformat(),
        zone=asked.zone,
        group_by=group_by,
        traffic=asked.traffic,
        limit=MAX_ROWS,
    )
    return to_csv(ReportService(ports, who.principal).ctr(request), parse_grouping(group_by).fields)[0]


def today_in(ports: Ports, zone: str) -> date:
    """The date it is there. Raises Unprocessable for what is no time zone."""
    try:
        return ports.clock.now().astimezone(ZoneInfo(zone)).date()
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Unprocessable(f"{zone!r} is not a time zone, such as Europe/Berlin.", pointer="?tz") from error
