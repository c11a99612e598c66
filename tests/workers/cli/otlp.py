"""An OTLP collector on loopback: keeps every span that processes send it."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """`spans` as (process, span) pairs, in the order of arrival."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        collected = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
                for resource in sent.resource_spans:
                    named = {item.key: item.value.string_value for item in resource.resource.attributes}
                    for scope in resource.scope_spans:
                        collected.extend((named["service.name"], span) for span in scope.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def of_trace(self, trace: str) -> dict[str, tuple[str, Any]]:
        """Spans of one trace by name."""
        return {span.name: (process, span) for process, span in list(self.spans) if span.trace_id.hex() == trace}

    def linked_to(self, trace: str) -> dict[str, tuple[str, Any]]:
        """Spans that link to a trace, by name."""
        found = [
            (process, span) for process, span in list(self.spans) for link in span.links if link.trace_id.hex() == trace
        ]
        return {span.name: (process, span) for process, span in found}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
