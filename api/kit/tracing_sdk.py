"""The OpenTelemetry SDK as we set it up. Imported by `tracing.start` alone, where a collector is named."""

import os
import socket
from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes

from api.settings import TelemetrySettings

EXPORT_TIMEOUT_S = 5


def provider_for(settings: TelemetrySettings, role: str, exporter: SpanExporter | None) -> TracerProvider:
    """Samples by the trace id, so that all processes agree on which traces are kept; what came sampled stays so."""
    process = {
        "service.name": f"shoplight-{role}",
        "service.namespace": "shoplight",
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
    }
    provider = TracerProvider(
        sampler=ParentBased(_Linked(settings.trace_ratio)),
        resource=Resource.create(process),
        shutdown_on_exit=False,  # `tracing.stop` is called where a process ends
    )
    endpoint = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter(endpoint, timeout=EXPORT_TIMEOUT_S)))
    return provider


class _Linked(Sampler):
    """A share of all traces, and every batch that carries something of a sampled one: else the way of an event would
    end where its request does."""

    def __init__(self, ratio: float) -> None:
        self._share = TraceIdRatioBased(ratio)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """See Sampler."""
        linked = any(link.context.trace_flags.sampled for link in links or ())
        by: Sampler = ALWAYS_ON if linked else self._share
        return by.should_sample(parent_context, trace_id, name, kind, attributes, links)

    def get_description(self) -> str:
        """See Sampler."""
        return f"linked, or {self._share.get_description()}"
