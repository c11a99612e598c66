"""A body that drips does not hold a request for ever: 408 when it comes slower than anybody's line."""

import asyncio
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError, problem
from api.kit.overload import REFUSED

BYTES_A_SECOND = 4096  # a large upload may take this long; only waiting counts, not what the server does meanwhile


class RequestTimeout(ApiError):
    """The client did not send in time what it announced."""

    status, code = 408, "request_timeout"


class BodyTimeout:
    """Plain ASGI. A body has `seconds`, and a second more for every 4 KiB of it that has come."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guarded = _Guarded(scope, receive, send, self._seconds)
        await self._app(scope, guarded.receive, guarded.send)


class _Guarded:
    """Past its time it answers 408 itself, and the app meets a closed connection."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, seconds: float) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._most_s = self._left_s = seconds
        self._whole = False
        self._answered = False
        self._refused = False

    async def receive(self) -> Message:
        if self._refused:
            return {"type": "http.disconnect"}
        if self._whole:  # what comes now is the end of the connection, and that may take as long as it likes
            return await self._receive()
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._left_s):
                message = await self._receive()
        except TimeoutError:
            await self._refuse()
            return {"type": "http.disconnect"}
        earned_s = len(message.get("body", b"")) / BYTES_A_SECOND - (time.perf_counter() - started)
        # not to be saved up: who has sent much at once may not stand still for long afterwards
        self._left_s = min(self._most_s, self._left_s + earned_s)
        self._whole = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        self._answered = True
        if not self._refused:
            await self._send(message)

    async def _refuse(self) -> None:
        self._refused = True
        REFUSED.labels("slow_body").inc()
        if not self._answered:
            slow = RequestTimeout("The body did not arrive in time.", pointer="#", headers={"Connection": "close"})
            await problem(slow)(self._scope, self._receive, self._send)
