"""What `analyze` says of a stream of which only a part was seen."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest

from tests.workers.cli.conftest import Shoplight

JOB = {"id": "vid_1", "state": "done", "progress": 1.0, "truncated": True, "duration_ms": 4200}


class Server(BaseHTTPRequestHandler):
    """As a Shoplight answers about a film that broke off."""

    posted: ClassVar[list[str]] = []
    error: str | None = "not fetched: the server answered 404"

    def do_POST(self) -> None:
        self.posted.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({**JOB, "error": self.error})

    def do_GET(self) -> None:
        self._answer({"tags": []})

    def _answer(self, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    Server.posted.clear()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.mark.parametrize("error", ["not fetched: the server answered 404", None])
def test_a_stream_of_which_a_part_was_seen_says_how_much_and_why(
    shoplight: Shoplight, server: str, monkeypatch: pytest.MonkeyPatch, error: str | None
) -> None:
    monkeypatch.setattr(Server, "error", error)
    said = shoplight("analyze", "https://cdn.example/live.m3u8?token=1", "--url", server, "--key", "sk_any")
    assert said.exit_code == 0
    assert Server.posted == ["/v1/videos"]
    told = " ".join(said.stderr.split())
    assert "first 4.2 s" in told
    assert (error or "limit") in told
