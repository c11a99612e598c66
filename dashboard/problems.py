"""Problems as a page where a person is looking; programs get the API's own problem+json."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from api.errors import ApiError, Unprocessable, problem
from dashboard.rendering import render

API_PATHS = ("/v1/", "/c/", "/i/", "/webhooks/")
TITLES = {403: "Not for you", 404: "Not here", 422: "That does not fit"}
Handler = Callable[[Request, Any], Response | Awaitable[Response]]


def show_problems_as_pages(app: FastAPI) -> None:
    """Put a page in front of the API's handlers, for browsers outside the API's paths."""
    for kind in (ApiError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _paged(app.exception_handlers[kind]))
    app.add_exception_handler(ValidationError, _paged(_on_form))


def _paged(for_programs: Handler) -> Handler:
    async def handle(request: Request, error: Any) -> Response:
        made = for_programs(request, error)
        answer = made if isinstance(made, Response) else await made
        wants_page = "text/html" in request.headers.get("accept", "")
        if not wants_page or request.url.path.startswith(API_PATHS):
            return answer
        title = TITLES.get(answer.status_code, "That did not work")
        return render(request, "error.html", answer.status_code, title=title, detail=_told(error))

    return handle


async def _on_form(request: Request, error: Exception) -> Response:
    """A form whose fields a schema refuses. Inside the API the same would be a mistake of ours."""
    if request.url.path.startswith(API_PATHS):
        raise error
    return problem(Unprocessable(_told(error)))


def _told(error: Exception) -> str:
    if isinstance(error, RequestValidationError | ValidationError):
        return "; ".join(f"{item['loc'][-1]}: {item['msg']}" for item in error.errors()[:3])
    return str(getattr(error, "detail", "")) or "The request could not be served."
