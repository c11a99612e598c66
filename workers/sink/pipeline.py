"""The sink: reads the event log and takes each batch through the steps. One a store; a thread in the embedded shape."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

from workers.sink.batch import Batch, Ends
from workers.sink.classify import classify
from workers.sink.commit import commit
from workers.sink.dedupe import dedupe
from workers.sink.parse import parse
from workers.sink.rollup import roll_up
from workers.sink.write import write

if TYPE_CHECKING:
    from api.ports import Ports  # it opens everything; a sink needs the log and the store

log = logging.getLogger(__name__)
Step = Callable[[Batch, Ends], None]
# a crash between any two of them, or inside one, is healed by the replay from the last commit
STEPS: Sequence[Step] = (parse, dedupe, classify, write, roll_up, commit)

BATCH_RECORDS = 20_000
POLL_S = 0.25
BACKOFF_S = 1.0
STORED = Counter("shoplight_sink_stored", "Records of the event log that became rows")
DROPPED = Counter("shoplight_sink_dropped", "Records of the event log that added no row", ["reason"])
BEHIND = Gauge("shoplight_sink_behind_offsets", "Length of the event log that is not in the store yet")


class Sink:
    """`run` until told to stop, or `drain` what is there."""

    def __init__(self, ends: Ends, steps: Sequence[Step] = STEPS) -> None:
        self._ends = ends
        self._steps = steps

    @classmethod
    def of(cls, ports: "Ports") -> "Sink":
        """The sink of this process's ports."""
        headless_is_net = ports.settings.events.headless_is_net
        return cls(Ends(ports.event_log, ports.event_store, headless_is_net))

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. Trouble in the store or the log is logged and tried again; nothing is skipped."""
        while not stop.is_set():
            try:
                worked = self.once()
            except Exception:
                log.exception("the sink could not take a batch; trying again")
                stop.wait(BACKOFF_S)
                continue
            if not worked:
                stop.wait(POLL_S)

    def drain(self) -> int:
        """Take everything that is durable now; returns how many records that was."""
        total = 0
        while taken := self.once():
            total += taken
        return total

    def once(self) -> int:
        """Take one batch through the steps; returns its number of records."""
        found = self._ends.log.read(self._ends.log.committed().offset, BATCH_RECORDS)
        if not found.records:
            return 0
        batch = Batch(found.records, found.end)
        for step in self._steps:
            step(batch, self._ends)
        STORED.inc(batch.stored)
        for reason, count in batch.drops.items():
            DROPPED.labels(reason).inc(count)
        BEHIND.set(self._ends.log.end() - batch.end)
        return len(found.records)
