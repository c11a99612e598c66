"""The demo's publishers' pages and its brands' shop: plain pages as a publisher would write them, with one script."""

import json
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse, HTMLResponse

from api.errors import NotFound
from api.ports import Ports, PortsDep
from dashboard.demo import content
from dashboard.rendering import render

router = APIRouter(prefix="/demo", include_in_schema=False)
Slug = Annotated[str, InPath(max_length=80, pattern=r"^[a-z0-9-]+$")]
DAY_S = 86_400


def _sites(ports: Ports) -> Path:
    """What seeding leaves in the data directory; outside the demo there is none."""
    return ports.settings.datadir / "demo-sites.json"


def demo_page(ports: Ports) -> str:
    """The path of a publisher's front page in the demo; empty where no demo runs."""
    return f"{router.prefix}/{next(iter(content.publishers()))}" if _sites(ports).exists() else ""


def _site_key(ports: Ports, publisher: str) -> str:
    """The publishable key that seeding made for this publisher; empty before the seeding got there."""
    kept = _sites(ports)
    return str(json.loads(kept.read_text()).get(publisher, "")) if kept.exists() else ""


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
