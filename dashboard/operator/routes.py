"""The operator's pages: tenants and their listing, and the health of the parts."""

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
def health(request: Request, who: Operator) -> Response:
    """What /readyz says, for people."""
    report = request.app.state.readiness.report()
    checks = [{"name": name, "problem": part.reason, "ms": round(part.ms, 1)} for name, part in report.parts.items()]
    return render(request, "operator/health.html", viewer=who, page="health", checks=checks)
