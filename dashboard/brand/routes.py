"""A brand's pages: the CTR report, catalogs with their imports and products, campaigns, invoices."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from api.accounts.scopes import TenantKind
from api.ads.models import Campaign, CampaignState
from api.ads.schemas import CampaignCreate, CampaignUpdate
from api.ads.service import AdsService
from api.billing.service import BillingService
from api.catalog.imports import ImportService
from api.catalog.schemas import CatalogCreate, CatalogUpdate, ImportErrorRead, ImportMode
from api.catalog.service import CatalogService, ProductService
from api.catalog.upload import keep_feed
from api.errors import ApiError
from api.kit.db import ReadSession, WriteSession
from api.kit.paging import Cursor, CursorParams, page_of
from api.ports import Ports, PortsDep
from dashboard.problems import in_words
from dashboard.rendering import MICROS, render
from dashboard.reporting import AskedFor, exported, shown, today_in
from dashboard.security import CheckedForm, CsrfChecked, Viewer, the_file, viewer_of

router = APIRouter(prefix="/brand", include_in_schema=False)
Brand = Annotated[Viewer, viewer_of(TenantKind.brand)]
Text = Annotated[str, Form(max_length=300)]
PRODUCTS, SHORT = 48, 50


def _catalogs(session: Any, ports: Ports, who: Viewer) -> CatalogService:
    return CatalogService(session, who.tenant_id, who.principal.actor, ports.clock.now())


def _imports(session: Any, ports: Ports, who: Viewer) -> ImportService:
    return ImportService(session, who.tenant_id, who.principal.actor, ports.clock.now())


def _ads(session: Any, ports: Ports, who: Viewer) -> AdsService:
    return AdsService(session, who.tenant_id, who.principal.actor, ports.clock.now())


def _told_once(errors: Sequence[ImportErrorRead]) -> list[tuple[str | None, str, list[int]]]:
    """(field, reason, lines): a column that a feed lacks is one line of text, not one a row."""
    told: dict[tuple[str | None, str], list[int]] = {}
    for error in errors:
        lines = told.setdefault((error.field, error.reason), [])
        if error.line:
            lines.append(error.line)
    return [(field, reason, lines) for (field, reason), lines in told.items()]


@router.get("")
def report(request: Request, ports: PortsDep, who: Brand, asked: AskedFor) -> Response:
    """CTR by product, over time."""
    found = shown(ports, who, asked, "product", today_in(ports, asked.zone))
    return render(request, "brand/report.html", viewer=who, page="report", report=found)


@router.get("/report.csv")
def report_csv(ports: PortsDep, who: Brand, asked: AskedFor) -> Response:
    """The report by product and day, for spreadsheets."""
    data = exported(ports, who, asked, "product", today_in(ports, asked.zone))
    headers = {"Content-Disposition": 'attachment; filename="ctr-by-product.csv"', "Cache-Control": "no-store"}
    return Response(data, media_type="text/csv", headers=headers)


@router.get("/catalogs")
def catalogs(request: Request, session: ReadSession, ports: PortsDep, who: Brand) -> Response:
    """All catalogs, and a form for a new one."""
    service = _catalogs(session, ports, who)
    rows = [(row, service.index_states(row.id)) for row in service.page(Cursor(None, SHORT))[:SHORT]]
    return render(request, "brand/catalogs.html", viewer=who, page="catalogs", catalogs=rows)


@router.post("/catalogs", dependencies=[CsrfChecked])
def create_catalog(
    session: WriteSession,
    ports: PortsDep,
    who: Brand,
    name: Text = "",
    listed: Annotated[bool, Form()] = False,
) -> Response:
    """A new, empty catalog."""
    made = _catalogs(session, ports, who).create(CatalogCreate(name=name.strip()[:200] or "Catalog", listed=listed))
    session.commit()
    ports.catalogs.forget()
    return RedirectResponse(f"/brand/catalogs/{made.id}", status_code=303)


@router.get("/catalogs/{catalog_id}")
def catalog(
    request: Request, session: ReadSession, ports: PortsDep, who: Brand, catalog_id: str, cursor: CursorParams,
    q: str | None = None,
) -> Response:  # fmt: skip
    """Its products with their pictures, and its imports."""
    found = _catalogs(session, ports, who).get(catalog_id)
    rows = ProductService(session, who.tenant_id, ports).page(
        catalog_id, None, q or None, Cursor(cursor.after, PRODUCTS)
    )
    products = page_of(rows, PRODUCTS, lambda row: row.id)
    imports = _imports(session, ports, who).page(catalog_id, Cursor(None, 5))[:5]
    states = _catalogs(session, ports, who).index_states(catalog_id)
    return render(
        request, "brand/catalog.html", viewer=who, page="catalogs", catalog=found, products=products,
        imports=imports, states=states, q=q or "",
    )  # fmt: skip


@router.post("/catalogs/{catalog_id}/listing", dependencies=[CsrfChecked])
def list_catalog(
    session: WriteSession, ports: PortsDep, who: Brand, catalog_id: str, listed: Annotated[bool, Form()]
) -> Response:
    """Show its products on publishers' pages, or take them off within 5 s; the same button undoes it."""
    _catalogs(session, ports, who).update(catalog_id, CatalogUpdate(listed=listed))
    session.commit()
    ports.catalogs.forget()
    return RedirectResponse(f"/brand/catalogs/{catalog_id}", status_code=303)


