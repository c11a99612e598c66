"""What the publisher script needs of HTTP: modules that any page may import, and answers that any page may read."""

from collections.abc import Collection

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOADER_S, FOREVER_S = 300, 31_536_000


class SdkFiles(StaticFiles):
    """The bundles. `import()` of another origin's module needs CORS; an address with `?v=<hash>` never changes."""

    def file_response(self, *args: object, **more: object) -> Response:
        """Add the headers to what Starlette answers."""
        scope = more.get("scope", args[2] if len(args) > 2 else {})
        response: Response = super().file_response(*args, **more)  # type: ignore[arg-type]  # passed on as given
        versioned = isinstance(scope, dict) and b"v=" in scope.get("query_string", b"")
        age = f"public, max-age={FOREVER_S}, immutable" if versioned else f"public, max-age={LOADER_S}"
        response.headers["Cache-Control"] = age
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


class ReadableAnswers:
    """Lets every page read the answers of these paths, refusals included: without it a script takes a 403 for a
    network error and tries again. Nothing is given away: these calls carry no cookies."""

    def __init__(self, app: ASGIApp, paths: Collection[str]) -> None:
        self._app = app
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in self._paths:
            await self._app(scope, receive, send)
            return

        async def readable(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Access-Control-Allow-Origin", "*")
            await send(message)

        await self._app(scope, receive, readable)
