"""One connection to Kafka for everything but reading: the topic, positions, and batches with all acknowledgements.

Opened when first needed, thrown away after trouble and opened again: what a client remembers of a broker (leaders,
refused passwords) goes with it.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import CoordinatorNotAvailableError, KafkaError, KafkaTimeoutError, TopicAlreadyExistsError, for_code
from kafka.net.compat import KafkaNetClient
from kafka.protocol.consumer import OffsetSpec
from kafka.protocol.producer import InitProducerIdRequest, ProduceRequest

from api.events.kafka_batches import ProducerIdentity
from api.events.log import LogUnavailable
from api.settings import EventSettings

log = logging.getLogger(__name__)
Made = TypeVar("Made")
MAX_BATCH_BYTES = 2 * 1024**2  # of the topic; the largest record fits many times
REQUEST_TIMEOUT_MS = 10_000
OPEN_TIMEOUT_MS = 5_000
REOPEN_AFTER_S = 1.0
GROUPS_MADE_S = 5.0
KEPT = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
PARTITION_BITS = 12  # settings allow 4096
_ALL_REPLICAS = -1


class Position(NamedTuple):
    """Of one partition, in Kafka's own offsets; `committed` is the group's, or the first record there is."""

    committed: int
    note: str
    end: int


def log_offset(kafka_offset: int, partition: int) -> int:
    """The offset of a record as the rest of the house knows it: unique over partitions, in order within one."""
    return kafka_offset << PARTITION_BITS | partition


def connection_options(settings: EventSettings) -> dict[str, Any]:
    """What every client of ours tells kafka-python."""
    options: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in settings.kafka_servers.split(",") if server.strip()],
        "client_id": "shoplight",
        "security_protocol": settings.kafka_security,
        "ssl_cafile": settings.kafka_ca_file or None,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "bootstrap_timeout_ms": OPEN_TIMEOUT_MS,
        "reconnect_backoff_max_ms": 1_000,
    }
    if settings.kafka_security.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_mechanism
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = settings.kafka_password
    return options


def opened(make: Callable[..., Made], **options: Any) -> Made:
    """Make a client. One that fails while it is made leaves its thread and sockets behind; they are closed here."""
    nets: list[Any] = []

    def net_client(**config: Any) -> Any:
        nets.append(KafkaNetClient(**config))
        return nets[-1]

    try:
        return make(kafka_client=net_client, **options)
    except BaseException:
        for net in nets:
            net.close()
            net._manager._net.stop(1000)  # noqa: SLF001 - the one way to end its thread
        raise


class _Client(KafkaAdminClient):  # type: ignore[misc] # kafka-python has no types
    """The admin client, which can produce too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._leaders: dict[tuple[str, int], int] = {}

    def identity(self) -> ProducerIdentity:
        """A fresh producer id."""
        request = InitProducerIdRequest(
            transactional_id=None, transaction_timeout_ms=60_000, producer_id=-1, producer_epoch=-1, max_version=4
        )
        answer = self._manager.run(self._manager.send, request)
        if answer.error_code:
            raise for_code(answer.error_code)
        return ProducerIdentity(answer.producer_id, answer.producer_epoch)

    def produce(self, topic: str, batches: Mapping[int, bytes]) -> dict[int, int]:
        """Send a batch a partition; returns Kafka's error codes by partition."""
        answers: dict[int, int] = self._manager.run(self._produce, topic, batches)
        return answers

    async def _produce(self, topic: str, batches: Mapping[int, bytes]) -> dict[int, int]:
        missing = {TopicPartition(topic, number) for number in batches if (topic, number) not in self._leaders}
        if missing:
            for leader, partitions in (await self._async_get_leader_for_partitions(missing)).items():
                self._leaders |= {(partition.topic, partition.partition): leader for partition in partitions}
        by_leader: dict[int, list[Any]] = defaultdict(list)
        for number, data in batches.items():
            part = ProduceRequest.TopicProduceData.PartitionProduceData(index=number, records=data)
            by_leader[self._leaders[topic, number]].append(part)
        sent = [self._manager.send(_produce_request(topic, parts), node_id=at) for at, parts in by_leader.items()]
        answers = [await one for one in sent]
        return {
            part.index: part.error_code
            for answer in answers
            for found in answer.responses
            for part in found.partition_responses
        }


def _produce_request(topic: str, parts: list[Any]) -> Any:
    return ProduceRequest(
        transactional_id=None,
        acks=_ALL_REPLICAS,
        timeout_ms=REQUEST_TIMEOUT_MS - 1_000,
        topic_data=[ProduceRequest.TopicProduceData(name=topic, partition_data=parts)],
        max_version=9,  # later ones name topics by id
    )


