"""`GET /c/{token}`: a person goes to a product. The way there never depends on whether the click could be counted."""

import asyncio
import logging
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.errors import ApiError, NotFound
from api.events.client_event import ID
from api.events.service import Visit, visit
from api.events.tokens import TagClaims, TokenExpired, TokenForged
from api.kit.ids import new_id
from api.ports import Ports

log = logging.getLogger(__name__)
router = APIRouter(tags=["events"])
COUNT_WITHIN_S = 0.5  # a slow disk delays a shopper no longer than this; the append goes on behind
_counting: set[asyncio.Task[None]] = set()


@router.head("/c/{token}", include_in_schema=False, status_code=302, response_class=Response)
@router.get("/c/{token}", status_code=302, response_class=Response)
async def click_through(token: str, request: Request, e: str = "") -> Response:
    """Redirect to the product of a tag and count the click; `e` is the id of the same click's event."""
    ports: Ports = request.app.state.ports
    who = visit(request.headers, ports.clock.now())
    try:
        claims, counts = ports.sealer.open(token, who.received_at), True
    except TokenExpired as expired:
        claims, counts = expired.claims, False
    except TokenForged as error:
        raise NotFound("This link is not one of ours, or it is damaged.", pointer="path:token") from error
    target = await _target(ports, claims)
    if counts and not who.prefetch and _is_navigation(request):
        event_id = e if ID.fullmatch(e) else new_id("c")
        await _within(COUNT_WITHIN_S, asyncio.create_task(_count(ports, token, event_id, who)))
    headers = {
        "Location": target,
        "Cache-Control": "no-store",
        "Referrer-Policy": "origin",
        "X-Robots-Tag": "noindex, nofollow",
    }
    return Response(status_code=302, headers=headers)


async def _count(ports: Ports, token: str, event_id: str, who: Visit) -> None:
    try:
        await ports.collector.click(token, event_id, who)
    except ApiError:
        log.warning("a click was redirected but not counted", exc_info=True)


async def _within(seconds: float, task: asyncio.Task[None]) -> None:
    _counting.add(task)
    task.add_done_callback(_counting.discard)
    await asyncio.wait([task], timeout=seconds)


def _is_navigation(request: Request) -> bool:
    """A person going there. Browsers name the mode; what names none may still be one."""
    return request.method == "GET" and request.headers.get("sec-fetch-mode", "navigate") == "navigate"


async def _target(ports: Ports, claims: TagClaims) -> str:
    """The product's page from the token, or from the catalog when it was too long to be sealed."""
    url = claims.target_url
    if url is None:
        found = await run_in_threadpool(ports.catalogs.products_by_ids, [claims.product_id])
        url = found[claims.product_id].url if claims.product_id in found else None
    if url is None or urlsplit(url).scheme not in {"http", "https"}:
        raise NotFound("This product has no page any more.", pointer="path:token")
    return url
