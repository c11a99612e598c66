"""Each request's id, measurement, line and span, over the real app."""

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from api.kit import logs, tracing
from api.ports import Ports
from api.settings import TelemetrySettings

SEEN = "shoplight_http_requests_total"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the log of requests says, in JSON."""
    log, stream = logging.getLogger(logs.ACCESS), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    kept = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield stream
    log.removeHandler(handler)
    log.setLevel(kept)


def test_an_id_is_made_and_told(client: TestClient) -> None:
    first, second = (client.get("/v1/products").headers["x-request-id"] for _ in range(2))
    assert first.startswith("req_")
    assert first != second


def test_a_sane_id_is_kept_and_no_other(client: TestClient) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": "edge-0000.17"}).headers["x-request-id"] == "edge-0000.17"
    for bad in ("short", "x" * 65, "white space here", 'quote"quote"', "<script>alert(1)</script>"):
        answered = client.get("/healthz", headers={"X-Request-Id": bad}).headers.get_list("x-request-id")
        assert len(answered) == 1
        assert answered[0].startswith("req_")


def test_a_crash_has_its_id_too(ports: Ports, client: TestClient) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("on purpose")

    ports.sites.resolve = crash
    answer = client.post("/v1/tags", json={"key": "pk_x", "page": {"url": "http://x.example"}, "media": []})
    assert answer.status_code == 500
    assert answer.headers["x-request-id"].startswith("req_")


def test_requests_are_counted_by_template_never_by_what_stands_in_it(client: TestClient) -> None:
    def count(route: str, status: str) -> float:
        return REGISTRY.get_sample_value(SEEN, {"method": "GET", "route": route, "status": status}) or 0

    before = count("/v1/products/{product_id}", "401"), count("unmatched", "404")
    client.get("/v1/products/prd_one")
    client.get("/v1/products/prd_two")
    client.get("/no/such/thing")
    assert count("/v1/products/{product_id}", "401") == before[0] + 2
    assert count("unmatched", "404") == before[1] + 1
    assert count("/no/such/thing", "404") == 0


def test_a_made_up_method_is_no_series_of_its_own(client: TestClient) -> None:
    client.request("BREW", "/v1/products")
    assert "BREW" not in client.get("/metrics").text


def test_the_line_of_a_request_holds_no_secrets(client: TestClient, lines: io.StringIO) -> None:
    token = "T" * 300
    client.get(f"/c/{token}?e=abcdefgh&key=sk_querysecret", headers={"Authorization": "Bearer sk_headersecret"})
    text = lines.getvalue()
    line = json.loads(text)
    assert line["route"] == "/c/{token}"
    assert (line["method"], line["status"], line["message"]) == ("GET", 404, "GET /c/TTTTTTTT… 404")
    assert line["ms"] >= 0
    assert token[:20] not in text
    assert "secret" not in text
    assert line["request_id"].startswith("req_")


def test_health_is_asked_for_too_often_to_be_worth_a_line(client: TestClient, lines: io.StringIO) -> None:
    client.get("/healthz")
    assert lines.getvalue() == ""


def test_lines_of_one_request_share_its_id_also_from_threads(client: TestClient, lines: io.StringIO) -> None:
    def work() -> None:  # no coroutine: a thread of the pool runs it
        logging.getLogger(logs.ACCESS).info("in %s", threading.current_thread().name)

    client.app.add_api_route("/work", work)
    client.get("/work", headers={"X-Request-Id": "edge-00017"})
    inside, request = (json.loads(line) for line in lines.getvalue().splitlines())
    assert "worker" in inside["message"].lower()
    assert inside["request_id"] == request["request_id"] == "edge-00017"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.start(TelemetrySettings(trace_ratio=0), "test", exporter)  # nothing but what the caller asks for
    yield exporter
    tracing.stop()


def test_a_callers_trace_goes_on_and_the_span_has_the_templates_name(
    client: TestClient, spans: InMemorySpanExporter, lines: io.StringIO
) -> None:
    trace, parent = "ab" * 16, "cd" * 8
    client.get("/v1/products/prd_one", headers={"traceparent": f"00-{trace}-{parent}-01"})
    client.get("/v1/products/prd_two")
    client.get("/healthz", headers={"traceparent": f"00-{trace}-{parent}-01"})
    tracing.stop()
    (span,) = spans.get_finished_spans()
    assert (span.name, f"{span.context.trace_id:032x}") == ("GET /v1/products/{product_id}", trace)
    assert f"{span.parent.span_id:016x}" == parent
    assert span.attributes["http.response.status_code"] == 401
    assert json.loads(lines.getvalue().splitlines()[0])["trace_id"] == trace
