"""More requests than a process should hold at once are told when to come back: memory stays bounded, and those who are
served are served in time."""

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Unavailable, problem
from api.kit.metrics import MetricName, counter

RETRY_AFTER_S = 2
REFUSED = counter(MetricName.http_refused, ["reason"])


class InFlightLimit:
    """Plain ASGI, for one event loop. `exempt` paths are always answered: health above all."""

    def __init__(self, app: ASGIApp, most: int, exempt: Collection[str] = ()) -> None:
        self._app = app
        self._most = most
        self._exempt = frozenset(exempt)
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._exempt:
            await self._app(scope, receive, send)
            return
        if self._now >= self._most:
            REFUSED.labels("overload").inc()
            busy = Unavailable("Too many requests are being answered.", retry_after_s=RETRY_AFTER_S, code="busy")
            await problem(busy)(scope, receive, send)
            return
        self._now += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._now -= 1
