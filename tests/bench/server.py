"""The servers under load, each a process of its own: `python -m tests.bench.server <kind> <port> [data dir]`.

`house` is our whole app with its sink; `search` is the app of a house whose ClickHouse runs elsewhere;
`bare` does the least that a collector could: it parses and answers.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

import api.ports
from api.events.store import Columns, Rows, StoreUnavailable
from api.main import create_app
from api.ports import open_ports
from api.search.rebuild import rebuild_index
from api.settings import Settings
from tests.running_demo import REPO, free_port
from workers.sink import Sink


class NoQueue:
    """Nothing here is analysed."""

    def send(self, name: str, **kwargs: object) -> None:
        pass


class NoEvents:
    """An event store that nobody asks: search needs none, and chdb would hide what the rest of the process weighs."""

    def command(self, sql: str, keys: Columns | None = None) -> None:
        raise StoreUnavailable

    def insert(self, table: str, columns: Columns) -> None:
        raise StoreUnavailable

    def select(self, sql: str, params: Mapping[str, str | int] | None = None, keys: Columns | None = None) -> Rows:
        raise StoreUnavailable

    def close(self) -> None:
        pass


class _Event(msgspec.Struct):
    id: str
    type: str
    token: str
    at: str


class _Batch(msgspec.Struct):
    key: str
    events: list[_Event]


_decoder = msgspec.json.Decoder(_Batch)


async def bare(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The peer: neither tokens nor disk nor framework."""
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    answer = msgspec.json.encode({"accepted": len(_decoder.decode(b"".join(parts)).events)})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


@contextmanager
def running(kind: str, data_dir: Path | None = None) -> Iterator[tuple[int, int]]:
    """Start one; its port and process id."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.server", kind, str(port), *([str(data_dir)] if data_dir else [])]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is None or process.stdout.readline().strip() != b"ready":
                raise RuntimeError(f"the server {kind} did not start")
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(30)


class _Announcing(uvicorn.Server):
    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        print("ready", flush=True)  # noqa: T201 - the parent waits for it


def _serve(app: Any, port: int) -> None:
    # as `shoplight demo` has it
    _Announcing(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False)).run()


def main() -> None:
    kind, port = sys.argv[1], int(sys.argv[2])
    if kind == "bare":
        _serve(bare, port)
        return
    if kind == "search":
        api.ports.open_event_store = lambda _settings: NoEvents()
    ports = open_ports(Settings(datadir=Path(sys.argv[3])), NoQueue())
    ports.eyes.load()
    rebuild_index(ports.database, ports.index, ports.eyes.embedder_version, ports.eyes.dim)
    if kind == "search":
        _serve(create_app(ports), port)
        ports.close()
        return
    stop = threading.Event()
    sink = threading.Thread(target=Sink.of(ports).run, args=(stop,))
    sink.start()
    _serve(create_app(ports), port)
    stop.set()
    sink.join()
    ports.close()


if __name__ == "__main__":
    main()
