"""Which side of each port the settings ask for. The libraries of the scale-out sides are imported only when asked for:
the embedded shape runs without them."""

from api.events.log import EventLog, LogReader
from api.events.spool import Spool
from api.events.store import EventStore
from api.kit.blobs import BlobStore, FolderBlobs
from api.search.index import ProductIndex
from api.settings import Settings
from api.vision.service import Eyes


def open_blobs(settings: Settings) -> BlobStore:
    """A folder, or a bucket."""
    if settings.blobs.s3_bucket:
        from api.kit.s3_blobs import S3Blobs

        return S3Blobs(settings.blobs, scratch=settings.datadir / "scratch")
    return FolderBlobs(settings.datadir / "blobs")


def open_index(settings: Settings, eyes: Eyes) -> ProductIndex:
    """Exact search in the process, or Milvus; for vectors of this embedder alone."""
    if settings.index.milvus_url:
        from api.search.milvus import MilvusIndex

        return MilvusIndex(settings.index, eyes.dim, space=eyes.embedder_version)
    from api.search.exact import ExactIndex

    return ExactIndex(eyes.dim, settings.datadir / "index", space=eyes.embedder_version)


def open_event_log(settings: Settings) -> EventLog:
    """The spool, or the spool with Kafka behind it."""
    spool = Spool(settings.datadir / "spool", max_bytes=settings.events.spool_max_bytes)
    if settings.events.kafka_servers:
        from api.events.kafka_log import KafkaLog

        return KafkaLog(spool, settings.events)
    return spool


def open_log_reader(settings: Settings) -> LogReader:
    """A sink's own end of Kafka. In the embedded shape the spool itself is the reader."""
    from api.events.kafka_reader import KafkaReader

    return KafkaReader(settings.events)


def open_event_store(settings: Settings) -> EventStore:
    """chdb in the data directory, or a ClickHouse server."""
    if settings.events.clickhouse_url:
        from api.events.store_clickhouse import ClickHouseStore

        return ClickHouseStore(settings.events.clickhouse_url)
    from api.events.store_chdb import ChdbEventStore

    return ChdbEventStore(settings.datadir / "chdb")
