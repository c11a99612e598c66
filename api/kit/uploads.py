"""Uploads: multipart bodies read as a stream within bounds, one file taken out of them, and kept as a blob. What a file
may hold, the domains judge."""

import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from api.errors import BadRequest, FieldError, TooLarge, Unprocessable, UnsupportedMedia
from api.kit.blobs import BlobStore

MAX_JSON_BYTES = 16 * 1024
OVERHEAD = 64 * 1024
MAX_PARTS = 8
JSON, MULTIPART = "application/json", "multipart/form-data"


def described(file_field: str, json_schema: dict[str, Any]) -> dict[str, Any]:
    """For the API description: these bodies are read from the stream, so FastAPI cannot see them."""
    form = {
        "type": "object",
        "required": [file_field],
        "properties": {file_field: {"type": "string", "format": "binary"}},
    }
    return {"requestBody": {"required": True, "content": {MULTIPART: {"schema": form}, JSON: {"schema": json_schema}}}}


def body_kind(request: Request, file_field: str, url_field: str) -> str:
    """JSON or MULTIPART; anything else is 415."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {JSON, MULTIPART}:
        detail = f"Send {MULTIPART} with a file `{file_field}`, or {JSON} with `{url_field}`."
        raise UnsupportedMedia(detail, pointer="@Content-Type")
    return kind


async def json_bytes(request: Request) -> bytes:
    """A small JSON body, undecoded."""
    return b"".join([chunk async for chunk in bounded(request, MAX_JSON_BYTES, "#")])


async def bounded(request: Request, max_bytes: int, pointer: str) -> AsyncGenerator[bytes, None]:
    """The body in chunks; 413 as soon as it is, or says it is, longer than that."""
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


@asynccontextmanager
async def form_of(request: Request, max_bytes: int, pointer: str, fields: Collection[str]) -> AsyncIterator[FormData]:
    """The multipart form, its files on disk when they are large; no other fields than these."""
    stream = bounded(request, max_bytes + OVERHEAD, pointer)
    parser = _WholeForm(
        request.headers, stream, max_files=MAX_PARTS, max_fields=MAX_PARTS, max_part_size=MAX_JSON_BYTES
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise BadRequest(f"The multipart body cannot be read: {error.message}", pointer="#") from error
    try:
        refuse_unknown(form, fields)
        yield form
    finally:
        await form.close()


def refuse_unknown(given: Collection[str], known: Collection[str]) -> None:
    """422 for every field that is not one of `known`."""
    if unknown := sorted(set(given) - set(known)):
        errors = [FieldError(f"#/{name[:100]}", "Unknown field; options are query parameters.") for name in unknown]
        raise Unprocessable(f"Only {' or '.join(f'`{name}`' for name in known)} is taken here.", errors=errors)


def file_of(form: FormData, field: str) -> UploadFile:
    """The one file of that field; 422 for none, several, text or an empty one."""
    files = form.getlist(field)
    if len(files) != 1 or not isinstance(files[0], UploadFile):
        raise Unprocessable(f"Send one file as the part `{field}`, with a file name.", pointer=f"#/{field}")
    if not files[0].size:
        raise Unprocessable("The file is empty.", pointer=f"#/{field}", code="file_empty")
    return files[0]


def keep(source: IO[bytes], blobs: BlobStore, key: str, scratch: Path) -> None:
    """Copy an upload into the blob store, through a file beside it: never whole in memory. Blocks."""
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        path = Path(folder) / "upload"
        with path.open("wb") as out:
            shutil.copyfileobj(source, out, 1024 * 1024)
        blobs.put_file(key, path)
