"""A product index that is away: a port that nobody listens on, a server that takes connections and never answers, and a
way to a real one that can be cut and opened again."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from api.ports import Ports
from api.search.index import ProductIndex
from api.search.milvus import MilvusIndex
from api.settings import IndexSettings

TIMEOUT_S = 1.0


def closed_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class BlackHole:
    """Accepts and says nothing."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._taken: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for connection in [self._listener, *self._taken]:
            connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._taken.append(self._listener.accept()[0])


class Way:
    """Forwards a port to a server while it is open."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self.port = closed_port()
        self._listener: socket.socket | None = None
        self._pipes: list[socket.socket] = []

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """As when the server is killed: what is under way breaks off, what comes is refused."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for end in self._pipes:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._pipes.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = listener.accept()[0]
                far = socket.create_connection(self._to)
                self._pipes += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_pour, args=(source, sink), daemon=True).start()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)


@contextmanager
def index_at(ports: Ports, port: int) -> Iterator[MilvusIndex]:
    """The house with a Milvus at this port, until the block ends."""
    before = ports.index
    index = MilvusIndex(IndexSettings(milvus_url=f"http://127.0.0.1:{port}", timeout_s=TIMEOUT_S), ports.eyes.dim)
    use_index(ports, index)
    try:
        yield index
    finally:
        use_index(ports, before)
        index.close()


def use_index(ports: Ports, index: ProductIndex) -> None:
    """Put another index behind everything that was given one."""
    ports.index = index
    ports.finder._index = index
