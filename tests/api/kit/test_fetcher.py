"""The fetcher against real servers on loopback: what it refuses, and how it is bounded."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from api.kit import fetcher as module
from api.kit.fetcher import Fetcher, FetchFailed, FetchRefused, NoParts, NotStored, is_public
from api.settings import FetchSettings


class Site(http.server.BaseHTTPRequestHandler):
    drops = 0

    def do_GET(self) -> None:
        if self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):  # for as long as anybody listens
                while True:
                    Site.drops += 1
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.1)
            return
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
            return
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(b"y" * 1000)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def opened(allow: str, **more: float) -> Fetcher:
    return Fetcher(FetchSettings(allow=allow, **more))


def test_a_listed_host_is_fetched(server: str) -> None:
    fetched = opened(server).fetch(f"http://{server}/a", max_bytes=2000)
    assert fetched.body == b"y" * 1000
    assert fetched.content_type == "text/plain"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "http://localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
        "http://2130706433/",
        "http://[64:ff9b::7f00:1]/",
        "file:///etc/passwd",
        "ftp://example.com/",
        "javascript:alert(1)",
        "http://user:secret@example.com/",
        "http://",
        "http://example.com:99999/",
    ],
)
def test_private_addresses_and_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(FetchRefused):
        opened("").fetch(url, max_bytes=10)


def test_a_redirect_to_a_private_address_is_refused(server: str) -> None:
    with pytest.raises(FetchRefused):
        opened(server).fetch(f"http://{server}/to?http://127.0.0.1:1/", max_bytes=10)


def test_redirects_end(server: str) -> None:
    url = f"http://{server}/to?http://{server}/to?"
    with pytest.raises(FetchFailed, match=r"redirects|target"):
        opened(server, max_redirects=1).fetch(f"{url}{url}", max_bytes=10)


def test_bytes_are_bounded_and_nothing_is_read_past_them(server: str, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed) as caught:
        opened(server).fetch_to(tmp_path / "f", f"http://{server}/a", max_bytes=999)
    assert caught.value.too_large


def test_a_disk_that_takes_nothing_is_told_apart_from_the_network(server: str) -> None:
    for path in (Path("/dev/full"), Path("/nowhere/at/all")):
        with pytest.raises(NotStored) as caught:
            opened(server).fetch_to(path, f"http://{server}/a", max_bytes=2000)
        assert caught.value.retryable
    assert opened(server).fetch(f"http://{server}/a", max_bytes=2000).body


def test_a_server_that_gives_whole_files_alone_is_told_before_they_are_read(server: str) -> None:
    with pytest.raises(NoParts):
        opened(server).fetch_part(f"http://{server}/a", 5, 10)


def test_a_server_that_drips_does_not_hold_us(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Site, "drops", 0)
    with pytest.raises(FetchFailed, match="too long"):
        opened(server, timeout_s=0.5).fetch(f"http://{server}/drip", max_bytes=1000)
    # half a second is five drops; what is counted is slow where the machine is
    assert Site.drops < 100, "time ended it, long before the size would have"


def test_an_error_status_says_whether_to_retry(server: str) -> None:
    with pytest.raises(FetchFailed, match="404") as caught:
        opened(server).fetch(f"http://{server}/missing", max_bytes=10)
    assert not caught.value.retryable


def test_a_name_is_pinned_to_the_address_that_was_checked(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that answers a public address first and loopback afterwards never reaches loopback."""
    answers = iter(["93.184.215.14", "127.0.0.1", "127.0.0.1"])
    port = int(server.split(":")[1])
    connected: list[str] = []

    def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def connect(self: object, host: str, *_: object) -> None:
        connected.append(host)
        raise OSError("nowhere")

    monkeypatch.setattr(module.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(module.httpcore2.SyncBackend, "connect_tcp", connect)
    with pytest.raises(FetchFailed):
        opened("").fetch(f"http://rebind.example:{port}/", max_bytes=10)
    assert connected == ["93.184.215.14"]


def test_addresses_that_embed_a_private_one_are_private() -> None:
    assert not is_public("2002:7f00:1::")
    assert not is_public("::ffff:10.0.0.1")
    assert is_public("2606:4700::1111")
