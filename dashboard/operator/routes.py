"""The operator's pages: tenants and their listing, and the health of the parts."""

import time
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.accounts.scopes import TenantKind
from api.accounts.service import AccountsDesk
from api.kit.db import ReadSession, WriteSession
from api.kit.paging import CursorParams, page_of
from api.ports import PortsDep
from dashboard.rendering import render
from dashboard.security import CsrfChecked, Viewer, viewer_of

router = APIRouter(prefix="/operator", include_in_schema=False)
Operator = Annotated[Viewer, viewer_of(TenantKind.operator)]


@router.get("")
def home(request: Request, session: ReadSession, ports: PortsDep, who: Operator, cursor: CursorParams) -> Response:
    """Everybody who is here, and who waits for an approval."""
    rows = AccountsDesk(session, ports.clock.now()).tenants(cursor)
    page = page_of(rows, cursor.limit, lambda row: row.id)
    return render(request, "operator/tenants.html", viewer=who, page="tenants", tenants=page)


@router.post("/tenants/{tenant_id}/listing", dependencies=[CsrfChecked])
def decide(
    tenant_id: str, session: WriteSession, ports: PortsDep, who: Operator, approved: Annotated[bool, Form()]
) -> Response:
    """Approve a brand's listing, or withdraw it; the same button undoes it."""
    AccountsDesk(session, ports.clock.now()).approve_listing(tenant_id, approved, who.principal.actor)
    return RedirectResponse("/operator", status_code=303)


@router.get("/health")
def health(request: Request, ports: PortsDep, who: Operator) -> Response:
    """What /readyz says, for people."""
    checks = []
    for name, check in ports.health_checks().items():
        started = time.perf_counter()
        try:
            check()
            problem = ""
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a part is what the page shows
            problem = type(error).__name__
        checks.append({"name": name, "problem": problem, "ms": round((time.perf_counter() - started) * 1000, 1)})
    return render(request, "operator/health.html", viewer=who, page="health", checks=checks)
