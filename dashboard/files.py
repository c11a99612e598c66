"""What signed-in pages download: product pictures of their own tenant, and a report as CSV."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi import Path as InPath
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from api.catalog.service import product_picture
from api.errors import NotFound
from api.ports import PortsDep
from api.vision.errors import PictureError
from dashboard.security import Viewer, viewer

router = APIRouter(include_in_schema=False)
WIDEST = 960


@router.get("/pictures/{product_id}/{width}")
async def picture(
    product_id: Annotated[str, InPath(max_length=60)],
    width: Annotated[int, InPath(ge=1, le=WIDEST)],
    ports: PortsDep,
    who: Annotated[Viewer, Depends(viewer)],
) -> Response:
    """A product's picture, of unlisted catalogs too when they are one's own."""
    try:
        found = await run_in_threadpool(product_picture, ports, who.tenant_id, product_id, width)
    except PictureError as error:
        raise NotFound("There is no such picture.") from error
    return Response(found.data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=600"})
