"""The writing end of the scale-out log: the local spool makes events durable, a forwarder takes them on to Kafka.

All records of a tenant are in one partition, whichever process they came through. The number of partitions is the
topic's for good: adding some would move tenants, and their order with them.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

from api.events.kafka_client import KafkaClient, Position, log_offset
from api.events.kafka_forwarder import Forwarder
from api.events.log import Committed, LogBatch, LogPartition, PartitionLost
from api.events.spool import Spool
from api.settings import EventSettings

CLOSE_S = 5.0
SEEN_FOR_S = 1.0


class KafkaLog:
    """An `EventLog`. Appends need the spool alone; a broker that is away is told by `status`, not by them."""

    def __init__(self, spool: Spool, settings: EventSettings) -> None:
        self._spool = spool
        self._kafka = KafkaClient(settings)
        self._seen = _Seen(self._kafka)
        self._forwarder = Forwarder(spool, self._kafka, self._waiting_records, max_waiting=settings.kafka_max_waiting)

    def append(self, records: Sequence[bytes]) -> "Future[None]":
        """See EventLog."""
        done = self._spool.append(records)
        done.add_done_callback(self._forwarder.wake)
        return done

    def partitions(self) -> Sequence[LogPartition]:
        """See EventLog; as of at most a second ago. LogUnavailable while Kafka is away."""
        return [_Watched(number, position) for number, position in enumerate(self._seen.positions())]

    def check(self) -> None:
        """See EventLog."""
        self._spool.check()

    def status(self) -> str | None:
        """What keeps events in the spool, None when they flow. Appends work as long as `check` says so."""
        return self._forwarder.problem

    def unforwarded(self) -> int:
        """Bytes of this process's spool that are not known to be in Kafka yet."""
        return self._spool.waiting()

    def close(self) -> None:
        """See EventLog. What cannot be forwarded within seconds stays in the spool, for the next start."""
        self._forwarder.close(CLOSE_S)
        self._spool.close()
        self._kafka.drop()

    def _waiting_records(self) -> int:
        return sum(partition.waiting() for partition in self.partitions())


class _Seen:
    """The positions of all partitions, asked for at most once a second."""

    def __init__(self, kafka: KafkaClient) -> None:
        self._kafka = kafka
        self._count = 0
        self._at = 0.0
        self._positions: list[Position] = []
        self._guard = threading.Lock()

    def positions(self) -> list[Position]:
        with self._guard:
            if not self._positions or time.monotonic() - self._at > SEEN_FOR_S:
                self._count = self._count or self._kafka.partitions()
                self._positions = self._kafka.positions(self._count)
                self._at = time.monotonic()
            return self._positions


class _Watched:
    """A `LogPartition` seen from outside: how far its reader is. Reading takes a KafkaReader."""

    def __init__(self, number: int, position: Position) -> None:
        self.number = number
        self._position = position

    def read(self, after: int, max_records: int) -> LogBatch:
        raise PartitionLost("only a sink's reader reads")

    def committed(self) -> Committed:
        return Committed(log_offset(self._position.committed, self.number), self._position.note)

    def commit(self, offset: int, note: str = "") -> None:
        raise PartitionLost("only a sink's reader commits")

    def end(self) -> int:
        return log_offset(self._position.end, self.number)

    def waiting(self) -> int:
        return max(0, self._position.end - self._position.committed)
