"""The HTTP contract as the script sees it, in memory: one host for bundles and API, another for pages.

It records what arrives and answers what a test tells it to; it decides nothing.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

DIST = Path(__file__).resolve().parents[2] / "sdk" / "dist"

Answer = tuple[int, str, bytes]


@dataclass
class Host:
    """What the tests steer (``tags_for``, ``pages``, ``files``, the statuses) and what they look at."""

    picture: bytes
    tags_for: Callable[[dict[str, Any], int], dict[str, Any]]
    pages: dict[str, str] = field(default_factory=dict)
    page_headers: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    event_statuses: list[int] = field(default_factory=list)
    feedback_statuses: list[int] = field(default_factory=list)
    feedback_open: Answer = (200, "application/json", b'{"open": true}')
    asked: list[dict[str, Any]] = field(default_factory=list)
    posted: list[bytes] = field(default_factory=list)
    accepted: list[bytes] = field(default_factory=list)
    said: list[tuple[int, bytes]] = field(default_factory=list)
    redirects: list[tuple[str, str]] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    api: str = ""
    site: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Distinct events of accepted batches, as a collector counts them."""
        seen: dict[str, dict[str, Any]] = {}
        with self.lock:
            for body in self.accepted:
                for event in json.loads(body)["events"]:
                    seen[event["id"]] = event
        return [e for e in seen.values() if kind is None or e["type"] == kind]

    def votes(self) -> list[dict[str, Any]]:
        """Shoppers' words that were taken."""
        with self.lock:
            return [json.loads(body) for status, body in self.said if status == 202]

    def post(self, path: str, body: bytes) -> Answer:
        if path == "/v1/tags":
            request = json.loads(body)
            with self.lock:
                self.asked.append(request)
                nonce = len(self.asked)
            media = [{"url": m["url"], **self.tags_for(m, nonce)} for m in request["media"]]
            return 200, "application/json", json.dumps({"media": media, "ttl_s": 600}).encode()
        if path == "/v1/events":
            with self.lock:
                status = self.event_statuses.pop(0) if self.event_statuses else 202
                self.posted.append(body)
                if status == 202:
                    self.accepted.append(body)
            return status, "application/json", b'{"accepted": 0, "duplicate": 0, "rejected": []}'
        if path == "/v1/feedback":
            with self.lock:
                status = self.feedback_statuses.pop(0) if self.feedback_statuses else 202
                self.said.append((status, body))
            return status, "application/json", b'{"counted": true}'
        return 404, "text/plain", b""

    def get(self, target: str) -> Answer:
        url = urlsplit(target)
        with self.lock:
            self.fetched.append(target)
        if url.path.startswith("/sdk/"):
            return 200, "text/javascript", (DIST / url.path.removeprefix("/sdk/")).read_bytes()
        if url.path == "/v1/feedback":
            return self.feedback_open
        if url.path.startswith("/c/"):
            with self.lock:
                self.redirects.append((url.path.removeprefix("/c/"), parse_qs(url.query).get("e", [""])[0]))
            return 200, "text/html", b"<title>shop</title>"
        if url.path.startswith("/i/"):
            return 200, "image/png", self.picture
        if url.path in self.files:
            return (200, *self.files[url.path])
        page = self.pages.get(url.path)
        return (200, "text/html; charset=utf-8", page.encode()) if page is not None else (404, "text/plain", b"")


def _handler(host: Host) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _send(self, answer: Answer) -> None:
            status, content_type, body = answer
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if asked and status == 200:
                # Players seek by ranges.
                first, last, size = int(asked[1]), int(asked[2] or len(body) - 1), len(body)
                status, body = 206, body[first : last + 1]
            self.send_response(status)
            if status == 206 and asked:
                self.send_header("Content-Range", f"bytes {first}-{first + len(body) - 1}/{size}")
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Access-Control-Allow-Origin", "*")
            if content_type.startswith("text/html"):
                for name, value in host.page_headers.items():
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._send(host.get(self.path))

        def do_POST(self) -> None:
            self._send(host.post(self.path, self.rfile.read(int(self.headers["Content-Length"]))))

        def log_message(self, *args: object) -> None:
            """Quiet: pytest shows what matters."""

    return Handler


@contextmanager
def serve(host: Host) -> Iterator[Host]:
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(host)) for _ in range(2)]
    host.api, host.site = (f"http://127.0.0.1:{s.server_port}" for s in servers)
    threads = [threading.Thread(target=s.serve_forever, args=(0.05,), daemon=True) for s in servers]
    for thread in threads:
        thread.start()
    try:
        yield host
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
