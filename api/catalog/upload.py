"""The feed of a request: multipart `file`, kept as a blob, or JSON `feed_url`. Its content is judged by the worker, so
that a large feed keeps nobody waiting."""

from typing import BinaryIO

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from api.catalog.schemas import FeedAddress
from api.errors import BadRequest, FieldError, Unprocessable, pointer_of
from api.kit.ids import new_id
from api.kit.uploads import JSON, body_kind, described, file_of, form_of, json_bytes, keep
from api.ports import Ports

BODY_DESCRIPTION = described("file", FeedAddress.model_json_schema())


async def take_feed(request: Request, ports: Ports) -> tuple[str | None, str | None]:
    """(key of the stored feed, None) or (None, its address)."""
    if body_kind(request, "file", "feed_url") == JSON:
        return None, _address(await json_bytes(request))
    async with form_of(request, ports.settings.fetch.max_feed_bytes, "#/file", ["file"]) as form:
        return await run_in_threadpool(keep_feed, ports, file_of(form, "file").file), None


def keep_feed(ports: Ports, source: BinaryIO) -> str:
    """Store a feed for a worker; its key."""
    key = f"feeds/{new_id('fed')}"
    keep(source, ports.blobs, key, ports.settings.datadir)
    return key


def _address(body: bytes) -> str:
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
