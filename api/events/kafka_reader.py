"""The reading end of the scale-out log, of one sink: a member of the consumer group, with a buffer a partition.

kafka-python's defaults would lose money (auto-commit on, reset to the latest, uncommitted records read); each is
stated here. One thread uses a reader; only what the group tells comes from another.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import CommitFailedError, IllegalStateError, KafkaError, RebalanceInProgressError

from api.events.kafka_client import (
    MAX_BATCH_BYTES,
    PARTITION_BITS,
    REQUEST_TIMEOUT_MS,
    KafkaClient,
    connection_options,
    log_offset,
    opened,
    reason,
)
from api.events.log import Committed, LogBatch, LogRecord, LogUnavailable, Mark, PartitionLost
from api.settings import EventSettings

log = logging.getLogger(__name__)
SESSION_MS = 10_000  # a killed sink's partitions are another's after this
HEARTBEAT_MS = 1_000  # also how soon a sink hears that another one came or went
JOIN_MS = 10_000
MAX_BATCH_MS = 120_000  # a sink that takes longer over what it read is taken for dead; the others wait no longer
WAIT_MS = 200  # for news when there is nothing to do
POLL_RECORDS = 20_000
BUFFER_RECORDS = 20_000
BUFFER_BYTES = 8 * 1024**2  # a partition; about as much again is on its way
FETCH_BYTES = 32 * 1024**2
CLOSE_MS = 5_000
FORGET_EVERY_S = 60.0


class KafkaReader:
    """A `LogReader`. Opens when first asked; while Kafka is away it says LogUnavailable."""

    def __init__(self, settings: EventSettings) -> None:
        self._settings = settings
        self._kafka = KafkaClient(settings)
        self._consumer: Any = None
        self._guard = threading.Lock()
        self._owned: dict[int, _Owned] = {}

    def assigned(self) -> "Sequence[_Owned]":
        """See LogReader. Takes part in the group's life and fetches; waits a moment when there is nothing to do."""
        try:
            consumer = self._opened()
            _stay_in_group(consumer)
            self._keep_within_bounds(consumer)
            busy = any(owned.buffered for owned in self._current())
            self._take(consumer.poll(0 if busy else WAIT_MS, max_records=POLL_RECORDS))
        except (KafkaError, OSError, RuntimeError, ValueError) as error:
            if not getattr(error, "retriable", False):
                self.close()  # a refused password, say: kafka-python would go on refusing by itself
            raise LogUnavailable(f"Kafka at {self._settings.kafka_servers}: {reason(error)}") from error
        self._forget_what_is_done()
        return self._current()

    def commit_all(self, marks: Sequence[Mark]) -> None:
        """See LogReader. One request: the group takes it as a whole or, from a sink taken for dead, not at all."""
        owned = {one.number: one for one in self._current()}
        if gone := [mark.partition.number for mark in marks if owned.get(mark.partition.number) is not mark.partition]:
            raise PartitionLost(f"partitions {gone} were given away")
        done = {
            owned[mark.partition.number].partition: OffsetAndMetadata(mark.offset >> PARTITION_BITS, mark.note, -1)
            for mark in marks
        }
        try:
            self._consumer.commit(done, timeout_ms=REQUEST_TIMEOUT_MS)
        except (CommitFailedError, RebalanceInProgressError, IllegalStateError) as error:
            raise PartitionLost(f"the partitions may be another's: {reason(error)}") from error
        except (KafkaError, OSError, RuntimeError) as error:
            raise LogUnavailable(f"Kafka did not take a commit: {reason(error)}") from error
        for mark in marks:
            owned[mark.partition.number].committed_at(mark)

    def close(self) -> None:
        """See LogReader."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            try:
                consumer.close(autocommit=False, timeout_ms=CLOSE_MS)
            except (KafkaError, OSError, RuntimeError) as error:
                log.warning("left the group without a word: %s", reason(error))
            consumer._net.stop(CLOSE_MS)  # noqa: SLF001 - closing leaves its thread
        self.lost([owned.number for owned in self._current()])
        self._kafka.drop()

    def won(self, partitions: Iterable[int]) -> None:
        """These are ours from now on."""
        with self._guard:
            for number in partitions:
                self._owned[number] = _Owned(self, self._consumer, TopicPartition(self._settings.kafka_topic, number))

    def lost(self, partitions: Iterable[int]) -> None:
        """These are ours no more, or not for sure."""
        with self._guard:
            for number in partitions:
                if owned := self._owned.pop(number, None):
                    owned.lost = True

    def _current(self) -> "list[_Owned]":
        with self._guard:
            return [self._owned[number] for number in sorted(self._owned)]

    def _opened(self) -> Any:
        if self._consumer is None:
            self._kafka.partitions()  # a topic that a reader's question made would have the broker's defaults
            self._consumer = opened(
                KafkaConsumer,
                **connection_options(self._settings),
                group_id=self._settings.kafka_group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                session_timeout_ms=SESSION_MS,
                heartbeat_interval_ms=HEARTBEAT_MS,
                max_poll_interval_ms=MAX_BATCH_MS,
                max_partition_fetch_bytes=MAX_BATCH_BYTES,
                fetch_max_bytes=FETCH_BYTES,
                metrics_enabled=False,
            )
            self._consumer.subscribe([self._settings.kafka_topic], listener=_Listener(self))
        return self._consumer

    def _keep_within_bounds(self, consumer: Any) -> None:
        mine = consumer.assignment() or ()
        for owned in self._current():
            if owned.partition in mine:
                (consumer.pause if owned.full else consumer.resume)(owned.partition)

    def _take(self, found: dict[TopicPartition, list[Any]]) -> None:
        for partition, messages in found.items():
            if owned := self._owned.get(partition.partition):
                owned.take(messages)

    def _forget_what_is_done(self) -> None:
        """Retention is unlimited, so that no record goes before it is stored; those that are stored go here."""
        before = time.monotonic() - self._settings.kafka_keep_minutes * 60
        due = {owned.number: offset for owned in self._current() if (offset := owned.done_before(before))}
        if not due:
            return
        try:
            self._kafka.forget(due)
        except LogUnavailable as error:
            log.warning("records that are stored could not be deleted: %s", error)


def _stay_in_group(consumer: Any) -> None:
    """Join anew when the group asks for it, in one go.

    kafka-python 3.0.12 forgets a join that outlasts the `poll` in which it began: the group counts on a member that
    never learns what it was given. Such a one is told to begin again.
    """
    coordinator = consumer._coordinator  # noqa: SLF001 - `poll` gives no hold on how long it joins
    if coordinator._join_task is not None:  # noqa: SLF001
        coordinator.request_rejoin()
    if coordinator.need_rejoin():
        coordinator.poll(timeout_ms=JOIN_MS)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # kafka-python has no types
    """What the group tells, in kafka-python's own thread."""

    def __init__(self, reader: KafkaReader) -> None:
        self._reader = reader

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._reader.lost([partition.partition for partition in revoked])

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self._reader.lost([partition.partition for partition in lost])

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._reader.won([partition.partition for partition in assigned])


