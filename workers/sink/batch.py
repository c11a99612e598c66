"""What the steps of the sink hand to each other."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from api.events.log import LogPartition, LogReader, LogRecord
from api.events.reasons import Drop, Flag
from api.events.records import StampedEvent, UsageRecord
from api.events.rollup import BUCKET_S
from api.events.store import EventStore


class Placed(NamedTuple):
    """An event and its place in the log: "earlier" always means a smaller offset."""

    offset: int
    event: StampedEvent


class Judged(NamedTuple):
    """An event as it will be stored. `media_firsts` are the bits of classify.MEDIA_LEVELS."""

    offset: int
    event: StampedEvent
    flags: list[Flag]
    media_firsts: int


@dataclass
class Run:
    """Records of one partition, and where it goes on after them."""

    partition: LogPartition
    records: list[LogRecord]
    end: int
    received_until_ms: int = 0


@dataclass
class Batch:
    """Runs of some partitions of the log on their way into the store; all records of a tenant are in one of them."""

    runs: list[Run]
    events: list[Placed] = field(default_factory=list)
    usage: list[tuple[int, UsageRecord]] = field(default_factory=list)
    dead: list[LogRecord] = field(default_factory=list)
    fresh: list[Placed] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    conflicts: list[Placed] = field(default_factory=list)
    dirty: set[tuple[str, int]] = field(default_factory=set)
    drops: Counter[Drop] = field(default_factory=Counter)
    stored: int = 0

    @property
    def records(self) -> int:
        """How many came from the log."""
        return sum(len(run.records) for run in self.runs)

    def touch(self, publisher_id: str, at_ms: int) -> None:
        """The roll-up of that quarter of an hour has to be computed anew."""
        self.dirty.add((publisher_id, at_ms // (BUCKET_S * 1000) * BUCKET_S))


@dataclass(frozen=True)
class Ends:
    """Both ends of the pipe. `headless_is_net`: development, where the headless browser is the developer's own."""

    log: LogReader
    store: EventStore
    headless_is_net: bool = False
