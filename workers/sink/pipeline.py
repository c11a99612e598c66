"""The sink: takes each partition of the event log that is its own through the steps, batch by batch.

A thread in the embedded shape; a process among others where the log is Kafka, which shares the partitions out.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from api.events.log import LogPartition, LogReader, LogUnavailable, PartitionLost
from api.events.records import traceparent_of
from api.events.spool import Spool
from api.events.store import StoreUnavailable
from api.kit.metrics import MetricName, counter, gauge
from api.kit.tracing import span
from api.shapes import open_log_reader
from workers.sink.batch import Batch, Ends, Run
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
MAX_BACKOFF_S = 8.0  # a store that is back shows its counts within 15 s
STORED = counter(MetricName.sink_stored)
DROPPED = counter(MetricName.sink_dropped, ["reason"])
BEHIND = gauge(MetricName.sink_behind_offsets, ["partition"])


class Sink:
    """`run` until told to stop, or `drain` what is there."""

    def __init__(self, ends: Ends, steps: Sequence[Step] = STEPS) -> None:
        self._ends = ends
        self._steps = steps
        self._trouble: dict[LogPartition, _Trouble] = {}
        self._shown: set[int] = set()

    @classmethod
    def of(cls, ports: "Ports") -> "Sink":
        """The sink of this process's ports, which also close its end of the log."""
        headless_is_net = ports.settings.events.headless_is_net
        return cls(Ends(_reader(ports), ports.event_store, headless_is_net))

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. Trouble is logged and tried again; nothing is skipped, and nothing spins."""
        everywhere = _Trouble()
        while not stop.is_set():
            try:
                worked = self._round()
            except (LogUnavailable, StoreUnavailable) as away:
                log.warning("the sink waits: %s", away)
                stop.wait(everywhere.next_pause())
            except Exception:
                log.exception("the sink could not take a batch; trying again")
                stop.wait(everywhere.next_pause())
            else:
                everywhere = _Trouble()
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
        return self._take(self._ends.log.assigned())

    def _round(self) -> int:
        """As `once`, but a partition in trouble of its own, not of the log or the store, does not stop the others."""
        assigned = self._ends.log.assigned()
        self._trouble = {partition: self._trouble[partition] for partition in assigned if partition in self._trouble}
        self._show_only({partition.number for partition in assigned})
        calm = [partition for partition in assigned if partition not in self._trouble]
        alone = [partition for partition, trouble in self._trouble.items() if not trouble.rests()]
        worked = 0
        if len(calm) == 1:
            alone += calm
        else:
            try:
                worked = self._take(calm)
            except (LogUnavailable, StoreUnavailable):
                raise
            except PartitionLost as lost:
                log.info("a batch is left to other sinks: %s", lost)
            except Exception:
                log.exception("a batch could not be taken; trying partition by partition")
                alone += calm
        return worked + sum([self._take_alone(partition) for partition in alone])

    def _take_alone(self, partition: LogPartition) -> int:
        try:
            worked = self._take([partition])
        except (LogUnavailable, StoreUnavailable):
            raise
        except PartitionLost as lost:
            log.info("a batch is left to another sink: %s", lost)
            return 0
        except Exception:
            log.exception("partition %d: a batch could not be taken; trying again", partition.number)
            self._trouble.setdefault(partition, _Trouble()).next_pause()
            return 0
        self._trouble.pop(partition, None)
        return worked

    def _take(self, partitions: Sequence[LogPartition]) -> int:
        """One batch of all of them: the store likes few large inserts better than many small ones."""
        batch = Batch(_runs(partitions))
        if not batch.runs:
            return 0
        traces = (traceparent_of(record.payload) for run in batch.runs for record in run.records)
        with span("sink.batch", links=traces, partitions=len(batch.runs), records=batch.records):
            for step in self._steps:
                step(batch, self._ends)
        STORED.inc(batch.stored)
        for reason, count in batch.drops.items():
            DROPPED.labels(reason).inc(count)
        for run in batch.runs:
            BEHIND.labels(run.partition.number).set(run.partition.waiting())
            self._shown.add(run.partition.number)
        return batch.records

    def _show_only(self, numbers: set[int]) -> None:
        """A partition that went to another sink is that one's to report."""
        for number in self._shown - numbers:
            BEHIND.remove(number)
        self._shown &= numbers


class _Trouble:
    """How long to rest: longer each time, up to a bound."""

    def __init__(self) -> None:
        self._pause_s = BACKOFF_S
        self._until = 0.0

    def next_pause(self) -> float:
        pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, MAX_BACKOFF_S)
        self._until = time.monotonic() + pause_s
        return pause_s

    def rests(self) -> bool:
        return time.monotonic() < self._until


def _runs(partitions: Sequence[LogPartition]) -> list[Run]:
    """A fair share of a batch for each; what those with little to say leave over is for the others."""
    left, runs = BATCH_RECORDS, []
    by_need = sorted(partitions, key=_waiting)
    for place, partition in enumerate(by_need):
        found = partition.read(partition.committed().offset, max(1, left // (len(by_need) - place)))
        if found.records:
            runs.append(Run(partition, found.records, found.end))
            left -= len(found.records)
    return runs


def _waiting(partition: LogPartition) -> int:
    return partition.waiting()


def _reader(ports: "Ports") -> LogReader:
    if isinstance(ports.event_log, Spool):
        return ports.event_log
    reader = open_log_reader(ports.settings)
    ports.closers.append(reader.close)
    return reader