class _Done(NamedTuple):
    at: float
    until: int


class _Owned:
    """A `LogPartition` for as long as it is this reader's. Won again after a loss, it is another object."""

    def __init__(self, reader: KafkaReader, consumer: Any, partition: TopicPartition) -> None:
        self._reader = reader
        self.partition = partition
        self.number = partition.partition
        self.lost = False
        self._done_until = 0
        self._done: deque[_Done] = deque()
        self._noted = _Done(0.0, 0)
        self._consumer = consumer
        self._buffer: list[LogRecord] = []
        self._bytes = 0
        self._start: int | None = None  # where the buffer begins, once it is known
        self._committed: Committed | None = None

    @property
    def buffered(self) -> bool:
        """Whether there is something to read at once."""
        return bool(self._buffer)

    @property
    def full(self) -> bool:
        """Whether no more should come for now."""
        return len(self._buffer) >= BUFFER_RECORDS or self._bytes >= BUFFER_BYTES

    def take(self, messages: list[Any]) -> None:
        """What was fetched; it follows what is here, unless the broker lost some of the log and began anew."""
        records = [LogRecord(log_offset(message.offset, self.number), message.value or b"") for message in messages]
        expected = self._buffer[-1].offset + 1 if self._buffer else self._start
        if expected is not None and records[0].offset < expected:
            self._buffer, self._bytes, self._start, self._committed = [], 0, None, None
        if self._start is None:
            self._start = records[0].offset
        self._buffer += records
        self._bytes += sum(len(record.payload) for record in records)

    def read(self, after: int, max_records: int) -> LogBatch:
        """See LogPartition. What lies before `after` is let go; going back fetches again."""
        end = self._buffer[-1].offset if self._buffer else -1
        if (self._start is not None and after < self._start) or (self._buffer and after > end + (1 << PARTITION_BITS)):
            self._go_to(after)
        passed = next((i for i, record in enumerate(self._buffer) if record.offset >= after), len(self._buffer))
        self._bytes -= sum(len(record.payload) for record in self._buffer[:passed])
        del self._buffer[:passed]
        if self._start is not None:
            self._start = max(self._start, after)
        found = self._buffer[:max_records]
        return LogBatch(found, found[-1].offset + (1 << PARTITION_BITS) if found else after)

    def committed(self) -> Committed:
        """See LogPartition."""
        if self._committed is None:
            kept, first, end = self._asked(self._ask_committed)
            # a commit beyond the end is one of a log that lost its tail: what comes now begins at the end
            self._committed = Committed(log_offset(min(max(first, kept.offset), end), self.number), kept.metadata or "")
        return self._committed

    def commit(self, offset: int, note: str = "") -> None:
        """See LogPartition. The group's generation guards it: a sink that was taken for dead is refused."""
        self._reader.commit_all([Mark(self, offset, note)])

    def committed_at(self, mark: Mark) -> None:
        """The group has taken it."""
        self._committed = Committed(mark.offset, mark.note)
        self._done_until = mark.offset >> PARTITION_BITS

    def end(self) -> int:
        """See LogPartition."""
        return log_offset(self._asked(self._ask_end), self.number)

    def waiting(self) -> int:
        """See LogPartition. As of the last fetch: asking anew for every batch would cost a round trip."""
        known = None if self.lost else self._consumer.highwater(self.partition)
        return max(0, known - (self.committed().offset >> PARTITION_BITS)) if known is not None else 0

    def done_before(self, at: float) -> int:
        """The offset up to which all was committed at that (monotonic) time; 0 when nothing is new since last asked."""
        now = time.monotonic()
        if self._done_until > self._noted.until and now - self._noted.at >= FORGET_EVERY_S:
            self._noted = _Done(now, self._done_until)
            self._done.append(self._noted)
        found = 0
        while self._done and self._done[0].at <= at:
            found = self._done.popleft().until
        return found

    def _go_to(self, offset: int) -> None:
        self._buffer, self._bytes, self._start = [], 0, None
        if not self.lost:
            self._consumer.seek(self.partition, offset >> PARTITION_BITS)

    def _ask_committed(self) -> Any:
        kept = self._consumer.committed(self.partition, metadata=True, timeout_ms=REQUEST_TIMEOUT_MS)
        firsts = self._consumer.beginning_offsets([self.partition], timeout_ms=REQUEST_TIMEOUT_MS)
        return kept or OffsetAndMetadata(0, "", -1), firsts[self.partition], self._ask_end()

    def _ask_end(self) -> Any:
        return self._consumer.end_offsets([self.partition], timeout_ms=REQUEST_TIMEOUT_MS)[self.partition]

    def _asked(self, question: Any) -> Any:
        try:
            return question()
        except (KafkaError, OSError, RuntimeError) as error:
            raise LogUnavailable(f"Kafka does not answer: {reason(error)}") from error
