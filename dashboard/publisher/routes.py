"""A publisher's pages: the report by site, the pictures with their tags, sites with their snippet, the share earned."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from api.accounts.scopes import TenantKind
from api.billing.service import BillingService
from api.kit.db import ReadSession, WriteSession
from api.kit.paging import Cursor, CursorParams, page_of
from api.media.models import TagState
from api.media.schemas import MediaRead, MediaStatus, MediaUpdate, TagUpdate
from api.media.service import MediaService
from api.ports import Ports, PortsDep
from api.sites.schemas import SiteCreate, SiteRead, SiteUpdate
from api.sites.service import SiteService
from dashboard.problems import in_words
from dashboard.rendering import render
from dashboard.reporting import AskedFor, exported, shown, today_in
from dashboard.security import CsrfChecked, Viewer, viewer_of

router = APIRouter(prefix="/publisher", include_in_schema=False)
Publisher = Annotated[Viewer, viewer_of(TenantKind.publisher)]
Text = Annotated[str, Form(max_length=3000)]
MEDIA, SHORT = 12, 50


def _sites(session: Any, ports: Ports, who: Viewer) -> SiteService:
    return SiteService(session, who.tenant_id, who.principal.actor, ports.clock.now())


def _media(session: Any, ports: Ports, who: Viewer) -> MediaService:
    return MediaService(session, who.tenant_id, who.principal.actor, ports.clock.now(), ports.shelf)


@router.get("")
def report(request: Request, session: ReadSession, ports: PortsDep, who: Publisher, asked: AskedFor) -> Response:
    """CTR by site, over time."""
    found = shown(ports, who, asked, "site", today_in(ports, asked.zone))
    names = {site.id: site.name for site in _sites(session, ports, who).page(Cursor(None, 200))}
    return render(request, "publisher/report.html", viewer=who, page="report", report=found, names=names)


@router.get("/report.csv")
def report_csv(ports: PortsDep, who: Publisher, asked: AskedFor) -> Response:
    """The report by site and day, for spreadsheets."""
    data = exported(ports, who, asked, "site", today_in(ports, asked.zone))
    headers = {"Content-Disposition": 'attachment; filename="ctr-by-site.csv"', "Cache-Control": "no-store"}
    return Response(data, media_type="text/csv", headers=headers)


@router.get("/media")
def media(
    request: Request, session: ReadSession, ports: PortsDep, who: Publisher, cursor: CursorParams,
    status: MediaStatus | None = None, objected: bool = False,
) -> Response:  # fmt: skip
    """Pictures and videos with the tags drawn on them."""
    rows = _media(session, ports, who).page(None, status, Cursor(cursor.after, MEDIA), objected=objected)
    page = page_of(rows, MEDIA, lambda row: row.id)
    return render(
        request,
        "publisher/media.html",
        foreign_media=True,
        viewer=who,
        page="media",
        media=page,
        names=_spoken_of(ports, page.items),
        status=status,
        statuses=list(MediaStatus),
        objected=objected,
    )


@router.post("/media/{media_id}/blocked", dependencies=[CsrfChecked])
def block(
    request: Request, session: WriteSession, ports: PortsDep, who: Publisher, media_id: str,
    blocked: Annotated[bool, Form()],
) -> Response:  # fmt: skip
    """Take a picture out of tagging, or back in."""
    row = _media(session, ports, who).update(media_id, MediaUpdate(blocked=blocked))
    return _card(request, ports, who, row)


@router.post("/tags/{tag_id}", dependencies=[CsrfChecked])
def decide(
    request: Request, session: WriteSession, ports: PortsDep, who: Publisher, tag_id: str,
    state: Annotated[TagState, Form()],
) -> Response:  # fmt: skip
    """Hide a tag, keep it whatever shoppers say (approve it), or show it again and let them speak; pages see it within
    5 s."""
    service = _media(session, ports, who)
    tag = service.update_tag(tag_id, TagUpdate(state=state))
    session.flush()
    return _card(request, ports, who, service.get(tag.media_id))


def _card(request: Request, ports: Ports, who: Viewer, item: MediaRead) -> Response:
    return render(request, "publisher/media_card.html", viewer=who, item=item, names=_spoken_of(ports, [item]))


def _spoken_of(ports: Ports, items: Sequence[MediaRead]) -> dict[str, str]:
    """The titles of products that shoppers have said something of, by id; what is no longer listed has none."""
    ids = [said.product_id for item in items for tag in item.tags for said in tag.votes]
    found = ports.shelf.within(ports.shelf.listed(), ids)
    return {product_id: shelved.product.title for product_id, shelved in found.items()}


@router.get("/sites")
def sites(request: Request, session: ReadSession, ports: PortsDep, who: Publisher) -> Response:
    """All sites with the snippet to embed, and a form for a new one."""
    return _sites_page(request, ports, who, _sites(session, ports, who).page(Cursor(None, SHORT))[:SHORT])


@router.post("/sites", dependencies=[CsrfChecked])
def create_site(
    request: Request, session: WriteSession, ports: PortsDep, who: Publisher,
    name: Text = "", origins: Text = "", media_hosts: Text = "",
) -> Response:  # fmt: skip
    """A new site; origins and hosts stand one a line."""
    form = {"name": name, "origins": origins, "media_hosts": media_hosts}
    try:
        data = SiteCreate(name=name.strip(), origins=origins.split(), media_hosts=media_hosts.split())
    except ValidationError as error:
        rows = _sites(session, ports, who).page(Cursor(None, SHORT))[:SHORT]
        return _sites_page(request, ports, who, rows, 422, form=form, problem=in_words(error))
    _sites(session, ports, who).create(data)
    session.commit()
    return RedirectResponse("/publisher/sites", status_code=303)


@router.post("/sites/{site_id}/votes", dependencies=[CsrfChecked])
def take_votes(
    session: WriteSession, ports: PortsDep, who: Publisher, site_id: str, votes: Annotated[bool, Form()]
) -> Response:
    """Let shoppers say "not this" on a site, or no longer; the server minds it at once, pages within minutes."""
    service = _sites(session, ports, who)
    controls = service.get(site_id).controls.model_copy(update={"votes": votes})
    service.update(site_id, SiteUpdate(controls=controls))
    session.commit()
    ports.sites.forget()
    return RedirectResponse("/publisher/sites", status_code=303)


def _sites_page(request: Request, ports: Ports, who: Viewer, rows: Any, status: int = 200, **more: Any) -> Response:
    found: list[SiteRead] = list(rows)
    base = ports.settings.base_url
    return render(request, "publisher/sites.html", status, viewer=who, page="sites", sites=found, base=base, **more)


@router.get("/earnings")
def earnings(request: Request, session: ReadSession, ports: PortsDep, who: Publisher) -> Response:
    """The share of what brands paid, month by month."""
    rows = BillingService(ports, session, who.tenant_id).invoices(Cursor(None, SHORT))[:SHORT]
    return render(request, "brand/invoices.html", viewer=who, page="earnings", invoices=rows)
