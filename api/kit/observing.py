"""Every HTTP request gets an id, a span, a measurement and, in JSON logs, a line. Plain ASGI, outside all else."""

import logging
import time
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from opentelemetry.trace import Span, SpanKind
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.kit import request_ids, tracing
from api.kit.logs import ACCESS
from api.kit.metrics import MetricName, counter, gauge, histogram
from api.kit.scrubbing import shown_path

log = logging.getLogger(ACCESS)
REQUESTS = counter(MetricName.http_requests, ["method", "route", "status"])
SECONDS = histogram(MetricName.http_seconds, ["method", "route"])
IN_FLIGHT = gauge(MetricName.http_in_flight)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ID = request_ids.HEADER.lower().encode()


class Observed:
    """`quiet` paths are asked for by machines every second: they are counted, and neither traced nor logged."""

    def __init__(self, app: ASGIApp, quiet: Collection[str] = ()) -> None:
        self._app = app
        self._quiet = frozenset(quiet)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_ids.given_or_new(_header(scope, _ID))
        request_ids.request_id.set(request_id)
        one = _Request(scope, send, request_id)
        quiet = scope["path"] in self._quiet
        IN_FLIGHT.inc()
        try:
            if quiet or not tracing.is_on():
                await self._answer(one, receive, quiet=quiet)
            else:
                await self._traced(one, receive)
        finally:
            IN_FLIGHT.dec()

    async def _answer(self, one: "_Request", receive: Receive, *, quiet: bool) -> None:
        try:
            await self._app(one.scope, receive, one.send)
        finally:
            one.measure(logged=not quiet and log.isEnabledFor(logging.INFO))

    async def _traced(self, one: "_Request", receive: Receive) -> None:
        carried = {name: _header(one.scope, name.encode()) for name in ("traceparent", "tracestate")}
        with tracing.continued(carried, one.method, kind=SpanKind.SERVER) as span:
            try:
                await self._answer(one, receive, quiet=False)
            finally:
                one.describe(span)


def _header(scope: Scope, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


class _Request:
    """One request on its way. Until an answer starts its status is 500: that is what a crash ends in."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self.scope = scope
        self.request_id = request_id
        self.method = scope["method"] if scope["method"] in _METHODS else "other"
        self.status = 500
        self._send = send
        self._started = time.perf_counter()

    @property
    def route(self) -> str:
        """The template: `/v1/products/{product_id}`, never an id."""
        route: Any = self.scope.get("route")
        return getattr(route, "path_format", None) or getattr(route, "path", None) or "unmatched"

    async def send(self, message: Message) -> None:
        """Pass it on, with the id of the request."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [pair for pair in message.get("headers", ()) if pair[0] != _ID]
            message["headers"] = [*headers, (_ID, self.request_id.encode())]
        await self._send(message)

    def describe(self, span: Span) -> None:
        """Name the span, now that the route is known."""
        if span.is_recording():
            span.update_name(f"{self.method} {self.route}")
            span.set_attribute("http.request.method", self.method)
            span.set_attribute("http.route", self.route)
            span.set_attribute("http.response.status_code", self.status)
            span.set_attribute("shoplight.request_id", self.request_id)
            if self.status >= 500:
                tracing.failed(span, str(self.status))

    def measure(self, *, logged: bool) -> None:
        """Count it, and write its line."""
        seconds = time.perf_counter() - self._started
        route = self.route
        requests, durations = _series(self.method, route, self.status)
        requests.inc()
        durations.observe(seconds)
        if logged:
            path = shown_path(self.scope["path"])
            fields = {
                "method": self.method,
                "path": path,
                "route": route,
                "status": self.status,
                "ms": round(seconds * 1000, 2),
            }
            log.info("%s %s %d", self.method, path, self.status, extra={"fields": fields})


@lru_cache(maxsize=4096)  # looking a series up by its labels costs more than counting in it
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, status), SECONDS.labels(method, route)
