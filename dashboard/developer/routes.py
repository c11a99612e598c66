"""A developer's pages: keys, usage, and a box to try the search with a picture."""

import base64
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from api.accounts.scopes import SCOPES_OF, Scope
from api.accounts.service import AccountService
from api.billing.service import BillingService
from api.errors import ApiError
from api.kit.db import ReadSession, WriteSession
from api.kit.paging import Cursor
from api.ports import PortsDep
from api.search.picture_search import search_picture
from api.search.schemas import SearchQuery
from api.vision.errors import PictureError
from dashboard.rendering import render
from dashboard.security import CheckedForm, CsrfChecked, Viewer, the_file, viewer

router = APIRouter(prefix="/developer", include_in_schema=False)
# every kind of tenant may call the API, so everybody who is signed in may see these pages
Person = Annotated[Viewer, Depends(viewer)]
MAX_KEYS = 50
MATCHES = 6
# a picture that browsers show as it is; larger ones are shown from the person's own disk by name only
MAX_SHOWN_BYTES = 4 * 1024**2
USAGE_DAYS = 30


def _keys_page(
    request: Request, session: ReadSession, ports: PortsDep, who: Viewer, status: int = 200, **more: Any
) -> Response:
    service = AccountService(session, who.tenant_id, who.principal.actor, ports.clock.now())
    tenant = service.tenant()
    return render(
        request,
        "developer/keys.html",
        status,
        viewer=who,
        page="keys",
        keys=service.keys(Cursor(None, MAX_KEYS)),
        scopes=sorted(SCOPES_OF[tenant.kind]),
        **more,
    )


@router.get("")
def home(request: Request, session: ReadSession, ports: PortsDep, who: Person) -> Response:
    """The keys come first: nothing works without one."""
    return _keys_page(request, session, ports, who)


@router.post("/keys", dependencies=[CsrfChecked])
def create_key(
    request: Request,
    session: WriteSession,
    ports: PortsDep,
    who: Person,
    name: Annotated[str, Form(max_length=100)] = "",
    scopes: Annotated[list[Scope], Form()] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Make a key and show its secret this once."""
    service = AccountService(session, who.tenant_id, who.principal.actor, ports.clock.now())
    if not scopes:
        # asked for nothing: the service would take that as everything
        return _keys_page(request, session, ports, who, 422, problem="Choose at least one scope.")
    try:
        key, secret = service.create_key(name.strip() or "unnamed", scopes, held=who.principal.scopes)
    except ApiError as error:
        return _keys_page(request, session, ports, who, 422, problem=error.detail)
    session.flush()
    return _keys_page(request, session, ports, who, made=key, secret=secret)


@router.post("/keys/{key_id}/revoke", dependencies=[CsrfChecked])
def revoke_key(session: WriteSession, ports: PortsDep, who: Person, key_id: str) -> Response:
    """End a key."""
    AccountService(session, who.tenant_id, who.principal.actor, ports.clock.now()).revoke_key(key_id)
    session.commit()
    ports.gatekeeper.forget()
    return RedirectResponse("/developer", status_code=303)


@router.get("/usage")
def usage(request: Request, session: ReadSession, ports: PortsDep, who: Person) -> Response:
    """What was metered, day by day."""
    now = ports.clock.now()
    until = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    billing = BillingService(ports, session, who.tenant_id)
    found = billing.usage(until - timedelta(days=USAGE_DAYS), until, frozenset({"kind", "day"}))
    chart = [{"day": str(row.day), "kind": str(row.kind), "quantity": row.quantity} for row in found.rows]
    return render(request, "developer/usage.html", viewer=who, page="usage", usage=found, chart=chart)


@router.get("/search")
def search_page(request: Request, who: Person) -> Response:
    """The box."""
    return render(request, "developer/search.html", viewer=who, page="search")


@router.post("/search")
async def search_now(
    request: Request,
    ports: PortsDep,
    who: Person,
    form: CheckedForm,
) -> Response:
    """What the API answers for a picture, drawn on it."""
    image = the_file(form, "image")
    limit = ports.settings.fetch.max_picture_bytes
    data = await image.read(limit + 1)
    if len(data) > limit:
        return render(request, "developer/found.html", 413, problem=f"At most {limit // 1024**2} MB, please.")
    options = SearchQuery(limit=MATCHES, detect=form.get("whole") != "true")
    try:
        answer = await ports.eyes.work.run(lambda: search_picture(ports, who.tenant_id, data, options))
    except PictureError as error:
        return render(request, "developer/found.html", 422, problem=f"This picture cannot be used: {error.reason}.")
    ports.meter.record(who.tenant_id, "search", query_id=answer.query_id)
    shown = await run_in_threadpool(_data_url, data, image.content_type or "")
    return render(request, "developer/found.html", answer=answer, shown=shown, floor=ports.eyes.similar_floor)


def _data_url(data: bytes, content_type: str) -> str:
    """The person's own picture, shown back to them without storing it."""
    usual = content_type in {"image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"}
    if not usual or len(data) > MAX_SHOWN_BYTES:
        return ""
    return f"data:{content_type};base64,{base64.b64encode(data).decode()}"
