"""The one place that opens addresses from outside. The address is checked after resolution and pinned for the
connection, on every redirect anew, so that no name can point elsewhere between the check and the use."""

import functools
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore2

from api.settings import FetchSettings

USER_AGENT = b"ShoplightFetcher/1 (+https://shoplight.dev/fetcher)"
REDIRECTS = {301, 302, 303, 307, 308}
PARTIAL = 206
NAT64 = ipaddress.ip_network("64:ff9b::/96")
MAX_URL = 4096


class FetchRefused(Exception):
    """We do not go there: a private address, another scheme, a malformed URL."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class FetchFailed(Exception):
    """It could not be had: an error status, a time-out, too many bytes. `retryable` says whether later may help."""

    def __init__(self, reason: str, *, retryable: bool = True, too_large: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable
        self.too_large = too_large


class NotStored(FetchFailed):
    """It came, but there is no room for it here: nothing that its server could help."""


class NoParts(FetchFailed):
    """The server has only whole files to give."""


@dataclass(frozen=True)
class Fetched:
    """What came back, after redirects."""

    url: str
    content_type: str
    body: bytes


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet's; embedded IPv4 addresses are looked into."""
    ip = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


class _PinnedBackend(httpcore2.NetworkBackend):
    """Resolves, checks every address, and connects to one that was checked."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._inner = httpcore2.SyncBackend()
        self._allowed = allowed

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise FetchFailed(f"the host {host!r} has no address") from error
        addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
        if f"{host}:{port}".lower() not in self._allowed and not all(map(is_public, addresses)):
            raise FetchRefused(f"{host} is a private or local address")
        return self._inner.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.NetworkStream:
        raise FetchRefused("unix sockets are not fetched")

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


def parse_http_url(url: str) -> SplitResult:
    """The parts of an http(s) URL without credentials; raises FetchRefused with the reason."""
    try:
        parts = urlsplit(url)
        port_is_sane = parts.port is None or 0 < parts.port < 65536
    except ValueError as error:
        raise FetchRefused("this is not a URL") from error
    if len(url) > MAX_URL or parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_sane:
        raise FetchRefused("only http and https URLs with a host are fetched")
    if parts.username or parts.password:
        raise FetchRefused("URLs with a user name or password are not fetched")
    return parts


@functools.cache
def _trust() -> ssl.SSLContext:
    """Reading the machine's certificates takes long; all fetchers of a process trust the same."""
    return ssl.create_default_context()


