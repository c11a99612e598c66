"""`GET /v1/reports/ctr`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.accounts.auth import Principal, requires
from api.accounts.scopes import Scope
from api.errors import Unprocessable
from api.ports import PortsDep
from api.reports.dimensions import parse_grouping
from api.reports.export import to_csv, to_json, to_parquet
from api.reports.queries import Traffic
from api.reports.schemas import CtrReport, Format
from api.reports.service import MAX_ROWS, CtrRequest, ReportService

router = APIRouter(prefix="/v1/reports", tags=["reports"])
Reader = Annotated[Principal, Depends(requires(Scope.reports_read))]
_PARAMETERS = {"from", "to", "tz", "group_by", "filter", "traffic", "format", "limit"}
_FORMATS = {"json": to_json, "csv": to_csv, "parquet": to_parquet}
_FILES: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}, "application/vnd.apache.parquet": {}}}}


@router.get("/ctr", response_model=CtrReport, responses=_FILES)
async def ctr(
    request: Request,
    caller: Reader,
    ports: PortsDep,
    start: Annotated[str | None, Query(alias="from", description="A date or an RFC 3339 time; inclusive.")] = None,
    end: Annotated[str | None, Query(alias="to", description="Exclusive.")] = None,
    tz: Annotated[str, Query(description="An IANA zone: where days and hours begin.")] = "UTC",
    group_by: Annotated[list[str], Query(description="product, site, day, …; comma separated or repeated.")] = [],  # noqa: B006
    filters: Annotated[list[str], Query(alias="filter", description="field:value, repeated.")] = [],  # noqa: B006
    traffic: Traffic = "net",
    format: Format = "json",  # noqa: A002 - the contract's name
    limit: Annotated[int, Query(ge=1, le=MAX_ROWS)] = 10_000,
) -> Response:
    """Impressions, viewable impressions, clicks, rates and spend of the caller's own traffic."""
    _refuse_unknown(request)
    asked = CtrRequest(start, end, tz, group_by, filters, traffic, limit)
    report = await run_in_threadpool(ReportService(ports, caller).ctr, asked)
    fields = parse_grouping(group_by).fields
    content, kind = await run_in_threadpool(_FORMATS[format], report, fields)
    headers = {"Cache-Control": "no-store"}
    if format != "json":
        name = f"ctr-{report.start:%Y%m%d}-{report.end:%Y%m%d}.{format}"
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return Response(content, media_type=kind, headers=headers)


def _refuse_unknown(request: Request) -> None:
    """A misspelt filter would otherwise be a wrong number that looks right."""
    for name in request.query_params:
        if name not in _PARAMETERS:
            known = ", ".join(sorted(_PARAMETERS))
            raise Unprocessable(f"Unknown parameter {name[:40]!r}; known are {known}.", pointer=f"?{name[:40]}")
