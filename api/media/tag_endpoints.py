"""`POST /v1/tags`: a page asks what is on its pictures and videos. The hot path: raw body, no SQL when warm."""

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.media.tag_request import body_of, parse
from api.ports import PortsDep

router = APIRouter(prefix="/v1", tags=["tags"])
_encode = msgspec.json.Encoder().encode
PREFLIGHT_S = "86400"

BODY_DESCRIPTION = {
    "requestBody": {
        "required": True,
        "content": {
            media_type: {
                "schema": {
                    "type": "object",
                    "required": ["key", "media"],
                    "properties": {
                        "key": {"type": "string"},
                        "page": {
                            "type": "object",
                            "properties": {name: {"type": "string"} for name in ("url", "title", "lang")},
                        },
                        "media": {
                            "type": "array",
                            "maxItems": 50,
                            "items": {
                                "type": "object",
                                "required": ["url"],
                                "properties": {
                                    "url": {"type": "string", "format": "uri"},
                                    "kind": {"enum": ["image", "video"]},
                                    "width": {"type": ["number", "null"]},
                                    "height": {"type": ["number", "null"]},
                                },
                            },
                        },
                    },
                }
            }
            for media_type in ("text/plain", "application/json")
        },
    }
}


@router.post("/tags", openapi_extra=BODY_DESCRIPTION)
async def tags(request: Request, ports: PortsDep) -> Response:
    """The tags of a page's media. Each answer is one view; unknown media of the site's hosts are looked at soon."""
    origin = request.headers.get("origin")
    wanted, urls = parse(await body_of(request))
    if ports.sites.is_warm(wanted.key):
        site = ports.sites.resolve(wanted.key, origin)
    else:
        site = await run_in_threadpool(ports.sites.resolve, wanted.key, origin)
    answer = await ports.tags.answer(site, wanted.media, urls)
    headers = {"Cache-Control": "no-store", "Access-Control-Allow-Origin": origin or "", "Vary": "Origin"}
    return Response(_encode(answer), media_type="application/json", headers=headers)


@router.options("/tags", include_in_schema=False)
async def tags_preflight(request: Request) -> Response:
    """A preflight carries no key, so it promises nothing: the call itself is checked."""
    headers = {
        "Access-Control-Allow-Origin": request.headers.get("origin", "*"),
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "content-type",
        "Access-Control-Max-Age": PREFLIGHT_S,
        "Vary": "Origin",
    }
    return Response(status_code=204, headers=headers)
