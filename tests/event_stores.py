"""Both sides of the event store for tests: chdb in a folder, or a database of the test's own on a ClickHouse server."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from api.events.migrations import migrate
from api.events.store import EventStore, StoreUnavailable
from api.events.store_chdb import ChdbEventStore
from api.events.store_clickhouse import ClickHouseStore
from tests.services import url_of

SIDES = ("chdb", "clickhouse")


@contextmanager
def own_database(server: str = "") -> Iterator[str]:
    """The URL of a database with today's schema, dropped afterwards."""
    name = f"shoplight_test_{secrets.token_hex(6)}"
    url = urlsplit(server or url_of("clickhouse"))._replace(path=f"/{name}").geturl()
    store = ClickHouseStore(url)
    try:
        migrate(store)
        yield url
    finally:
        with suppress(StoreUnavailable):  # a fault test may have left its server dead
            store.command(f"DROP DATABASE IF EXISTS {name}")
        store.close()


class Stores:
    """Opens the store; opening again closes the one before, as a restart of the process would."""

    def __init__(self, side: str, folder: Path, url: str = "") -> None:
        self.side, self._folder, self._url = side, folder, url
        self._opened: list[EventStore] = []

    def open(self) -> EventStore:
        self.close()
        made = ClickHouseStore(self._url) if self._url else ChdbEventStore(self._folder / "chdb")
        self._opened.append(made)
        return made

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()


@contextmanager
def stores_of(side: str, folder: Path) -> Iterator[Stores]:
    """For a fixture with `params=SIDES`."""
    if side == "chdb":
        made = Stores(side, folder)
        yield made
        made.close()
        return
    with own_database() as url:
        made = Stores(side, folder, url)
        yield made
        made.close()
