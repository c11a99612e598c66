"""What the steps of the sink hand to each other."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from api.events.log import Committed, LogPartition, LogReader, LogRecord
from api.events.reasons import Drop, Flag
from api.events.records import StampedEvent, UsageRecord
from api.events.rollup import BUCKET_S
from api.events.store import EventStore

START = Committed(0, "")


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
    """Records of one partition, where it goes on after them, and what became of them. `since` is the commit that they
    follow: when it is no longer the partition's last one, they are somebody else's to count."""

    partition: LogPartition
    records: list[LogRecord]
    end: int
    since: Committed = START
    taken: int = 0
    stored: int = 0
    drops: Counter[Drop] = field(default_factory=Counter)
    dirty: set[tuple[str, int]] = field(default_factory=set)
    received_until_ms: int = 0

    def touch(self, publisher_id: str, at_ms: int) -> None:
        """The roll-up of that quarter of an hour has to be computed anew."""
        self.dirty.add((publisher_id, at_ms // (BUCKET_S * 1000) * BUCKET_S))

    def followed_by(self, more: "Run") -> "Run":
        """Both as one, without the records themselves: all that a roll-up and a commit need."""
        received_until_ms = max(self.received_until_ms, more.received_until_ms)
        taken, stored = self.taken + more.taken, self.stored + more.stored
        drops, dirty = self.drops + more.drops, self.dirty | more.dirty
        return Run(self.partition, [], more.end, self.since, taken, stored, drops, dirty, received_until_ms)


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
    run_of: dict[int, Run] = field(default_factory=dict)  # by offset

    @property
    def records(self) -> int:
        """How many came from the log."""
        return sum(run.taken for run in self.runs)

    @property
    def dirty(self) -> set[tuple[str, int]]:
        """Publisher and start (seconds) of the quarters of an hour whose roll-ups have to be computed anew."""
        return set().union(*(run.dirty for run in self.runs))


@dataclass(frozen=True)
class Ends:
    """Both ends of the pipe. `headless_is_net`: development, where the headless browser is the developer's own."""

    log: LogReader
    store: EventStore
    headless_is_net: bool = False
