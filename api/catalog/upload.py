"""The feed of a request: multipart `file`, streamed to disk and bounded, or JSON `feed_url`. Its content is judged by
the worker, so that a large feed keeps nobody waiting."""

import shutil
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from api.catalog.schemas import FeedAddress
from api.errors import BadRequest, FieldError, TooLarge, Unprocessable, UnsupportedMedia, pointer_of
from api.kit.ids import new_id
from api.ports import Ports

_MAX_JSON_BYTES = 16 * 1024
_OVERHEAD = 64 * 1024
FILE = "#/file"

# for the API description: the body is read from the stream, so FastAPI cannot see it
BODY_DESCRIPTION = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            "application/json": {"schema": FeedAddress.model_json_schema()},
        },
    }
}


async def take_feed(request: Request, ports: Ports) -> tuple[str | None, str | None]:
    """(key of the stored feed, None) or (None, its address)."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        return await _stored(request, ports), None
    if content_type == "application/json":
        return None, await _address(request)
    detail = "Send multipart/form-data with a file `file`, or application/json with `feed_url`."
    raise UnsupportedMedia(detail, pointer="@Content-Type")


async def _bounded(request: Request, max_bytes: int, pointer: str) -> AsyncGenerator[bytes, None]:
    too_large = TooLarge(f"At most {max_bytes:,} bytes are taken.", pointer=pointer)
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > max_bytes:
        raise too_large
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > max_bytes:
            raise too_large
        yield chunk


async def _stored(request: Request, ports: Ports) -> str:
    stream = _bounded(request, ports.settings.fetch.max_feed_bytes + _OVERHEAD, FILE)
    try:
        parser = MultiPartParser(request.headers, stream, max_files=2, max_fields=8, max_part_size=_OVERHEAD)
        form = await parser.parse()
    except MultiPartException as error:
        raise BadRequest(f"The multipart body cannot be read: {error.message}", pointer="#") from error
    try:
        if unknown := sorted(set(form) - {"file"}):
            errors = [FieldError(f"#/{name[:100]}", "Unknown field; options are query parameters.") for name in unknown]
            raise Unprocessable("Only `file` is taken from a form.", errors=errors)
        files = form.getlist("file")
        if len(files) != 1 or not isinstance(files[0], UploadFile):
            raise Unprocessable("Send one feed as the file part `file`, with a file name.", pointer=FILE)
        if not files[0].size:
            raise Unprocessable("The feed is empty.", pointer=FILE)
        return await run_in_threadpool(keep_feed, ports, files[0].file)
    finally:
        await form.close()


def keep_feed(ports: Ports, source: BinaryIO) -> str:
    """Store a feed for a worker; its key."""
    key = f"feeds/{new_id('fed')}"
    with tempfile.TemporaryDirectory(dir=ports.settings.datadir) as folder:
        path = Path(folder) / "feed"
        with path.open("wb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
        ports.blobs.put_file(key, path)
    return key


async def _address(request: Request) -> str:
    body = b"".join([chunk async for chunk in _bounded(request, _MAX_JSON_BYTES, "#")])
    try:
        return FeedAddress.model_validate_json(body).feed_url
    except ValidationError as error:
        rows = error.errors()
        if rows[0]["type"] == "json_invalid":
            raise BadRequest("The body is not valid JSON.", pointer="#") from error
        unknown = "Unknown field; options are query parameters."
        errors = [
            FieldError(pointer_of(("body", *row["loc"])), unknown if row["type"] == "extra_forbidden" else row["msg"])
            for row in rows
        ]
        raise Unprocessable("; ".join(f"{row.pointer}: {row.detail}" for row in errors[:3]), errors=errors) from error
