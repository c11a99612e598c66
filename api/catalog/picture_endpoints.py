"""`GET /i/{product}/{width}`: products' pictures for publishers' pages, so that those need no other origin and
shoppers' addresses reach no brand. Public catalogs alone; no SQL and no work on the loop when warm."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.catalog.pictures import Rendered, served_width
from api.catalog.service import product_picture
from api.errors import NotFound, Unavailable
from api.ports import Ports, PortsDep
from api.vision.errors import PictureError, PictureFault

router = APIRouter(tags=["pictures"])
# an address stays while its picture changes: a day from caches, then a cheap question with the ETag
CACHED = "public, max-age=86400, stale-while-revalidate=604800"


@router.head("/i/{product_id}/{width}", include_in_schema=False)
@router.get("/i/{product_id}/{width}", response_class=Response)
async def picture(
    product_id: Annotated[str, Path(max_length=100)],
    width: Annotated[int, Path(ge=1, le=10_000)],
    request: Request,
    ports: PortsDep,
) -> Response:
    """The picture as JPEG, or WebP where the browser takes it; widths are rounded up to the ones we make."""
    kind = "webp" if "image/webp" in request.headers.get("accept", "") else "jpeg"
    rendered = _warm(ports, product_id, width, kind)
    if rendered is None:
        rendered = await run_in_threadpool(_made, ports, product_id, width, kind)
    return answer(request, rendered)


def answer(request: Request, rendered: Rendered, cache_control: str = CACHED) -> Response:
    """The picture, or 304 for whoever has it."""
    headers = {
        "ETag": rendered.etag,
        "Cache-Control": cache_control,
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Access-Control-Allow-Origin": "*",
    }
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if rendered.etag in known:
        return Response(status_code=304, headers=headers)
    body = b"" if request.method == "HEAD" else rendered.data
    headers["Content-Length"] = str(len(rendered.data))
    return Response(body, media_type=rendered.media_type, headers=headers)


def _warm(ports: Ports, product_id: str, width: int, kind: str) -> Rendered | None:
    found = ports.pictures.warm(product_id, served_width(width), kind)
    if found is None or not ports.catalogs.is_warm():
        return None
    view, rendered = found
    return rendered if view.catalog_id in ports.catalogs.listed_catalog_ids() else None


def _made(ports: Ports, product_id: str, width: int, kind: str) -> Rendered:
    try:
        return product_picture(ports, None, product_id, width, kind)
    except PictureError as error:
        if error.code == PictureFault.BUSY:
            raise Unavailable("Too many pictures are being made; try again.", code="busy") from error
        raise NotFound("This product has no usable picture.", code="picture_not_found") from error
