"""`POST /v1/events`: the body in bounds, the key, the batch; every answer readable from the page that asked."""

import asyncio
import re
from http import HTTPStatus

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.errors import ApiError, BadRequest, TooLarge, Unprocessable, UnsupportedMedia
from api.events.service import visit
from api.ports import Ports
from api.sites.service import SiteDirectory, SiteView

router = APIRouter(tags=["events"])

BODY_TIMEOUT_S = 20.0
_CONTENT_TYPES = ("text/plain", "application/json")
_FIELD = re.compile(r" - at `\$\.?([^`]*)`")


class _Batch(msgspec.Struct):
    key: str
    events: list[msgspec.Raw]


_decoder = msgspec.json.Decoder(_Batch)
_BODY_SCHEMA = {
    "type": "object",
    "required": ["key", "events"],
    "properties": {
        "key": {"type": "string", "description": "The site's publishable key."},
        "events": {
            "type": "array",
            "maxItems": 1000,
            "items": {
                "type": "object",
                "required": ["id", "type", "token", "at"],
                "properties": {
                    "id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{8,64}$"},
                    "type": {"type": "string"},
                    "token": {"type": "string"},
                    "at": {"type": "string", "format": "date-time"},
                    "seq": {"type": "integer"},
                },
            },
        },
    },
}
_ANSWER_SCHEMA = {
    "type": "object",
    "required": ["accepted", "duplicate", "rejected"],
    "properties": {
        "accepted": {"type": "integer"},
        "duplicate": {"type": "integer", "description": "Advisory; only the report is exact."},
        "rejected": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"id": {"type": ["string", "null"]}, "reason": {"type": "string"}},
            },
        },
    },
}


@router.post(
    "/v1/events",
    status_code=202,
    openapi_extra={
        "requestBody": {"required": True, "content": {kind: {"schema": _BODY_SCHEMA} for kind in _CONTENT_TYPES}},
        "responses": {"202": {"description": "Durable.", "content": {"application/json": {"schema": _ANSWER_SCHEMA}}}},
    },
)
async def post_events(request: Request) -> Response:
    """Take a batch of events. The 202 comes once they are durable; a replay never counts twice."""
    ports: Ports = request.app.state.ports  # not as a dependency: those take a thread each
    origin = request.headers.get("origin")
    batch = _parsed(await _body(request, ports.settings.events.max_body_bytes), ports.settings.events.max_events)
    who = visit(request.headers, ports.clock.now())  # after the body: a slow sender is not an early one
    site = await _site(ports.sites, batch.key, origin)
    headers = {
        "Access-Control-Allow-Origin": origin or "",
        "Access-Control-Expose-Headers": "Retry-After",
        "Vary": "Origin",
    }
    try:
        answer = await ports.collector.collect(site, batch.events, who)
    except ApiError as error:
        error.headers.update(headers)
        raise
    return Response(msgspec.json.encode(answer), HTTPStatus.ACCEPTED, headers, "application/json")


@router.options("/v1/events", include_in_schema=False)
async def preflight(request: Request) -> Response:
    """For pages that send JSON: whether their origin is listed shows with the POST, which names the key."""
    headers = {
        "Access-Control-Allow-Origin": request.headers.get("origin", "*"),
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "Content-Type",
        "Access-Control-Max-Age": "86400",
        "Vary": "Origin",
    }
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)


async def _body(request: Request, limit: int) -> bytes:
    """The body, never more than `limit` of it in memory. A little more is read, so that its sender hears of the 413;
    a lot more is cut off before it gets here (kit.body_limit)."""
    kind = request.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if kind not in _CONTENT_TYPES:
        raise UnsupportedMedia("Send text/plain or application/json.", pointer="@Content-Type")
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for part in request.stream():
                size += len(part)
                if size <= limit:
                    parts.append(part)
                else:
                    parts.clear()
    except TimeoutError as error:
        raise BadRequest("The body did not arrive in time.", pointer="#") from error
    except ClientDisconnect as error:
        raise BadRequest("The body ended early.", pointer="#") from error
    if size > limit:
        raise TooLarge(f"The body has more than {limit} bytes; send fewer events at a time.", pointer="#")
    return b"".join(parts)


def _parsed(body: bytes, max_events: int) -> _Batch:
    try:
        batch = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Unprocessable(_FIELD.sub("", str(error)), pointer=_pointer(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("The body is not valid JSON.", pointer="#", code="invalid_json") from error
    if len(batch.events) > max_events:
        raise TooLarge(f"A batch has at most {max_events} events.", pointer="#/events")
    return batch


def _pointer(message: str) -> str:
    """`#/key` from msgspec's message, which names a wrong field by path and a missing one by name."""
    missing = re.search(r"missing required field `(\w+)`", message)
    place = _FIELD.search(message)
    name = missing.group(1) if missing else place.group(1) if place else ""
    return f"#/{name}" if name else "#"


async def _site(sites: SiteDirectory, key: str, origin: str | None) -> SiteView:
    if sites.is_warm(key):
        return sites.resolve(key, origin)
    return await run_in_threadpool(sites.resolve, key, origin)
