"""The picture of a request: multipart `image`, or JSON `image_url`, which our fetcher fetches. Nothing is kept."""

import msgspec
from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from api.errors import ApiError, BadRequest, TooLarge, Unavailable, Unprocessable
from api.kit.fetcher import Fetcher, FetchFailed, FetchRefused
from api.kit.uploads import JSON, body_kind, described, form_of, json_bytes, refuse_unknown
from api.vision.errors import PictureError, PictureFault
from api.vision.service import Eyes

PICTURES = "image/*,*/*;q=0.1"
IMAGE, IMAGE_URL = "#/image", "#/image_url"

_ADDRESS = {
    "type": "object",
    "required": ["image_url"],
    "properties": {"image_url": {"type": "string", "format": "uri"}},
    "additionalProperties": False,
}
BODY_DESCRIPTION = described("image", _ADDRESS)


async def picture_bytes(request: Request, fetcher: Fetcher, eyes: Eyes, max_bytes: int) -> tuple[bytes, str]:
    """The undecoded picture, and the pointer to the field it came in."""
    if body_kind(request, "image", "image_url") == JSON:
        image, url = None, _address(await json_bytes(request))
    else:
        async with form_of(request, max_bytes, IMAGE, ["image", "image_url"]) as form:
            image, url = await _one_picture(form)
    if image is not None:
        return image, IMAGE
    return await _fetched(url, fetcher, eyes, max_bytes), IMAGE_URL


def refusal(error: PictureError, pointer: str) -> ApiError:
    """The answer for a picture that cannot be used."""
    detail = f"{error.reason[0].upper()}{error.reason[1:]}."
    if error.code is PictureFault.BUSY:
        return Unavailable(detail, code="busy")
    kind = TooLarge if error.code is PictureFault.TOO_LARGE else Unprocessable
    return kind(detail, pointer=pointer, code=f"picture_{error.code}")


async def _one_picture(form: FormData) -> tuple[bytes | None, str]:
    if len(form.multi_items()) > 1:
        raise Unprocessable("Send one picture: either `image` or `image_url`.", pointer=IMAGE)
    image = form.get("image")
    if isinstance(image, UploadFile):
        return await image.read(), ""
    if image is not None:
        raise Unprocessable("`image` must be a file part, with a file name.", pointer=IMAGE)
    url = form.get("image_url")
    if url is None:
        raise Unprocessable("A picture is missing: send the file `image`.", pointer=IMAGE)
    if not isinstance(url, str):
        raise Unprocessable("`image_url` must be text.", pointer=IMAGE_URL)
    return None, url


def _address(body: bytes) -> str:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON: {error}", pointer="#") from error
    if not isinstance(document, dict):
        raise Unprocessable("The body must be an object with `image_url`.", pointer="#")
    if "image" in document and "image_url" in document:
        raise Unprocessable("Send one picture: either `image` or `image_url`.", pointer=IMAGE)
    refuse_unknown(document, ["image_url"])
    url = document.get("image_url")
    if not isinstance(url, str) or not url:
        raise Unprocessable("`image_url` must be the http(s) URL of a picture.", pointer=IMAGE_URL)
    return url


async def _fetched(url: str, fetcher: Fetcher, eyes: Eyes, max_bytes: int) -> bytes:
    try:
        fetched = await eyes.fetches.run(lambda: fetcher.fetch(url, max_bytes=max_bytes, accept=PICTURES))
    except FetchRefused as error:
        detail = f"This address is not fetched: {error.reason}."
        raise Unprocessable(detail, pointer=IMAGE_URL, code="address_refused") from error
    except FetchFailed as error:
        if error.too_large:
            raise TooLarge(f"The picture has {error.reason}.", pointer=IMAGE_URL) from error
        detail = f"The picture could not be fetched: {error.reason}."
        raise Unprocessable(detail, pointer=IMAGE_URL, code="fetch_failed") from error
    return fetched.body
