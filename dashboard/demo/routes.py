"""The demo's publishers' pages and its brands' shop: plain pages as a publisher would write them, with one script."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse, HTMLResponse
from sqlalchemy.exc import SQLAlchemyError

from api.accounts.service import AccountsDesk
from api.errors import NotFound
from api.kit.paging import Cursor
from api.ports import Ports, PortsDep
from api.sites.schemas import SiteRead
from api.sites.service import SiteService
from dashboard.demo import content
from dashboard.rendering import render

router = APIRouter(prefix="/demo", include_in_schema=False)
Slug = Annotated[str, InPath(max_length=80, pattern=r"^[a-z0-9-]+$")]
DAY_S = 86_400


def demo_email(slug: str) -> str:
    """By which a member of the demo signs in."""
    return f"{slug}@demo.example"


def demo_page(ports: Ports) -> str:
    """The path of a publisher's front page in the demo; empty where no demo was seeded, or nobody can tell."""
    first = next(iter(content.publishers()))
    try:
        seeded = _seeded(ports, first) is not None
    except SQLAlchemyError:
        return ""  # the pages that ask for this hold without a database
    return f"{router.prefix}/{first}" if seeded else ""


def _site_key(ports: Ports, publisher: str) -> str:
    """The publishable key that seeding made for this publisher; empty before the seeding got there."""
    seeded = _seeded(ports, publisher)
    return seeded[0].key if seeded else ""


def _seeded(ports: Ports, publisher: str) -> Sequence[SiteRead] | None:
    """The publisher's sites; None without an account of the demo, which only seeding makes without limits."""
    now = ports.clock.now()
    with ports.database.read() as session:
        found = AccountsDesk(session, now).by_email(demo_email(publisher))
        if found is None or not found[1].unlimited:
            return None
        user, tenant = found
        return SiteService(session, tenant.id, user.id, now).page(Cursor(None, 1))


def _publisher(slug: str) -> content.Publisher:
    found = content.publishers().get(slug)
    if found is None:
        raise NotFound("No such publisher in the demo.")
    return found


@router.get("/media/{name:path}")
def media(name: str) -> FileResponse:
    """A picture or film of an article."""
    path = content.media_files().get(name)
    if path is None or not path.is_file():
        raise NotFound("No such picture in the demo.")
    return FileResponse(path, headers={"Cache-Control": f"public, max-age={DAY_S}"})


@router.get("/shop/{external_id}")
def shop(external_id: Annotated[str, InPath(max_length=80)], request: Request) -> HTMLResponse:
    """Where a click leads: the product in its brand's own shop."""
    product = content.shop_products().get(external_id)
    if product is None:
        raise NotFound("No such product in the demo's shops.")
    return render(request, "demo/shop.html", product=product, brand=content.brands()[product["brand_slug"]])


@router.get("/shop/{external_id}/picture")
def shop_picture(external_id: Annotated[str, InPath(max_length=80)]) -> FileResponse:
    """The shop's own picture of a product."""
    product = content.shop_products().get(external_id)
    if product is None:
        raise NotFound("No such product in the demo's shops.")
    folder = content.CONTENT / "catalogs" / product["brand_slug"]
    return FileResponse(folder / product["image_link"], headers={"Cache-Control": f"public, max-age={DAY_S}"})


@router.get("/{publisher}")
def front_page(publisher: Slug, request: Request, ports: PortsDep) -> HTMLResponse:
    """A publisher's front page."""
    found = _publisher(publisher)
    return render(
        request,
        "demo/front.html",
        publisher=found,
        articles=list(content.articles(publisher).values()),
        key=_site_key(ports, publisher),
    )


@router.get("/{publisher}/{slug}")
def article(publisher: Slug, slug: Slug, request: Request, ports: PortsDep) -> HTMLResponse:
    """An article: plain pictures and one script."""
    found = content.articles(_publisher(publisher).slug).get(slug)
    if found is None:
        raise NotFound("No such article in the demo.")
    others = [other for other in content.articles(publisher).values() if other.slug != slug]
    return render(
        request,
        "demo/article.html",
        publisher=_publisher(publisher),
        article=found,
        others=others,
        key=_site_key(ports, publisher),
    )