@router.post("/catalogs/{catalog_id}/imports")
async def upload(ports: PortsDep, who: Brand, catalog_id: str, form: CheckedForm) -> Response:
    """Take a feed in and show how it goes."""
    file = the_file(form, "file")
    mode = ImportMode.merge if form.get("mode") == "merge" else ImportMode.full

    def store() -> str:
        with ports.database.read() as session:
            _imports(session, ports, who).check(catalog_id)
        key = keep_feed(ports, file.file)
        with ports.database.write() as session:
            return _imports(session, ports, who).create(catalog_id, mode=mode, feed_key=key).id

    import_id = await run_in_threadpool(store)
    await run_in_threadpool(ports.queue.send, "catalog.run_import", import_id=import_id)
    return RedirectResponse(f"/brand/imports/{import_id}", status_code=303)


@router.get("/imports/{import_id}")
def import_page(request: Request, session: ReadSession, ports: PortsDep, who: Brand, import_id: str) -> Response:
    """How far an import is; the card renews itself until it is done."""
    job = _imports(session, ports, who).get(import_id)
    template = "brand/import_card.html" if request.headers.get("hx-request") else "brand/import.html"
    return render(request, template, viewer=who, page="catalogs", job=job, wrong=_told_once(job.errors))


@router.get("/campaigns")
def campaigns(request: Request, session: ReadSession, ports: PortsDep, who: Brand) -> Response:
    """All campaigns, and a form for a new one."""
    return _campaigns_page(request, session, ports, who)


@router.post("/campaigns", dependencies=[CsrfChecked])
def create_campaign(
    request: Request, session: WriteSession, ports: PortsDep, who: Brand,
    bid: Annotated[float, Form(ge=0.01, le=1000, allow_inf_nan=False)],
    daily_budget: Annotated[float, Form(ge=1, le=10**9, allow_inf_nan=False)],
    name: Text = "", currency: Text = "",
) -> Response:  # fmt: skip
    """A new campaign that pays by the click."""
    try:
        data = CampaignCreate(
            name=name.strip(),
            bid_micros=round(bid * MICROS),
            daily_budget_micros=round(daily_budget * MICROS),
            currency=currency.strip().upper(),
        )
        _ads(session, ports, who).create_campaign(data)
        session.commit()
    except (ApiError, ValidationError) as error:
        session.rollback()
        problem = in_words(error) if isinstance(error, ValidationError) else error.detail
        form = {"name": name, "bid": bid, "daily_budget": daily_budget, "currency": currency}
        return _campaigns_page(request, session, ports, who, 422, problem=problem, form=form)
    return RedirectResponse("/brand/campaigns", status_code=303)


@router.post("/campaigns/{campaign_id}/state", dependencies=[CsrfChecked])
def set_campaign_state(
    session: WriteSession, ports: PortsDep, who: Brand, campaign_id: str, state: Annotated[CampaignState, Form()]
) -> Response:
    """Pause, or go on; the same button undoes it."""
    _ads(session, ports, who).update_campaign(campaign_id, CampaignUpdate(state=state))
    return RedirectResponse("/brand/campaigns", status_code=303)


def _campaigns_page(
    request: Request, session: Any, ports: Ports, who: Viewer, status: int = 200, **more: Any
) -> Response:
    rows = _ads(session, ports, who).page(Campaign, Cursor(None, SHORT))[:SHORT]
    context = {"page": "campaigns", "campaigns": rows, "form": {}, **more}
    return render(request, "brand/campaigns.html", status, viewer=who, **context)


@router.get("/invoices")
def invoices(request: Request, session: ReadSession, ports: PortsDep, who: Brand) -> Response:
    """What was billed, line by line."""
    rows = BillingService(ports, session, who.tenant_id).invoices(Cursor(None, SHORT))[:SHORT]
    return render(request, "brand/invoices.html", viewer=who, page="invoices", invoices=rows)
