"""What only a real server and a real socket show: bodies that are cut, endless or never sent."""

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn

from tests.api.events.shop_page import ShopPage


@pytest.fixture
def port(page: ShopPage, caplog: pytest.LogCaptureFixture) -> Iterator[int]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(page.client.app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(60)
    listener.close()
    assert not [record for record in caplog.records if record.levelname == "ERROR"], "nothing was a crash"


def talk(port: int, sent: bytes, *, cut: bool = False) -> bytes:
    """Send, and read until the server is done with us."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        answer = b""
        try:
            connection.sendall(sent)
            if cut:
                connection.shutdown(socket.SHUT_WR)
            while b"\r\n\r\n" not in answer and (part := connection.recv(65_536)):
                answer += part
        except (ConnectionResetError, BrokenPipeError):
            pass  # refused while we were still talking
        return answer


HEAD = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"


def test_an_announced_ten_megabytes_are_refused_before_they_are_sent(port: int) -> None:
    assert b" 413 " in talk(port, HEAD + b"Content-Length: 10485760\r\n\r\n")


def test_an_endless_body_is_cut_off(port: int) -> None:
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    answer = talk(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 200)
    assert answer == b"" or b" 413 " in answer


def test_a_body_that_is_cut_off_is_no_crash(port: int, page: ShopPage) -> None:
    talk(port, HEAD + b"Content-Length: 1000\r\n\r\n" + b'{"key":', cut=True)
    assert b" 400 " in talk(port, HEAD + b"Content-Length: 0\r\n\r\n"), "the server goes on"
    assert page.drain() == 0
