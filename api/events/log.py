"""The event log port: durable appends; partitions that are read in order, each with one committed offset and a note.

The embedded side is `spool.Spool`, a log of one partition; the other is Kafka with a spool in front of it
(`kafka_log.KafkaLog` writes, `kafka_reader.KafkaReader` reads). Who reads decides what the records mean.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

RETRY_AFTER_S = 2
MAX_RECORD_BYTES = 256 * 1024


class LogFull(Exception):
    """The readers are too far behind: nothing more is taken until they catch up."""


class LogUnavailable(Exception):
    """The medium refuses (full, read-only, gone). What was acknowledged is safe; this append is not."""


class PartitionLost(Exception):
    """The partition is another reader's now: what was read and not committed is that reader's to deal with."""


class LogRecord(NamedTuple):
    """One record; offsets of one tenant's records grow in the order in which they were accepted."""

    offset: int
    payload: bytes


class LogBatch(NamedTuple):
    """Records, and where to read on (and what to commit) once they are dealt with."""

    records: list[LogRecord]
    end: int


class Committed(NamedTuple):
    """How far the readers got, and the note they left with it."""

    offset: int
    note: str


class Mark(NamedTuple):
    """How far a partition is dealt with, and the note that goes with it."""

    partition: "LogPartition"
    offset: int
    note: str


class LogPartition(Protocol):
    """One ordered part of a log. All records of a tenant are in the same one."""

    @property
    def number(self) -> int:
        """Of the partition, from 0."""
        ...

    def read(self, after: int, max_records: int) -> LogBatch:
        """Durable records from offset `after` on; empty when there are none yet. Never blocks for more."""
        ...

    def committed(self) -> Committed:
        """The last commit; where to start reading."""
        ...

    def commit(self, offset: int, note: str = "") -> None:
        """All before `offset` is dealt with and may be forgotten. Survives a crash.

        Raises PartitionLost, or LogUnavailable when it is not known to have worked.
        """
        ...

    def end(self) -> int:
        """The offset after the last durable record."""
        ...

    def waiting(self) -> int:
        """How much lies between the commit and the end: records, or bytes where records are not numbered."""
        ...


class EventLog(Protocol):
    """The writing end. See the contract suite in tests/api/events/test_log_contract.py."""

    def append(self, records: Sequence[bytes]) -> Future[None]:
        """Take records, all or none, from any thread. The future is done once they survive a crash of the machine.

        Raises LogFull or LogUnavailable at once; the future may fail with LogUnavailable.
        """
        ...

    def partitions(self) -> Sequence[LogPartition]:
        """All of them, to see how far their readers are."""
        ...

    def check(self) -> None:
        """Raise LogFull or LogUnavailable when an append would."""
        ...

    def close(self) -> None:
        """Finish what was taken, then let go."""
        ...


class LogReader(Protocol):
    """The reading end, of one sink among several."""

    def assigned(self) -> Sequence[LogPartition]:
        """The partitions that are this reader's now. A partition that went to another reader refuses to commit."""
        ...

    def commit_all(self, marks: Sequence[Mark]) -> None:
        """Commit several partitions, all or none. Raises as a partition's commit does."""
        ...

    def close(self) -> None:
        """Hand the partitions to the other readers at once."""
        ...
