"""Problems as a page where a person is looking; programs get the API's own problem+json."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from api.errors import ApiError, Unprocessable, problem, store_problem
from dashboard.rendering import render
from dashboard.security import local_path

API_PATHS = ("/v1/", "/c/", "/i/", "/webhooks/")
TITLES = {403: "Not for you", 404: "Not here", 422: "That does not fit"}
Handler = Callable[[Request, Any], Response | Awaitable[Response]]


def show_problems_as_pages(app: FastAPI) -> None:
    """Put a page in front of the API's handlers, for browsers outside the API's paths."""
    for kind in (ApiError, HTTPException, RequestValidationError, SQLAlchemyError):
        app.add_exception_handler(kind, _paged(app.exception_handlers[kind]))
    app.add_exception_handler(ValidationError, _paged(_on_form))


def _paged(for_programs: Handler) -> Handler:
    async def handle(request: Request, error: Any) -> Response:
        made = for_programs(request, error)
        answer = made if isinstance(made, Response) else await made
        if request.url.path.startswith(API_PATHS):
            return answer
        if "hx-request" in request.headers:
            page = render(request, "includes/problem.html", answer.status_code, problem=_told(error))
        elif "text/html" not in request.headers.get("accept", ""):
            return answer
        else:
            title = TITLES.get(answer.status_code, "That did not work")
            told, back = _told(error), _back(request)
            page = render(request, "error.html", answer.status_code, title=title, detail=told, back=back)
        if "retry-after" in answer.headers:
            page.headers["Retry-After"] = answer.headers["retry-after"]
        return page

    return handle


async def _on_form(request: Request, error: Exception) -> Response:
    """A form whose fields a schema refuses. Inside the API the same would be a mistake of ours."""
    if request.url.path.startswith(API_PATHS):
        raise error
    return problem(Unprocessable(_told(error)))


def in_words(error: RequestValidationError | ValidationError) -> str:
    """The first things wrong, each with its field, without the library's own prefix."""
    told = ((str(item["loc"][-1]), item["msg"].removeprefix("Value error, ")) for item in error.errors()[:3])
    return "; ".join(f"{field.replace('_', ' ')}: {reason}" for field, reason in told)


def _told(error: Exception) -> str:
    if isinstance(error, RequestValidationError | ValidationError):
        return in_words(error)
    if isinstance(error, SQLAlchemyError):
        error = store_problem(error) or error
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND:
        return "There is no such page."
    return str(getattr(error, "detail", "")) or "The request could not be served."


def _back(request: Request) -> str:
    """The page of ours that the person came from, as a path; empty where there is none or it is the one that failed."""
    came = urlsplit(request.headers.get("referer", ""))
    path = f"{came.path}?{came.query}" if came.query else came.path
    failed = request.method == "GET" and (came.path, came.query) == (request.url.path, request.url.query)
    return local_path(path, "") if came.netloc == request.headers.get("host") and not failed else ""
