"""Bodies that drip: over a real server and real sockets, and their pace in a time of its own."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send

from api.kit import body_timeout
from api.kit.body_timeout import BYTES_A_SECOND, BodyTimeout
from api.main import create_app
from api.ports import Ports
from api.settings import HttpSettings, Settings
from tests.patience import HANGS_S, until
from tests.virtual_time import in_virtual_time

SECONDS = 0.6


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"http": HttpSettings(body_timeout_s=SECONDS)})


@pytest.fixture
def address(ports: Ports) -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(ports), log_config=None, timeout_keep_alive=60))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        until(lambda: server.started)
        yield listener.getsockname()
        server.should_exit = True
        thread.join(60)


def started(address: tuple[str, int], path: str, length: int, kind: str = "text/plain") -> socket.socket:
    line = socket.create_connection(address, timeout=HANGS_S)
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
    with suppress(ConnectionResetError):  # how it hangs up on bytes that it did not read
        while part := line.recv(65536):
            got += part
    return got


@contextmanager
def dripping(line: socket.socket) -> Iterator[None]:
    """A byte every now and then, for as long as anybody takes them."""
    over = threading.Event()

    def drip() -> None:
        with suppress(OSError):
            while not over.wait(SECONDS / 6):
                line.sendall(b"{")

    thread = threading.Thread(target=drip)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.parametrize("path", ["/v1/tags", "/v1/events", "/v1/catalogs"])
def test_a_body_that_drips_is_refused_and_the_line_is_closed(address: tuple[str, int], path: str) -> None:
    with started(address, path, 1000) as line, dripping(line):
        head, _, body = answer_of(line).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["errors"][0]["pointer"] == "#"


def test_a_whole_body_may_wait_for_its_answer(address: tuple[str, int]) -> None:
    """Only the body has a time-out: the connection then stays open for the next request."""
    with started(address, "/v1/events", 2) as line:
        line.sendall(b"{}")
        assert line.recv(65536).startswith(b"HTTP/1.1 422 ")
        threading.Event().wait(SECONDS * 1.5)
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 200 ")


def ended(monkeypatch: pytest.MonkeyPatch, pieces: list[tuple[float, int]]) -> tuple[int, float]:
    """The status for a body of which a piece, so many bytes, comes after each pause, and after how many seconds; whose
    last piece has come sends no more and stays."""

    async def scenario(time: Any) -> tuple[int, float]:
        monkeypatch.setattr(body_timeout.time, "perf_counter", time)
        began, coming, statuses = time(), iter(pieces), []

        async def receive() -> Message:
            pause_s, size = next(coming, (3600.0, 0))
            await body_timeout.asyncio.sleep(pause_s)
            return {"type": "http.request", "body": bytes(size), "more_body": True}

        async def send(message: Message) -> None:
            statuses.append(message.get("status"))

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            while (await receive())["type"] == "http.request":
                pass

        scope = {"type": "http", "method": "POST", "path": "/v1/detect", "headers": []}
        await BodyTimeout(app, SECONDS)(scope, receive, send)
        return statuses[0], time() - began

    return in_virtual_time(scenario)


def test_a_body_that_keeps_coming_has_the_time_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty times the time-out, at 8 KB/s: an upload over a slow line. It ends when nothing comes any more."""
    status, after_s = ended(monkeypatch, [(0.5, BYTES_A_SECOND)] * 24)
    assert (status, after_s) == (408, pytest.approx(24 * 0.5 + SECONDS))


def test_a_body_slower_than_any_line_is_refused_however_evenly_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the slowest pace: half a second is lost with each second."""
    status, after_s = ended(monkeypatch, [(0.1, BYTES_A_SECOND // 20)] * 1000)
    assert (status, after_s) == (408, pytest.approx(2 * SECONDS, abs=0.11))


def test_sending_much_at_once_buys_no_time_to_stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    # earns 97 s at the slowest pace that is let pass
    assert ended(monkeypatch, [(0.1, 399_000)]) == (408, pytest.approx(0.1 + SECONDS))
