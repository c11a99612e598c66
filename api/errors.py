"""Errors that a caller can act on, and their form on the wire: RFC 9457 problem+json with a pointer to the field."""

import errno
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.kit import request_ids
from api.kit.metrics import STORE_ERRORS
from api.kit.scrubbing import shown_path

log = logging.getLogger(__name__)
PROBLEM_JSON = "application/problem+json"
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # an upload is spooled to a disk that is full, or only read


@dataclass(frozen=True)
class FieldError:
    """One thing wrong: `pointer` is `#/a/b` into the body, `?name` a query parameter, `@Name` a header."""

    pointer: str
    detail: str


class ApiError(Exception):
    """Something the caller did or must know; becomes a problem document, never a traceback."""

    status = 400
    code = "bad_request"

    def __init__(
        self,
        detail: str,
        *,
        pointer: str | None = None,
        code: str | None = None,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.errors = [FieldError(pointer, detail)] if pointer else list(errors)
        self.headers = dict(headers or {})


class BadRequest(ApiError):
    """The request cannot be read at all."""


class Unauthorized(ApiError):
    """No usable credentials."""

    status, code = 401, "unauthorized"

    def __init__(self, detail: str = "Send a valid key: 'Authorization: Bearer sk_…'.", **more: Any) -> None:
        more.setdefault("headers", {"WWW-Authenticate": "Bearer"})
        super().__init__(detail, **more)


class Forbidden(ApiError):
    """Known caller, not allowed here."""

    status, code = 403, "forbidden"


class NotFound(ApiError):
    """Not there, or another tenant's: the two look the same."""

    status, code = 404, "not_found"


class Conflict(ApiError):
    """The request meets a state it does not fit."""

    status, code = 409, "conflict"


class TooLarge(ApiError):
    """More bytes, pixels or rows than allowed."""

    status, code = 413, "too_large"


class UnsupportedMedia(ApiError):
    """A content type that this call does not take."""

    status, code = 415, "unsupported_media_type"


class Unprocessable(ApiError):
    """Readable, but a field is wrong."""

    status, code = 422, "invalid"


class TooManyRequests(ApiError):
    """A rate limit or a quota was reached."""

    status, code = 429, "rate_limited"


class Unavailable(ApiError):
    """Cannot be served now; says when to come back."""

    status, code = 503, "unavailable"

    def __init__(self, detail: str, *, retry_after_s: int = 2, **more: Any) -> None:
        more["headers"] = {"Retry-After": str(retry_after_s), **more.get("headers", {})}
        super().__init__(detail, **more)


def problem(error: ApiError) -> JSONResponse:
    """The problem document of an error."""
    body: dict[str, Any] = {
        "type": f"https://shoplight.dev/problems/{error.code}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "errors": [{"pointer": item.pointer, "detail": item.detail} for item in error.errors],
    }
    return JSONResponse(body, status_code=error.status, headers=error.headers, media_type=PROBLEM_JSON)


def store_problem(error: SQLAlchemyError) -> ApiError | None:
    """What trouble of the relational store means to a caller; None when it is a mistake of ours."""
    if isinstance(error, IntegrityError | StaleDataError):
        return Conflict("Somebody else changed the same thing at the same time; look at it again, then retry.")
    if isinstance(error, DataError):
        return Unprocessable("A text or number of this request is more than can be stored.")
    if isinstance(error, PoolTimeout):
        return Unavailable("More requests wait for the database than it can serve; try again.", code="overloaded")
    # SQLSTATE 25006: a server that only reads, because another one has taken over
    away = isinstance(error, DBAPIError) and (
        error.connection_invalidated or getattr(error.orig, "sqlstate", None) == "25006"
    )
    if away or isinstance(error, OperationalError | InterfaceError):
        return Unavailable("The database does not answer right now; nothing of this request was stored.")
    return None


def pointer_of(location: Sequence[int | str]) -> str:
    """`('body', 'name')` -> `#/name`, `('query', 'limit')` -> `?limit`; JSON Pointer escapes (RFC 6901)."""
    kind, path = location[0], location[1:]
    escaped = [str(part).replace("~", "~0").replace("/", "~1") for part in path]
    if kind == "body":
        return "#" + "".join(f"/{part}" for part in escaped)
    sign = {"query": "?", "header": "@", "path": "path:", "cookie": "cookie:"}.get(str(kind), f"{kind}:")
    return sign + ".".join(escaped)


def _field_errors(error: RequestValidationError) -> list[FieldError]:
    rows = []
    for item in error.errors()[:50]:
        if item["type"] == "json_invalid":
            rows.append(FieldError("#", f"The body is not valid JSON: {item.get('ctx', {}).get('error', '')}"))
        else:
            rows.append(FieldError(pointer_of(item["loc"]), str(item["msg"])))
    return rows


async def _on_api_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for this type alone
    return problem(error)


async def _on_validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type alone
    rows = _field_errors(error)
    detail = "; ".join(f"{row.pointer}: {row.detail}" for row in rows[:3])
    return problem(Unprocessable(detail or "The request is invalid.", errors=rows))


async def _on_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type alone
    # FastAPI's own word for JSON that is no text, nests without end or holds a number of a thousand digits
    unreadable = error.status_code == HTTPStatus.BAD_REQUEST and error.detail == "There was an error parsing the body"
    detail = "The body cannot be read." if unreadable else str(error.detail)
    wrapped = ApiError(detail, pointer="#" if unreadable else None, headers=error.headers)
    wrapped.status = error.status_code
    wrapped.code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return problem(wrapped)


async def _on_store(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SQLAlchemyError)  # noqa: S101 - registered for this type alone
    known = store_problem(error)
    if known is None:
        return await _on_crash(request, error)
    STORE_ERRORS.labels("database").inc()
    log.warning("%s %s: the database refused: %s", request.method, shown_path(request.url.path), _in_short(error))
    return problem(known)


def _in_short(error: SQLAlchemyError) -> str:
    """The driver's own words without the statement and its parameters, which may be somebody's data."""
    return f"{type(error).__name__}: {getattr(error, 'orig', None) or error}"[:500]


async def _on_disk(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OSError)  # noqa: S101 - registered for this type alone
    if error.errno not in NO_ROOM:
        return await _on_crash(request, error)
    log.error("%s %s: the disk refused: %s", request.method, shown_path(request.url.path), error)
    return problem(Unavailable("There is no room for this on our side; try again later.", retry_after_s=30))


async def _on_disconnect(_: Request, __: Exception) -> JSONResponse:
    """Nobody reads this answer, but an upload that breaks off is no fault of ours for the log to tell."""
    return problem(BadRequest("The body ended early.", pointer="#"))


async def _on_crash(request: Request, error: Exception) -> JSONResponse:
    log.error("unhandled error in %s %s", request.method, shown_path(request.url.path), exc_info=error)
    # sent from outside all middleware, so nobody else adds the id
    found = {request_ids.HEADER: request_ids.request_id.get()}
    wrapped = ApiError("Something broke on our side; it is in our log.", code="internal", headers=found)
    wrapped.status = 500
    return problem(wrapped)


def install(app: FastAPI) -> None:
    """Give every error of the app the one form."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(SQLAlchemyError, _on_store)
    app.add_exception_handler(OSError, _on_disk)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_crash)
