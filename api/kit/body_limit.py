"""No request body without a bound: 413 unread where its length is told, else as soon as it shows itself too long."""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import TooLarge, problem

LimitOf = Callable[[str], int]


class BodyLimit:
    """Plain ASGI. `limit_of` gives the most bytes of a path."""

    def __init__(self, app: ASGIApp, limit_of: LimitOf) -> None:
        self._app = app
        self._limit_of = limit_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        length = dict(scope["headers"]).get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            await _refused(limit)(scope, receive, send)
            return
        guarded = _Guarded(scope, receive, send, limit)
        await self._app(scope, guarded.receive, guarded.send)


class _Guarded:
    """Counts what arrives; past the limit it answers 413 itself, and the app meets a closed connection."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limit = limit
        self._seen = 0
        self._answered = False
        self._refused = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > self._limit and not self._refused:
            self._refused = True
            if not self._answered:
                await _refused(self._limit)(self._scope, self._receive, self._send)
        return {"type": "http.disconnect"} if self._refused else message

    async def send(self, message: Message) -> None:
        self._answered = True
        if not self._refused:
            await self._send(message)


def _refused(limit: int) -> ASGIApp:
    return problem(TooLarge(f"At most {limit:,} bytes are taken here.", pointer="#"))
