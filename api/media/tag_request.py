"""The body of `POST /v1/tags`: bounded, checked field by field, parsed without pydantic because it is the hot path."""

import re
from typing import Annotated, Literal

import msgspec
from fastapi import Request

from api.errors import BadRequest, FieldError, TooLarge, Unprocessable, UnsupportedMedia
from api.media.urls import MAX_URL_CHARS, BadUrl, MediaUrl, normalise

MAX_BODY_BYTES = 64 * 1024
MAX_MEDIA = 50
CONTENT_TYPES = {"", "text/plain", "application/json"}
PATH = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`$")

Url = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_URL_CHARS)]
Side = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]


class PageInfo(msgspec.Struct, frozen=True):
    """Where the media stand. Context of this call; it is not stored."""

    url: Annotated[str, msgspec.Meta(max_length=MAX_URL_CHARS)] = ""
    title: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    lang: Annotated[str, msgspec.Meta(max_length=64)] = ""


class MediaItem(msgspec.Struct, frozen=True):
    """One picture or video of the page; sizes are in CSS pixels."""

    url: Url
    kind: Literal["image", "video"] = "image"
    width: Side | None = None
    height: Side | None = None


class TagsRequest(msgspec.Struct, frozen=True):
    """The whole body. Unknown fields pass, so that an older server serves a newer script."""

    key: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    media: Annotated[list[MediaItem], msgspec.Meta(max_length=MAX_MEDIA)]
    page: PageInfo = PageInfo()


_decoder = msgspec.json.Decoder(TagsRequest)


async def body_of(request: Request) -> bytes:
    """The bytes, refused as soon as they are too many."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in CONTENT_TYPES:
        raise UnsupportedMedia("Send text/plain or application/json.", pointer="@Content-Type")
    too_large = TooLarge(f"At most {MAX_BODY_BYTES} bytes.", pointer="#")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise too_large
    return bytes(body)


def parse(body: bytes) -> tuple[TagsRequest, list[MediaUrl]]:
    """The request and its normalised addresses, in order; 400 or 422 with a pointer to what is wrong."""
    try:
        request = _decoder.decode(body)
    except msgspec.ValidationError as error:
        pointer, detail = pointed(str(error))
        raise Unprocessable(f"{pointer}: {detail}", errors=[FieldError(pointer, detail)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON: {error}", pointer="#") from error
    addresses, errors = [], []
    for index, item in enumerate(request.media):
        try:
            addresses.append(normalise(item.url))
        except BadUrl as error:
            errors.append(FieldError(f"#/media/{index}/url", str(error)))
    if errors:
        raise Unprocessable(f"{errors[0].pointer}: {errors[0].detail}", errors=errors)
    return request, addresses


def pointed(message: str) -> tuple[str, str]:
    """msgspec's `… - at `$.media[0].url`` as a JSON pointer and the rest."""
    match = PATH.search(message)
    missing = re.match(r"Object missing required field `(\w+)`", message)
    path = match["path"] if match else ""
    pointer = "#" + re.sub(r"\[(\d+|\.\.\.)\]", r"/\1", path.replace(".", "/") if "..." not in path else path)
    if missing:
        pointer += f"/{missing[1]}"
    return pointer, message[: match.start()] if match else message
