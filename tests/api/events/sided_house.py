"""The sink's house of tests.workers.test_sink with either side of the event store."""

from dataclasses import dataclass
from typing import Protocol

from api.events.spool import Spool
from api.events.store import EventStore
from tests.workers.test_sink import House


class Opens(Protocol):
    """What a house opens its store with; `tests.event_stores.Stores` is one."""

    def open(self) -> EventStore: ...


@dataclass
class SidedHouse(House):
    stores: Opens | None = None

    def open(self) -> None:
        assert self.stores is not None
        self.log = Spool(self.folder / "spool", max_bytes=100_000_000)
        self.store = self.stores.open()  # type: ignore[assignment]
