"""Errors that a caller can act on, and their form on the wire: RFC 9457 problem+json with a pointer to the field."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

log = logging.getLogger(__name__)
PROBLEM_JSON = "application/problem+json"


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


async def _on_disconnect(_: Request, __: Exception) -> JSONResponse:
    """Nobody reads this answer, but an upload that breaks off is no fault of ours for the log to tell."""
    return problem(BadRequest("The body ended early.", pointer="#"))


async def _on_crash(request: Request, error: Exception) -> JSONResponse:
    log.error("unhandled error in %s %s", request.method, request.url.path, exc_info=error)
    wrapped = ApiError("Something broke on our side; it is in our log.", code="internal")
    wrapped.status = 500
    return problem(wrapped)


def install(app: FastAPI) -> None:
    """Give every error of the app the one form."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_crash)
