"""The sink: takes each partition of the event log that is its own through the steps.

Batches are written as they come; roll-ups and commits follow at a pace of their own, for all that was written since.
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
from workers.sink.facts import forget_old
from workers.sink.pace import Pace, Trouble
from workers.sink.parse import parse
from workers.sink.rollup import roll_up
from workers.sink.write import write

if TYPE_CHECKING:
    from api.ports import Ports  # it opens everything; a sink needs the log and the store

log = logging.getLogger(__name__)
Step = Callable[[Batch, Ends], None]
# a crash between any two of them, or inside one, is healed by the replay from the last commit
STEPS: Sequence[Step] = (parse, dedupe, classify, write, roll_up, commit)
# from the first of these on, a step is about everything that was written since the last time
SETTLING: Sequence[Step] = (roll_up, commit)

BATCH_RECORDS = 20_000
SMALL_RECORDS = 5_000  # after fewer the sink waits for more to come: the store likes few large inserts
POLL_S = 0.25
UPKEEP_S = 3600.0
STORED = counter(MetricName.sink_stored)
DROPPED = counter(MetricName.sink_dropped, ["reason"])
BEHIND = gauge(MetricName.sink_behind_offsets, ["partition"])


class Sink:
    """`run` until told to stop, or `drain` what is there."""

    def __init__(self, ends: Ends, steps: Sequence[Step] = STEPS) -> None:
        self._ends = ends
        writing = next((i for i, step in enumerate(steps) if step in SETTLING), len(steps))
        self._writing, self._settling = steps[:writing], steps[writing:]
        self._pending: dict[LogPartition, Run] = {}  # written, not yet committed
        self._pace = Pace()
        self._trouble: dict[LogPartition, Trouble] = {}
        self._shown: set[int] = set()
        self._upkeep_at = time.monotonic() + UPKEEP_S

    @classmethod
    def of(cls, ports: "Ports") -> "Sink":
        """The sink of this process's ports, which also close its end of the log."""
        headless_is_net = ports.settings.events.headless_is_net
        return cls(Ends(_reader(ports), ports.event_store, headless_is_net))

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. Trouble is logged and tried again; nothing is skipped, and nothing spins."""
        everywhere = Trouble()
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
                everywhere = Trouble()
                if worked < SMALL_RECORDS:
                    stop.wait(POLL_S)
        self._finish()

    def drain(self) -> int:
        """Take everything that is durable now, to the last step; returns how many records that was."""
        total = 0
        while taken := self._take(self._assigned()):
            total += taken
            if self._pace.due():
                self._settle(list(self._pending))
        self._settle(list(self._pending))
        return total

    def once(self) -> int:
        """Take one batch through all steps, and what was written before; returns the batch's number of records."""
        taken = self._take(self._assigned())
        self._settle(list(self._pending))
        return taken

    def _round(self) -> int:
        """Write a batch; settle when it is time or nothing more comes. A partition in trouble of its own, not of the
        log or the store, does not stop the others."""
        assigned = self._assigned()
        self._settle_the_calm(self._pace.due())  # first, so that nothing piles up behind roll-ups that fail
        calm = [partition for partition in assigned if partition not in self._trouble]
        worked = self._together(self._take, calm)
        for partition in [one for one, trouble in self._trouble.items() if one not in calm and not trouble.rests()]:
            worked += self._together(self._settle if partition in self._pending else self._take, [partition])
        self._settle_the_calm(not worked or self._pace.due())
        if time.monotonic() >= self._upkeep_at:
            forget_old(self._ends.store)
            self._upkeep_at = time.monotonic() + UPKEEP_S
        return worked

    def _settle_the_calm(self, now: bool) -> None:
        if now:
            self._together(self._settle, [one for one in self._pending if one not in self._trouble])

    def _finish(self) -> None:
        """What is written and not committed would be replayed by whoever comes next; spare them that."""
        try:
            self._settle(list(self._pending))
        except Exception as error:  # noqa: BLE001 - whatever it is, the replay heals it
            log.warning("what was written last is left to the next sink: %s", error)

    def _assigned(self) -> Sequence[LogPartition]:
        """Our partitions now. What is pending counts only while the commit that it follows is the last one."""
        assigned = self._ends.log.assigned()
        self._trouble = {one: trouble for one, trouble in self._trouble.items() if one in assigned}
        self._pending = {one: run for one, run in self._pending.items() if one in assigned}
        self._pending = {one: run for one, run in self._pending.items() if one.committed() is run.since}
        self._show(assigned)
        return assigned

    def _together(self, work: Callable[[Sequence[LogPartition]], int], partitions: Sequence[LogPartition]) -> int:
        """Do it for all at once; where something is wrong with one of them, for each by itself."""
        try:
            return work(partitions)
        except (LogUnavailable, StoreUnavailable):
            raise
        except PartitionLost as lost:
            log.info("a batch is left to another sink: %s", lost)
            for partition in partitions:
                self._pending.pop(partition, None)
        except Exception:
            if len(partitions) > 1:
                log.exception("a batch could not be taken; trying partition by partition")
                return sum([self._together(work, [partition]) for partition in partitions])
            log.exception("partition %d: a batch could not be taken; trying again", partitions[0].number)
            self._trouble.setdefault(partitions[0], Trouble()).next_pause()
        return 0

    def _take(self, partitions: Sequence[LogPartition]) -> int:
        """Write one batch of all of them: the store likes few large inserts better than many small ones."""
        batch = Batch(self._runs(partitions))
        if not batch.runs:
            return 0
        records = [record for run in batch.runs for record in run.records]
        traces = (traceparent_of(record.payload) for record in records)
        with span("sink.batch", links=traces, partitions=len(batch.runs), records=len(records)):
            for step in self._writing:
                step(batch, self._ends)
        for run in batch.runs:
            before = self._pending.get(run.partition, Run(run.partition, [], run.end, run.since))
            self._pending[run.partition] = before.followed_by(run)
        return len(records)

    def _settle(self, partitions: Sequence[LogPartition]) -> int:
        """Roll up and commit what of them is written. Takes no records, so it returns 0."""
        batch = Batch([self._pending[partition] for partition in partitions])
        if not batch.runs:
            return 0
        begun = time.monotonic()
        try:
            with span("sink.settle", partitions=len(batch.runs), records=batch.records):
                for step in self._settling:
                    step(batch, self._ends)
        finally:
            self._pace.cost(time.monotonic() - begun)
        for run in batch.runs:
            del self._pending[run.partition]
            self._trouble.pop(run.partition, None)
            self._tell(run)
        return 0

    def _runs(self, partitions: Sequence[LogPartition]) -> list[Run]:
        """A fair share of a batch for each; what those with little to say leave over is for the others."""
        left, runs = BATCH_RECORDS, []
        by_need = sorted(partitions, key=_waiting)
        for place, partition in enumerate(by_need):
            before = self._pending.get(partition)
            since = before.since if before else partition.committed()
            found = partition.read(before.end if before else since.offset, max(1, left // (len(by_need) - place)))
            if found.records:
                runs.append(Run(partition, found.records, found.end, since))
                left -= len(found.records)
        return runs

    def _tell(self, run: Run) -> None:
        STORED.inc(run.stored)
        for reason, count in run.drops.items():
            DROPPED.labels(reason).inc(count)

    def _show(self, assigned: Sequence[LogPartition]) -> None:
        """How far behind we are, also while nothing can be stored. A partition that went is another's to report."""
        for partition in assigned:
            BEHIND.labels(partition.number).set(partition.waiting())
        numbers = {partition.number for partition in assigned}
        for number in self._shown - numbers:
            BEHIND.remove(number)
        self._shown = numbers


def _waiting(partition: LogPartition) -> int:
    return partition.waiting()


def _reader(ports: "Ports") -> LogReader:
    if isinstance(ports.event_log, Spool):
        return ports.event_log
    reader = open_log_reader(ports.settings)
    ports.closers.append(reader.close)
    return reader
