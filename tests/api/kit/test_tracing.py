"""Spans across processes: what a carrier carries, what a batch links to, and that being off means nothing happens."""

from collections.abc import Iterator

import msgspec
import pytest
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.events.records import StampedEvent, UsageRecord, encode, traceparent_of
from api.kit import tracing
from api.settings import TelemetrySettings


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.start(TelemetrySettings(trace_ratio=1), "test", exporter)
    yield exporter
    tracing.stop()


def started(exporter: SpanExporter, ratio: float) -> None:
    tracing.start(TelemetrySettings(trace_ratio=ratio), "test", exporter)


def event(**more: object) -> StampedEvent:
    kinds = {field.name: field.type for field in msgspec.structs.fields(StampedEvent) if field.required}
    return StampedEvent(**{name: kind(1) for name, kind in kinds.items()}, **more)


def test_off_nothing_is_made_and_nothing_is_carried() -> None:
    with tracing.span("work", size=1), tracing.continued({"traceparent": "00-1-2-01"}, "task"):
        assert (tracing.carrier(), tracing.traceparent(), tracing.is_on()) == ({}, "", False)


def test_a_span_in_another_process_is_a_child_of_the_one_that_sent(spans: InMemorySpanExporter) -> None:
    with tracing.span("request"):
        sent = tracing.carrier()
    with tracing.continued(sent, "task"):
        pass
    tracing.stop()
    request, task = spans.get_finished_spans()
    assert task.parent.span_id == request.context.span_id
    assert task.context.trace_id == request.context.trace_id


@pytest.mark.parametrize("traceparent", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "00-zz-zz-01"])
def test_what_cannot_be_read_starts_a_trace_of_its_own(spans: InMemorySpanExporter, traceparent: str) -> None:
    with tracing.continued({"traceparent": traceparent}, "task"):
        pass
    tracing.stop()
    assert spans.get_finished_spans()[0].parent is None


def test_a_batch_links_to_each_trace_once_and_to_a_bounded_number(spans: InMemorySpanExporter) -> None:
    traces = []
    for _ in range(tracing.MAX_LINKS + 5):
        with tracing.span("request"):
            traces.append(tracing.traceparent())
    with tracing.span("few", links=[traces[0], "broken", traces[0], traces[1]]):
        pass
    with tracing.span("many", links=traces):
        pass
    tracing.stop()
    few, many = spans.get_finished_spans()[-2:]
    linked = [f"{link.context.trace_id:032x}" for link in few.links]
    assert linked == [trace.split("-")[1] for trace in traces[:2]]
    assert len(many.links) == tracing.MAX_LINKS


def test_a_batch_with_something_sampled_in_it_is_sampled() -> None:
    exporter = InMemorySpanExporter()
    started(exporter, 0)
    with tracing.span("nobody's batch"):
        pass
    with tracing.span("batch", links=["00-" + "a" * 32 + "-" + "b" * 16 + "-01"]), tracing.span("insert"):
        pass
    with tracing.span("other batch", links=["00-" + "a" * 32 + "-" + "b" * 16 + "-00"]):
        pass
    tracing.stop()
    assert [span.name for span in exporter.get_finished_spans()] == ["insert", "batch"]


def test_what_is_not_sampled_carries_nothing() -> None:
    started(InMemorySpanExporter(), 0)
    with tracing.span("request"):
        carried = tracing.carrier(), tracing.traceparent()
    tracing.stop()
    assert carried == ({}, "")


def test_an_events_trace_is_read_off_its_bytes() -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    assert traceparent_of(encode(event(traceparent=trace))) == trace
    assert traceparent_of(encode(event())) == ""
    assert traceparent_of(encode(UsageRecord(tenant_id="t", query_id="q", kind="search", quantity=1, at_ms=1))) == ""
    assert traceparent_of(b"\xd9") == ""
