"""The picture of a request: multipart `image`, or JSON `image_url`, which our fetcher fetches. Nothing is kept."""

from collections.abc import AsyncGenerator

import msgspec
from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from api.errors import ApiError, BadRequest, FieldError, TooLarge, Unavailable, Unprocessable, UnsupportedMedia
from api.kit.fetcher import Fetcher, FetchFailed, FetchRefused
from api.vision.errors import PictureError, PictureFault
from api.vision.service import Eyes

MAX_JSON_BYTES = 16 * 1024
MULTIPART_OVERHEAD = 64 * 1024
MAX_FIELDS = 8
PICTURES = "image/*,*/*;q=0.1"
IMAGE, IMAGE_URL = "#/image", "#/image_url"

# For the API description: the body is read from the stream, so FastAPI cannot see it.
BODY_DESCRIPTION = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "string", "format": "binary"}},
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["image_url"],
                    "properties": {"image_url": {"type": "string", "format": "uri"}},
                    "additionalProperties": False,
                }
            },
        },
    }
}


async def picture_bytes(request: Request, fetcher: Fetcher, eyes: Eyes, max_bytes: int) -> tuple[bytes, str]:
    """The undecoded picture, and the pointer to the field it came in."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        image, url = await _from_form(request, max_bytes)
    elif content_type == "application/json":
        image, url = None, await _from_json(request)
    else:
        detail = "Send multipart/form-data with a file `image`, or application/json with `image_url`."
        raise UnsupportedMedia(detail, pointer="@Content-Type")
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


async def _bounded(request: Request, max_bytes: int, pointer: str) -> AsyncGenerator[bytes, None]:
    too_large = TooLarge(f"At most {max_bytes:,} bytes are taken.", pointer=pointer)
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > max_bytes:
        raise too_large
    total = 0
    try:
        async for chunk in request.stream():
            total += len(chunk)
            if total > max_bytes:
                raise too_large
            yield chunk
    except ClientDisconnect as error:
        raise BadRequest("The upload was broken off.", pointer=pointer) from error


class _WholeForm(MultiPartParser):
    """Refuses a body that ends before its closing boundary, and closes what came of it; its parent does neither."""

    ended = False

    def on_end(self) -> None:
        self.ended = True

    async def parse(self) -> FormData:
        form = await super().parse()
        if not self.ended:
            for file in self._files_to_close_on_error:
                file.close()
            raise MultiPartException("it ends before its closing boundary")
        return form


async def _from_form(request: Request, max_bytes: int) -> tuple[bytes | None, str]:
    stream = _bounded(request, max_bytes + MULTIPART_OVERHEAD, IMAGE)
    parser = _WholeForm(
        request.headers, stream, max_files=MAX_FIELDS, max_fields=MAX_FIELDS, max_part_size=MAX_JSON_BYTES
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise BadRequest(f"The multipart body cannot be read: {error.message}", pointer="#") from error
    try:
        return await _one_picture(form)
    finally:
        await form.close()


async def _one_picture(form: FormData) -> tuple[bytes | None, str]:
    unknown = sorted(set(form) - {"image", "image_url"})
    if unknown:
        errors = [FieldError(f"#/{name[:100]}", "Unknown field; options are query parameters.") for name in unknown]
        raise Unprocessable("Only `image` or `image_url` is taken from a form.", errors=errors)
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


async def _from_json(request: Request) -> str:
    body = b"".join([chunk async for chunk in _bounded(request, MAX_JSON_BYTES, "#")])
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON: {error}", pointer="#") from error
    if not isinstance(document, dict):
        raise Unprocessable("The body must be an object with `image_url`.", pointer="#")
    if "image" in document and "image_url" in document:
        raise Unprocessable("Send one picture: either `image` or `image_url`.", pointer=IMAGE)
    unknown = sorted(set(document) - {"image_url"})
    if unknown:
        errors = [FieldError(f"#/{name[:100]}", "Unknown field; options are query parameters.") for name in unknown]
        raise Unprocessable("Only `image_url` is taken from a JSON body.", errors=errors)
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