class KafkaClient:
    """The house's view of one topic and one group. Any thread; every failure is LogUnavailable."""

    def __init__(self, settings: EventSettings) -> None:
        self._settings = settings
        self._topic = settings.kafka_topic
        self._guard = threading.Lock()
        self._client: _Client | None = None
        self._refused: tuple[float, str] = (0.0, "")

    def partitions(self) -> int:
        """How many the topic has; the topic is made if it is missing."""
        return self._do(self._ensure_topic)

    def identity(self) -> ProducerIdentity:
        """A fresh producer id."""
        return self._do(_Client.identity)

    def produce(self, batches: Mapping[int, bytes]) -> dict[int, int]:
        """See _Client.produce."""
        return self._do(lambda client: client.produce(self._topic, batches))

    def positions(self, count: int) -> list[Position]:
        """Of every partition. The ends are read before the commits: what arrives in between only adds to what waits."""
        return self._do(lambda client: self._positions(client, count))

    def forget(self, before: Mapping[int, int]) -> None:
        """Delete the records before these offsets, by partition."""
        offsets = {TopicPartition(self._topic, number): offset for number, offset in before.items()}
        self._do(lambda client: client.delete_records(offsets, timeout_ms=REQUEST_TIMEOUT_MS))

    def drop(self) -> None:
        """Close; the next call opens anew."""
        with self._guard:
            self._close()

    def _do(self, work: Callable[[_Client], Made]) -> Made:
        try:
            return work(self._opened())
        except (KafkaError, OSError, RuntimeError, ValueError) as error:
            self.drop()
            raise LogUnavailable(f"Kafka at {self._settings.kafka_servers}: {reason(error)}") from error

    def _opened(self) -> _Client:
        with self._guard:
            if self._client is not None:
                return self._client
            since, why = self._refused
            if time.monotonic() - since < REOPEN_AFTER_S:  # many callers must not each wait for the same dead broker
                raise OSError(why)
            try:
                self._client = opened(_Client, **connection_options(self._settings))
            except Exception as error:
                self._refused = (time.monotonic(), reason(error))
                raise
            return self._client

    def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _ensure_topic(self, client: _Client) -> int:
        found = self._described(client)
        if found is None:
            copies = self._settings.kafka_replication
            kept = {**KEPT, "max.message.bytes": str(MAX_BATCH_BYTES), "min.insync.replicas": str(max(1, copies - 1))}
            wanted = {"num_partitions": self._settings.kafka_partitions, "replication_factor": copies, "configs": kept}
            try:
                client.create_topics({self._topic: wanted})
                log.info("created the topic %s with %d partitions", self._topic, self._settings.kafka_partitions)
            except TopicAlreadyExistsError:
                pass  # another process was quicker
            client.wait_for_topics([self._topic])
            found = self._described(client)
        return len(found or ())

    def _described(self, client: _Client) -> list[Any] | None:
        for topic in client.describe_topics([self._topic]):
            if topic["name"] == self._topic and not topic["error_code"]:
                return list(topic["partitions"])
        return None

    def _positions(self, client: _Client, count: int) -> list[Position]:
        numbered = [TopicPartition(self._topic, number) for number in range(count)]
        ends = client.list_partition_offsets(dict.fromkeys(numbered, OffsetSpec.LATEST), timeout_ms=REQUEST_TIMEOUT_MS)
        firsts = client.list_partition_offsets(
            dict.fromkeys(numbered, OffsetSpec.EARLIEST), timeout_ms=REQUEST_TIMEOUT_MS
        )
        kept = self._group_offsets(client, numbered)
        return [
            Position(
                max(kept[one].offset if one in kept else -1, firsts[one].offset),
                (kept[one].metadata or "") if one in kept else "",
                ends[one].offset,
            )
            for one in numbered
        ]

    def _group_offsets(self, client: _Client, numbered: list[TopicPartition]) -> Any:
        """A cluster that never had a group first makes the topic that groups are kept in."""
        group, deadline = self._settings.kafka_group, time.monotonic() + GROUPS_MADE_S
        while True:
            try:
                return client.list_group_offsets({group: numbered})[group]
            except CoordinatorNotAvailableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


def reason(error: BaseException) -> str:
    """One line about it; many of kafka-python's errors have no text of their own, and "cannot bootstrap" is said of
    refused passwords and expired certificates alike."""
    text = str(error).strip() or getattr(error, "description", "")
    heard = _heard.lately() if isinstance(error, KafkaTimeoutError) else ""
    return f"{type(error).__name__}: {text}{f' ({heard})' if heard else ''}"[:300]


class _Heard(logging.Handler):
    """What kafka-python logs of connections that fail, some lines for each attempt: kept for `reason`, not written."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._last = (0.0, "")

    def emit(self, record: logging.LogRecord) -> None:
        """Remember why."""
        if str(record.msg).startswith("Connection failed"):
            self._last = time.monotonic(), record.getMessage().removeprefix("Connection failed: ")

    def lately(self) -> str:
        """The last reason, if it is of this attempt."""
        at, text = self._last
        return text if time.monotonic() - at < OPEN_TIMEOUT_MS / 1000 else ""


_heard = _Heard()
logging.getLogger("kafka.net").addHandler(_heard)
logging.getLogger("kafka.net").propagate = False
