"""The event log port: durable appends in order, reads from an offset, one committed offset with a note.

The embedded side is `spool.Spool`; Kafka is the other. Who reads decides what the records mean.
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


class EventLog(Protocol):
    """See the contract suite in tests/api/events/test_log_contract.py."""

    def append(self, records: Sequence[bytes]) -> Future[None]:
        """Take records, all or none, from any thread. The future is done once they survive a crash of the machine.

        Raises LogFull or LogUnavailable at once; the future may fail with LogUnavailable.
        """
        ...

    def read(self, after: int, max_records: int) -> LogBatch:
        """Durable records from offset `after` on; empty when there are none yet. Never blocks for more."""
        ...

    def committed(self) -> Committed:
        """The last commit; where to start reading."""
        ...

    def commit(self, offset: int, note: str = "") -> None:
        """All before `offset` is dealt with and may be forgotten. Survives a crash."""
        ...

    def end(self) -> int:
        """The offset after the last durable record."""
        ...

    def check(self) -> None:
        """Raise LogFull or LogUnavailable when an append would."""
        ...

    def close(self) -> None:
        """Finish what was taken, then let go."""
        ...
