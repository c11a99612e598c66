"""Bodies that drip, over a real server and real sockets."""

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from api.main import create_app
from api.ports import Ports
from api.settings import HttpSettings, Settings
from tests.running_demo import free_port


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"http": HttpSettings(body_timeout_s=0.6)})


@pytest.fixture
def address(ports: Ports) -> Iterator[tuple[str, int]]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(ports), port=port, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield "127.0.0.1", port
    server.should_exit = True
    thread.join(10)


def started(address: tuple[str, int], path: str, length: int, kind: str = "text/plain") -> socket.socket:
    line = socket.create_connection(address, timeout=10)
    head = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        "Origin: http://x",
        f"Content-Type: {kind}",
        f"Content-Length: {length}",
    ]
    line.sendall("\r\n".join([*head, "", ""]).encode())
    return line


def answer_of(line: socket.socket) -> bytes:
    """All that comes until the server hangs up."""
    got = b""
    while part := line.recv(65536):
        got += part
    return got


@pytest.mark.parametrize("path", ["/v1/tags", "/v1/events", "/v1/catalogs"])
def test_a_body_that_drips_is_refused_in_time_and_the_line_is_closed(address: tuple[str, int], path: str) -> None:
    began = time.monotonic()
    with started(address, path, 1000) as line:
        for _ in range(4):
            line.sendall(b"{")
            time.sleep(0.1)
        answered = answer_of(line)
    head, _, body = answered.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["errors"][0]["pointer"] == "#"
    assert time.monotonic() - began < 3


def test_a_body_that_keeps_coming_has_the_time_it_needs(address: tuple[str, int]) -> None:
    """Twice the time-out, at 40 KB/s: an upload over a slow line."""
    pieces, size = 12, 4096
    with started(address, "/v1/detect", pieces * size, "image/jpeg") as line:
        for _ in range(pieces):
            line.sendall(bytes(size))
            time.sleep(0.1)
        line.shutdown(socket.SHUT_WR)
        assert answer_of(line).startswith(b"HTTP/1.1 401 ")


def test_a_whole_body_may_wait_for_its_answer(address: tuple[str, int]) -> None:
    """Only the body has a time-out: the connection then stays open for the next request."""
    with started(address, "/v1/events", 2) as line:
        line.sendall(b"{}")
        assert line.recv(65536).startswith(b"HTTP/1.1 422 ")
        time.sleep(0.9)
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_sending_much_at_once_buys_no_time_to_stand_still(address: tuple[str, int]) -> None:
    began = time.monotonic()
    with started(address, "/v1/events", 400_000) as line:
        line.sendall(b" " * 399_000)  # earns 97 s at the slowest pace that is let pass
        assert answer_of(line).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 6
