"""Refuses addresses with a NUL in them: no field of ours holds one, and databases differ in what they make of it."""

from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import BadRequest, problem


class CleanUrls:
    """Plain ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            in_query = b"%00" in scope["query_string"] or b"\x00" in scope["query_string"]
            if in_query or "\x00" in scope["path"]:
                pointer = "?" if in_query else "path:"
                error = BadRequest("An address must not hold a NUL character.", pointer=pointer)
                await problem(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)
