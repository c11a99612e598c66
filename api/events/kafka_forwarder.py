"""From the spool to Kafka, in order: read, send, wait for all acknowledgements, commit. A thread that never gives up.

What was sent and not committed is sent again after a crash; the sink counts it once. A batch that is sent again while
the process lives keeps its sequence, so the broker takes it once and the order of a tenant's records holds.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from kafka.errors import for_code
from opentelemetry.trace import SpanKind

from api.events.kafka_batches import (
    HEAD_BYTES,
    MAX_SEQUENCE,
    RECORD_OVERHEAD_BYTES,
    Keyed,
    ProducerIdentity,
    encode_batch,
    placing,
    tenant_of,
)
from api.events.kafka_client import MAX_BATCH_BYTES, KafkaClient
from api.events.log import LogRecord, LogUnavailable
from api.events.records import traceparent_of
from api.events.spool import Spool
from api.kit import tracing
from api.kit.metrics import MetricName, counter, gauge

log = logging.getLogger(__name__)
CHUNK_RECORDS = 20_000
BATCH_BYTES = 1024**2
COMMIT_EVERY_S = 0.5  # a commit is two fsyncs; what a crash makes us send again is at most this long
BACKOFF_S = (0.1, 5.0)
IDLE_S = 1.0
LOOK_AT_SINKS_EVERY_S = 2.0
FORWARDED = counter(MetricName.log_forwarded)
WAITING = gauge(MetricName.spool_waiting_bytes)
_NO_ERROR, _SENT_BEFORE = 0, 46
_UNKNOWN_TO_BROKER = frozenset({45, 47, 59})  # out of order sequence, invalid epoch, unknown producer id
_TOO_LARGE = frozenset({10, 18})


class _SinksBehind(Exception):
    """Too much waits in the topic."""


class Forwarder:
    """Owns the spool's reading end. `problem` says what is the matter, if anything is."""

    def __init__(
        self, spool: Spool, kafka: KafkaClient, waiting_records: Callable[[], int], *, max_waiting: int
    ) -> None:
        self.problem: str | None = None
        self._spool = spool
        self._kafka = kafka
        self._waiting_records = waiting_records
        self._max_waiting = max_waiting
        self._partitions = 0
        self._identity: ProducerIdentity | None = None
        self._sequences: dict[int, int] = {}
        self._unsent: dict[int, deque[list[Keyed]]] = {}
        self._traces: list[str] = []
        self._position = self._unsent_until = spool.committed().offset
        self._batch_bytes = BATCH_BYTES
        self._committed_at = self._looked_at = 0.0
        self._wake = threading.Event()
        self._stop_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="forwarder", daemon=True)
        self._thread.start()

    def wake(self, _: object = None) -> None:
        """Something new is in the spool."""
        self._wake.set()

    def close(self, within_s: float) -> None:
        """Forward what there is, as far as the time goes; the rest stays in the spool for the next start."""
        self._stop_at = time.monotonic() + within_s
        self._wake.set()
        self._thread.join(within_s)
        self._kafka.drop()  # fails a request that still hangs
        self._thread.join()

    def _run(self) -> None:
        backoff = BACKOFF_S[0]
        while not self._stopped():
            self._wake.clear()
            try:
                moved = self._forward()
            except Exception as trouble:  # noqa: BLE001 - whatever it is, events must go on being forwarded
                self._trouble(trouble)
                if self._stop_at is not None:
                    break  # who closes a process waits for it; the rest is safe in the spool
                self._wake_after(backoff)
                backoff = min(backoff * 2, BACKOFF_S[1])
                continue
            if self.problem:
                log.info("events are forwarded again")
            self.problem, backoff = None, BACKOFF_S[0]
            if not moved:
                if self._stop_at is not None:
                    break
                self._wake.wait(IDLE_S)
        self._commit()

    def _stopped(self) -> bool:
        return self._stop_at is not None and time.monotonic() >= self._stop_at

    def _wake_after(self, seconds: float) -> None:
        """New events must not cut a pause short; closing must."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stopped():
            time.sleep(min(left, 0.1))

    def _trouble(self, trouble: Exception) -> None:
        if isinstance(trouble, _SinksBehind | LogUnavailable):
            text = str(trouble)
        else:
            log.exception("forwarding failed")
            text = f"{type(trouble).__name__}: {trouble}"
        if self.problem is None:
            log.warning("events stay in the spool: %s", text)
        self.problem = text
        WAITING.set(self._spool.end() - self._position)

    def _forward(self) -> int:
        """Send one chunk of the spool; returns its number of records."""
        if not self._partitions:
            self._partitions = self._kafka.partitions()
        if not self._unsent:
            self._refuse_while_sinks_are_behind()
            found = self._spool.read(self._position, CHUNK_RECORDS)
            self._unsent = self._batches(found.records)
            self._unsent_until = found.end
            self._traces = [traceparent_of(record.payload) for record in found.records] if tracing.is_on() else []
        count = sum(len(batch) for batches in self._unsent.values() for batch in batches)
        if count:
            with tracing.span("kafka.publish", kind=SpanKind.PRODUCER, links=self._traces, records=count):
                while self._unsent:
                    self._send_first_of_each()
        self._position = self._unsent_until
        WAITING.set(self._spool.end() - self._position)
        if not count or time.monotonic() - self._committed_at > COMMIT_EVERY_S:
            self._commit()
        return count

    def _commit(self) -> None:
        committed = self._spool.committed()
        if self._position > committed.offset:
            self._spool.commit(self._position, committed.note)
        self._committed_at = time.monotonic()

    def _refuse_while_sinks_are_behind(self) -> None:
        if time.monotonic() - self._looked_at < LOOK_AT_SINKS_EVERY_S and self.problem is None:
            return
        self._looked_at = time.monotonic()
        waiting = self._waiting_records()
        if waiting > self._max_waiting:
            raise _SinksBehind(f"{waiting} records wait for the sinks, which is more than {self._max_waiting}")

    def _batches(self, records: Iterable[LogRecord]) -> dict[int, deque[list[Keyed]]]:
        found: dict[int, list[Keyed]] = {}
        for record in records:
            partition, key = placing(tenant_of(record.payload), self._partitions)
            found.setdefault(partition, []).append(Keyed(key, record.payload))
        return {partition: self._split(keyed) for partition, keyed in found.items()}

    def _split(self, keyed: Iterable[Keyed]) -> deque[list[Keyed]]:
        batches: deque[list[Keyed]] = deque()
        size = self._batch_bytes
        for one in keyed:
            more = len(one.key) + len(one.payload) + RECORD_OVERHEAD_BYTES
            size += more
            if not batches or size > self._batch_bytes:
                batches.append([])
                size = HEAD_BYTES + more
            batches[-1].append(one)
        return batches

    def _send_first_of_each(self) -> None:
        """One request a broker; a partition's next batch goes out only when the one before is acknowledged."""
        if self._identity is None:
            self._identity, self._sequences = self._kafka.identity(), {}
        identity = self._identity
        encoded = {
            partition: encode_batch(batches[0], identity, self._sequences.get(partition, 0))
            for partition, batches in self._unsent.items()
        }
        failed = {code for number, code in self._kafka.produce(encoded).items() if not self._settled(number, code)}
        if failed & _UNKNOWN_TO_BROKER:
            self._identity = None  # the broker forgot us: begin anew, at the risk of sending a batch twice
        if failed & _TOO_LARGE:
            self._shrink()
        if failed:
            self._kafka.drop()
            raise LogUnavailable(f"Kafka did not take a batch: {', '.join(for_code(c).__name__ for c in failed)}")

    def _settled(self, partition: int, code: int) -> bool:
        if code not in {_NO_ERROR, _SENT_BEFORE}:
            return False
        batches = self._unsent[partition]
        sent = len(batches.popleft())
        FORWARDED.inc(sent)
        self._sequences[partition] = (self._sequences.get(partition, 0) + sent) & MAX_SEQUENCE
        if not batches:
            del self._unsent[partition]
        return True

    def _shrink(self) -> None:
        """The topic takes less at a time than the one that we would have made."""
        self._batch_bytes = max(1, self._batch_bytes // 2)
        log.warning("batches of at most %d bytes from now on", self._batch_bytes)
        for partition, batches in self._unsent.items():
            self._unsent[partition] = self._split([one for batch in batches for one in batch])


assert BATCH_BYTES < MAX_BATCH_BYTES  # noqa: S101
