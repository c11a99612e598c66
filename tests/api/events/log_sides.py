"""Both sides of the event log as tests need them: opened, opened again as after a restart, read until it is there."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from api.events.log import EventLog, LogPartition, LogReader, LogRecord
from api.events.spool import Spool
from api.settings import EventSettings
from tests.patience import until

# a mark for tests in which Kafka is away: kafka-python leaves sockets that could not connect to the collector
KAFKA_LEAVES = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


class Side(Protocol):
    """A log that a test can open from both ends."""

    def log(self) -> EventLog:
        """The writing end; asked again, the one before is closed as by a restart."""
        ...

    def reader(self) -> LogReader:
        """The reading end; the same."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


@dataclass
class SpoolSide:
    """One object is both ends."""

    folder: Path
    _open: list[Spool] = field(default_factory=list)
    _as: set[str] = field(default_factory=set)

    def log(self) -> Spool:
        return self._opened("log")

    def reader(self) -> Spool:
        return self._opened("reader")

    def close(self) -> None:
        while self._open:
            self._open.pop().close()
        self._as.clear()

    def _opened(self, end: str) -> Spool:
        if end in self._as:
            self.close()
        if not self._open:
            self._open.append(Spool(self.folder / "log", max_bytes=10_000_000, segment_bytes=4096))
        self._as.add(end)
        return self._open[-1]


def kafka_settings(servers: str, **changes: Any) -> EventSettings:
    """A topic and a group of their own."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    given = {"kafka_servers": servers, "kafka_topic": name, "kafka_group": name, "kafka_partitions": 4}
    return EventSettings(**{**given, **changes})


@dataclass
class KafkaSide:
    """Any number of writers, each with its spool, and readers, on one topic."""

    folder: Path
    settings: EventSettings
    _log: Any = None
    _reader: Any = None
    _others: list[Any] = field(default_factory=list)

    def log(self) -> Any:
        if self._log:
            self._log.close()
        self._log = self.another_log("log", kept=False)
        return self._log

    def reader(self) -> Any:
        if self._reader:
            self._reader.close()
        self._reader = self.another_reader(kept=False)
        return self._reader

    def another_log(self, name: str, *, kept: bool = True, max_bytes: int = 100_000_000) -> Any:
        from api.events.kafka_log import KafkaLog

        opened = KafkaLog(Spool(self.folder / name, max_bytes=max_bytes), self.settings)
        self._others += [opened] if kept else []
        return opened

    def another_reader(self, *, kept: bool = True) -> Any:
        from api.events.kafka_reader import KafkaReader

        opened = KafkaReader(self.settings)
        self._others += [opened] if kept else []
        return opened

    def close(self) -> None:
        for opened in [*self._others, self._log, self._reader]:
            if opened:
                opened.close()


@contextmanager
def kafka_side(folder: Path, servers: str, **changes: Any) -> Iterator[KafkaSide]:
    """A side that leaves no topic behind."""
    from kafka import KafkaAdminClient
    from kafka.errors import UnknownTopicOrPartitionError

    side = KafkaSide(folder, kafka_settings(servers, **changes))
    yield side
    side.close()
    admin = KafkaAdminClient(bootstrap_servers=servers)
    try:
        admin.delete_topics([side.settings.kafka_topic])
    except UnknownTopicOrPartitionError:
        pass  # the test never used it
    finally:
        admin.close()


def the_partition(reader: LogReader, with_records: bool = True) -> LogPartition:
    """The one that has records: what is no record of ours has no tenant and is all in one partition."""

    def find() -> LogPartition | None:
        for partition in reader.assigned():
            if not with_records or partition.read(partition.committed().offset, 1).records:
                return partition
        return None

    found: LogPartition = until(find)
    return found


def read_from(reader: LogReader, number: int, after: int, count: int, at_a_time: int = 7) -> list[LogRecord]:
    """That many records of a partition, as they come."""
    records: list[LogRecord] = []

    def enough() -> bool:
        nonlocal after
        for partition in reader.assigned():
            if partition.number == number and len(records) < count:
                batch = partition.read(after, min(at_a_time, count - len(records)))
                records.extend(batch.records)
                after = batch.end
        return len(records) >= count

    until(enough)
    return records
