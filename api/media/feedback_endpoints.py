"""`POST /v1/feedback`: a shopper says that a product on a tag is not what the picture shows, or that it is."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from api.errors import BadRequest, FieldError, Forbidden, TooLarge, TooManyRequests, Unprocessable
from api.events.agents import agent_flag
from api.events.reasons import Flag
from api.events.service import MAX_AGENT_CHARS
from api.events.tokens import MAX_TOKEN_CHARS, TokenExpired, TokenForged
from api.media.feedback import Feedback
from api.media.models import Verdict
from api.media.tag_request import body_of, pointed
from api.media.voters import voter_of
from api.ports import Ports, PortsDep

router = APIRouter(prefix="/v1", tags=["tags"])
MAX_BODY_BYTES = 4096
OPEN_S = 300  # a page may remember that long whether votes are taken; the server refuses them at once


class FeedbackRequest(msgspec.Struct, frozen=True):
    """The whole body. Unknown fields pass, so that an older server serves a newer script."""

    key: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    token: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TOKEN_CHARS)]
    verdict: Verdict


class FeedbackOpen(BaseModel):
    """Whether words are taken."""

    open: bool


_decoder = msgspec.json.Decoder(FeedbackRequest)
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["key", "token", "verdict"],
    "properties": {
        "key": {"type": "string", "description": "The site's publishable key."},
        "token": {"type": "string", "description": "The token of the product on its tag, as `POST /v1/tags` gave it."},
        "verdict": {"enum": [verdict.value for verdict in Verdict]},
    },
}
_ANSWER: dict[str, Any] = {
    "type": "object",
    "required": ["counted"],
    "properties": {
        "counted": {"type": "boolean", "description": "False for programs: they are no shoppers."},
    },
}


@router.post(
    "/feedback",
    status_code=202,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": _SCHEMA} for kind in ("text/plain", "application/json")},
        },
        "responses": {"202": {"description": "Stored.", "content": {"application/json": {"schema": _ANSWER}}}},
    },
)
async def feedback(request: Request, ports: PortsDep) -> Response:
    """One word a view and tag, the last one counts, for 60 days. Three voters who say `not_this` (views of one network
    on one day are one; a tag that is seen often takes one in 200 of its views, fifty at most), three in four of all
    that said anything, take a product off the tag; the next one takes its place. Pages see it within 5 s. What the
    publisher has pinned or approved stays."""
    origin = request.headers.get("origin")
    said = _parsed(await body_of(request))
    agent = request.headers.get("user-agent", "")[:MAX_AGENT_CHARS]
    headers = {"Access-Control-Allow-Origin": origin or "", "Cache-Control": "no-store", "Vary": "Origin"}
    address = request.client.host if request.client else ""
    flag = await run_in_threadpool(_taken, ports, said, origin, agent, address)
    return Response(msgspec.json.encode({"counted": flag is None}), 202, headers, "application/json")


@router.get("/feedback", response_model=FeedbackOpen)
async def feedback_open(request: Request, ports: PortsDep, key: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Whether the site of this publishable key takes shoppers' words: the script asks before it offers the button."""
    # browsers name no origin where a page only reads from its own
    origin = request.headers.get("origin") or str(request.base_url).rstrip("/")
    site = await run_in_threadpool(ports.sites.resolve, key, origin)
    headers = {"Access-Control-Allow-Origin": origin, "Cache-Control": f"max-age={OPEN_S}", "Vary": "Origin"}
    return Response(FeedbackOpen(open=site.controls.votes).model_dump_json(), 200, headers, "application/json")


@router.options("/feedback", include_in_schema=False)
async def feedback_preflight(request: Request) -> Response:
    """A preflight carries no key, so it promises nothing: the call itself is checked."""
    headers = {
        "Access-Control-Allow-Origin": request.headers.get("origin", "*"),
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "content-type",
        "Access-Control-Max-Age": "86400",
        "Vary": "Origin",
    }
    return Response(status_code=204, headers=headers)


def _parsed(body: bytes) -> FeedbackRequest:
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"At most {MAX_BODY_BYTES} bytes.", pointer="#")
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        pointer, detail = pointed(str(error))
        raise Unprocessable(f"{pointer}: {detail}", errors=[FieldError(pointer, detail)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON: {error}", pointer="#") from error


def _taken(ports: Ports, said: FeedbackRequest, origin: str | None, agent: str, address: str) -> Flag | None:
    """Why it does not count, or None once it is stored."""
    site = ports.sites.resolve(said.key, origin)
    if not site.controls.votes:
        raise Forbidden("This site takes no votes: its publisher has switched them off.", code="votes_off")
    try:
        claims = ports.sealer.open(said.token, ports.clock.now())
    except TokenExpired as error:
        raise Unprocessable("The token is older than a day.", pointer="#/token", code="token_expired") from error
    except TokenForged as error:
        raise Unprocessable("This token is none of ours.", pointer="#/token", code="token_forged") from error
    if (claims.publisher_id, claims.site_id) != (site.tenant_id, site.site_id):
        raise Unprocessable("This token is another site's.", pointer="#/token", code="token_foreign")
    flag = agent_flag(agent)
    if flag is None:
        now, key = ports.clock.now(), next(iter(ports.secrets.token_keys.values()))
        if not ports.network_shares.takes(site.site_id, address, now):
            detail = "Much feedback has come from your network; send this later."
            raise TooManyRequests(detail, headers={"Retry-After": "3600"})
        voter = voter_of(key, claims.tag_id, claims.nonce, address, now)
        with ports.database.write() as session:
            Feedback(session, site.tenant_id, now).say(claims, said.verdict, voter)
    return flag
