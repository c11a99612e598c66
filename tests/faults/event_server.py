"""The event half of the embedded shape as its own process: the HTTP app and the sink on one data directory.

`python -m tests.faults.event_server <data dir> <port>`. Prints `ready` when it listens.
"""

import sys
import threading
from pathlib import Path

import uvicorn

from api.kit import tables  # noqa: F401 - fills the metadata
from api.kit.migrations import upgrade
from api.main import create_app
from api.ports import open_ports
from api.settings import Settings
from workers.sink import Sink


class NoQueue:
    def send(self, name: str, **kwargs: object) -> None:
        pass


class Announcing(uvicorn.Server):
    async def startup(self, sockets: list | None = None) -> None:
        await super().startup(sockets)
        print("ready", flush=True)  # noqa: T201 - the parent waits for it


def main() -> None:
    ports = open_ports(Settings(datadir=Path(sys.argv[1])), NoQueue())
    upgrade(ports.database)
    stop = threading.Event()
    sink = threading.Thread(target=Sink.of(ports).run, args=(stop,))
    sink.start()
    config = uvicorn.Config(create_app(ports), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
    Announcing(config).run()
    stop.set()
    sink.join()
    ports.close()


if __name__ == "__main__":
    main()
