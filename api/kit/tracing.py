"""Traces: spans over HTTP, Celery, Kafka and the stores, sent to an OTLP collector where one is named.

Off until `start`: everything here is then a no-op that costs a look at one variable.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from api.settings import TelemetrySettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

Attribute = str | int | float | bool
MAX_LINKS = 32  # of a batch's events; more would tell nothing more
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")  # W3C trace context, 3.2

_propagator = TraceContextTextMapPropagator()
_nothing: AbstractContextManager[trace.Span] = nullcontext(trace.INVALID_SPAN)
_on: "tuple[trace.Tracer, TracerProvider] | None" = None


def start(settings: TelemetrySettings, role: str, exporter: "SpanExporter | None" = None) -> None:
    """Trace from now on, if the settings name a collector (or a test brings its exporter)."""
    global _on  # noqa: PLW0603 - one tracer a process, like the registry of metrics
    if not settings.otlp_endpoint and exporter is None:
        return
    from api.kit.tracing_sdk import provider_for  # noqa: PLC0415 - the embedded shape runs without the SDK

    provider = provider_for(settings, role, exporter)
    _on = provider.get_tracer("shoplight"), provider


def stop() -> None:
    """Send what is left, then be off again."""
    global _on  # noqa: PLW0603 - see start
    if _on is not None:
        provider = _on[1]
        _on = None
        provider.shutdown()


def is_on() -> bool:
    """Whether spans are made at all."""
    return _on is not None


def span(
    name: str, *, kind: SpanKind = SpanKind.INTERNAL, links: Iterable[str] = (), **attributes: Attribute
) -> AbstractContextManager[trace.Span]:
    """A span around a piece of work, child of the current one. `links` are traceparents of others' spans."""
    if _on is None:
        return _nothing
    found = _links(links)
    return _on[0].start_as_current_span(name, kind=kind, links=found, attributes=attributes)


def carrier() -> dict[str, str]:
    """The current span for a message's headers; empty when off or not sampled."""
    headers: dict[str, str] = {}
    if _on is not None and trace.get_current_span().get_span_context().trace_flags.sampled:
        _propagator.inject(headers)
    return headers


def traceparent() -> str:
    """The current span as text, "" when off or not sampled: what an event carries through the log."""
    return "" if _on is None else carrier().get("traceparent", "")


def continued(
    headers: Mapping[str, str], name: str, *, kind: SpanKind = SpanKind.CONSUMER, **attributes: Attribute
) -> AbstractContextManager[trace.Span]:
    """A span whose parent is in another process, as told by `carrier` there. What cannot be read starts a trace."""
    if _on is None:
        return _nothing
    return _continued(_on[0], headers, name, kind, attributes)


@contextmanager
def _continued(
    tracer: trace.Tracer, headers: Mapping[str, str], name: str, kind: SpanKind, attributes: dict[str, Attribute]
) -> Iterator[trace.Span]:
    context = _propagator.extract(dict(headers))
    with tracer.start_as_current_span(name, context=context, kind=kind, attributes=attributes) as current:
        yield current


def failed(current: trace.Span, reason: str) -> None:
    """Mark a span that ends without an exception as an error."""
    current.set_status(StatusCode.ERROR, reason)


def _links(traceparents: Iterable[str]) -> list[Link]:
    links: list[Link] = []
    for text in dict.fromkeys(traceparents):
        if len(links) == MAX_LINKS:
            break
        if TRACEPARENT.fullmatch(text):
            context = _propagator.extract({"traceparent": text})
            links.append(Link(trace.get_current_span(context).get_span_context()))
    return links
