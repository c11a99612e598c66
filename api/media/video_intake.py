"""The video of a request: multipart `file`, kept as a blob, or JSON `url`, fetched later by a worker."""

import shutil
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import IO

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from api.errors import BadRequest, FieldError, TooLarge, Unprocessable, UnsupportedMedia
from api.kit.blobs import BlobStore
from api.kit.ids import new_id
from api.media.schemas import VideoCreate

MAX_JSON_BYTES = 16 * 1024
MULTIPART_OVERHEAD = 64 * 1024
FILE = "#/file"

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
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["url"],
                    "properties": {"url": {"type": "string", "format": "uri"}},
                    "additionalProperties": False,
                }
            },
        },
    }
}


async def video_of(request: Request, blobs: BlobStore, scratch: Path, max_bytes: int) -> tuple[str | None, str | None]:
    """(url, None), or (None, key of the stored upload)."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/json":
        return _url(b"".join([chunk async for chunk in _bounded(request, MAX_JSON_BYTES, "#")])), None
    if content_type == "multipart/form-data":
        return None, await _upload(request, blobs, scratch, max_bytes)
    detail = "Send multipart/form-data with a file `file`, or application/json with `url`."
    raise UnsupportedMedia(detail, pointer="@Content-Type")


def _url(body: bytes) -> str:
    try:
        return VideoCreate.model_validate_json(body).url
    except ValidationError as error:
        rows = [FieldError("#" + "".join(f"/{part}" for part in e["loc"]), e["msg"]) for e in error.errors()[:20]]
        if any(item["type"] == "json_invalid" for item in error.errors()):
            raise BadRequest("The body is not valid JSON.", pointer="#") from error
        raise Unprocessable(f"{rows[0].pointer}: {rows[0].detail}", errors=rows) from error


async def _upload(request: Request, blobs: BlobStore, scratch: Path, max_bytes: int) -> str:
    stream = _bounded(request, max_bytes + MULTIPART_OVERHEAD, FILE)
    parser = MultiPartParser(request.headers, stream, max_files=1, max_fields=1, max_part_size=MAX_JSON_BYTES)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise BadRequest(f"The multipart body cannot be read: {error.message}", pointer="#") from error
    try:
        if unknown := sorted(set(form) - {"file"}):
            raise Unprocessable("Only `file` is taken from a form.", pointer=f"#/{unknown[0][:100]}")
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Unprocessable("A video is missing: send the file `file`, with a file name.", pointer=FILE)
        if not file.size:
            raise Unprocessable("The file is empty.", pointer=FILE, code="video_empty")
        key = f"videos/{new_id('upl')}"
        await run_in_threadpool(_keep, file.file, blobs, key, scratch)
        return key
    finally:
        await form.close()


def _keep(file: IO[bytes], blobs: BlobStore, key: str, scratch: Path) -> None:
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        path = Path(folder) / "upload"
        with path.open("wb") as out:
            shutil.copyfileobj(file, out, 1024 * 1024)
        blobs.put_file(key, path)


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
