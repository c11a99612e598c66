"""`POST /v1/detect`: which products are on a picture, and where."""

from itertools import zip_longest
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.accounts.auth import Principal
from api.accounts.scopes import Scope
from api.billing.limits import limited
from api.billing.models import EntryKind
from api.kit.ids import new_id
from api.ports import PortsDep
from api.vision.errors import PictureError
from api.vision.intake import BODY_DESCRIPTION, picture_bytes, refusal
from api.vision.schemas import DetectAnswer, DetectionRead, DetectQuery, ImageRead

MOST_ATTRIBUTES = 20  # 1.5 ms each: a caller who asks for 300 boxes must not hold the eyes for half a second
router = APIRouter(prefix="/v1", tags=["vision"])
Caller = Annotated[Principal, Depends(limited(Scope.detect, EntryKind.detect))]


@router.post("/detect", openapi_extra=BODY_DESCRIPTION)
async def detect(
    request: Request, options: Annotated[DetectQuery, Query()], caller: Caller, ports: PortsDep
) -> DetectAnswer:
    """Products on a picture, best first. The picture is not kept."""
    eyes = ports.eyes
    data, pointer = await picture_bytes(request, ports.fetcher, eyes, ports.settings.fetch.max_picture_bytes)

    def look() -> DetectAnswer:
        picture = eyes.decode(data)
        found = eyes.detect(picture, options.min_score, options.limit)
        first = found[:MOST_ATTRIBUTES] if options.attributes else []
        seen = eyes.attributes(picture, [item.box for item in first], [item.label for item in first])
        read = [DetectionRead.of(item, looks) for item, looks in zip_longest(found, seen)]
        return DetectAnswer(image=ImageRead.of(picture, found), detections=read)

    try:
        answer = await eyes.work.run(look)
    except PictureError as error:
        raise refusal(error, pointer) from error
    ports.meter.record(caller.tenant_id, "detect", query_id=new_id("qry"))
    return answer
