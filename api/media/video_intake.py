"""The video of a request: multipart `file`, kept as a blob, or JSON `url`, fetched later by a worker."""

from pathlib import Path

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from api.errors import BadRequest, FieldError, Unprocessable
from api.kit.blobs import BlobStore
from api.kit.ids import new_id
from api.kit.uploads import JSON, body_kind, described, file_of, form_of, json_bytes, keep
from api.media.schemas import VideoCreate

BODY_DESCRIPTION = described("file", VideoCreate.model_json_schema())


async def video_of(request: Request, blobs: BlobStore, scratch: Path, max_bytes: int) -> tuple[str | None, str | None]:
    """(url, None), or (None, key of the stored upload)."""
    if body_kind(request, "file", "url") == JSON:
        return _url(await json_bytes(request)), None
    async with form_of(request, max_bytes, "#/file", ["file"]) as form:
        key = f"videos/{new_id('upl')}"
        await run_in_threadpool(keep, file_of(form, "file").file, blobs, key, scratch)
        return None, key


def _url(body: bytes) -> str:
    try:
        return VideoCreate.model_validate_json(body).url
    except ValidationError as error:
        rows = [FieldError("#" + "".join(f"/{part}" for part in e["loc"]), e["msg"]) for e in error.errors()[:20]]
        if any(item["type"] == "json_invalid" for item in error.errors()):
            raise BadRequest("The body is not valid JSON.", pointer="#") from error
        raise Unprocessable(f"{rows[0].pointer}: {rows[0].detail}", errors=rows) from error