class Fetcher:
    """Bounded GETs: bytes, seconds and redirects. Synchronous; call it from a thread."""

    def __init__(self, settings: FetchSettings) -> None:
        self._settings = settings
        self._pool = httpcore2.ConnectionPool(
            ssl_context=_trust(),
            max_connections=32,
            max_keepalive_connections=8,
            keepalive_expiry=5,
            network_backend=_PinnedBackend(settings.allowed),
        )

    def fetch(self, url: str, *, max_bytes: int, accept: str = "*/*") -> Fetched:
        """The whole body in memory. Raises FetchRefused or FetchFailed."""
        with self._open(url, max_bytes, accept) as (final, response, chunks):
            return Fetched(final, _header(response, b"content-type"), b"".join(chunks))

    def fetch_to(self, path: Path, url: str, *, max_bytes: int, accept: str = "*/*") -> Fetched:
        """The body into a file, never whole in memory; `body` of the answer is empty."""
        with self._open(url, max_bytes, accept) as (final, response, chunks):
            _store(path, chunks)
            return Fetched(final, _header(response, b"content-type"), b"")

    def fetch_part(self, url: str, first: int, count: int, *, accept: str = "*/*") -> Fetched:
        """`count` bytes of a file from `first` on; raises NoParts where the server gives whole files alone."""
        extra = [(b"Range", f"bytes={first}-{first + count - 1}".encode())]
        with self._open(url, count, accept, extra) as (final, response, chunks):
            given = _header(response, b"content-range").replace(" ", "").lower()
            if not given.startswith(f"bytes{first}-"):
                raise FetchFailed("the server gives another part of the file", retryable=False)
            body = b"".join(chunks)
        if len(body) != count:
            raise FetchFailed("the file has fewer bytes than were asked for", retryable=False)
        return Fetched(final, _header(response, b"content-type"), body)

    def close(self) -> None:
        """Drop kept connections."""
        self._pool.close()

    @contextmanager
    def _open(
        self, url: str, max_bytes: int, accept: str, extra: Sequence[tuple[bytes, bytes]] = ()
    ) -> Iterator[tuple[str, httpcore2.Response, Iterator[bytes]]]:
        # a large body gets more time, in proportion, but never for ever
        deadline = time.monotonic() + self._settings.timeout_s * (1 + max_bytes / (64 * 1024**2))
        for _ in range(self._settings.max_redirects + 1):
            with self._get(url, accept, deadline, extra) as response:
                if response.status not in REDIRECTS:
                    _refuse_errors(response, max_bytes, PARTIAL if extra else 200)
                    yield url, response, _bounded(response, max_bytes, deadline)
                    return
                location = _header(response, b"location")
            if not location:
                raise FetchFailed("a redirect without a target", retryable=False)
            url = urljoin(url, location)
        raise FetchFailed("too many redirects", retryable=False)

    @contextmanager
    def _get(
        self, url: str, accept: str, deadline: float, extra: Sequence[tuple[bytes, bytes]]
    ) -> Iterator[httpcore2.Response]:
        parse_http_url(url)
        left = max(0.05, deadline - time.monotonic())
        timeout = {"connect": min(self._settings.connect_timeout_s, left), "read": min(self._settings.timeout_s, left)}
        headers = [(b"User-Agent", USER_AGENT), (b"Accept", accept.encode()), (b"Accept-Encoding", b"identity"), *extra]
        try:
            with self._pool.stream("GET", _ascii(url), headers=headers, extensions={"timeout": timeout}) as response:
                yield response
        except (httpcore2.TimeoutException, TimeoutError) as error:
            raise FetchFailed("it took too long") from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError, ssl.SSLError, OSError) as error:
            raise FetchFailed(f"the connection failed: {type(error).__name__}") from error


def _ascii(url: str) -> bytes:
    parts = parse_http_url(url)
    try:
        host = (parts.hostname or "").encode("idna").decode() if not (parts.hostname or "").isascii() else parts.netloc
    except UnicodeError as error:
        raise FetchRefused("the host name is malformed") from error
    if not (parts.hostname or "").isascii() and parts.port:
        host = f"{host}:{parts.port}"
    quoted = "".join(c if "!" <= c <= "~" else "".join(f"%{b:02X}" for b in c.encode()) for c in (parts.path or "/"))
    query = "".join(c if "!" <= c <= "~" else "".join(f"%{b:02X}" for b in c.encode()) for c in parts.query)
    return f"{parts.scheme}://{host}{quoted}{'?' + query if query else ''}".encode("ascii")


def _header(response: httpcore2.Response, name: bytes) -> str:
    values = [value for key, value in response.headers if key.lower() == name]
    return values[0].decode("latin-1") if values else ""


def _refuse_errors(response: httpcore2.Response, max_bytes: int, wanted: int) -> None:
    if wanted == PARTIAL and response.status == 200:
        raise NoParts("the server does not give parts of a file", retryable=False)
    if response.status != wanted:
        raise FetchFailed(
            f"the server answered {response.status}", retryable=response.status >= 500 or response.status == 429
        )
    length = _header(response, b"content-length")
    if length.isdigit() and int(length) > max_bytes:
        raise FetchFailed(f"more than {max_bytes} bytes", retryable=False, too_large=True)


def _store(path: Path, chunks: Iterator[bytes]) -> None:
    """A disk's errors are told apart from the network's, which come out of `chunks`."""
    with _on_disk():
        file = path.open("wb", buffering=0)
    with file:
        for chunk in chunks:
            left = memoryview(chunk)
            while left:
                with _on_disk():
                    left = left[file.write(left) :]


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotStored(f"it cannot be kept here ({error.strerror})") from error


def _bounded(response: httpcore2.Response, max_bytes: int, deadline: float) -> Iterator[bytes]:
    total = 0
    for chunk in response.iter_stream():
        total += len(chunk)
        if total > max_bytes:
            raise FetchFailed(f"more than {max_bytes} bytes", retryable=False, too_large=True)
        if time.monotonic() > deadline:
            raise FetchFailed("it took too long")
        yield chunk
