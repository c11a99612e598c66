"""All services by name, and what is installed beside them."""

from infra.services.chromium import Chromium
from infra.services.clickhouse_server import ClickHouse
from infra.services.installable import Installable
from infra.services.kafka_server import Kafka
from infra.services.milvus_server import Milvus
from infra.services.place import Place
from infra.services.postgresql_server import Postgresql
from infra.services.redis_server import Redis
from infra.services.s3_server import S3
from infra.services.service import Service
from infra.services.stripe_mock import StripeMock

SERVICES: dict[str, type[Service]] = {
    each.name: each for each in (Postgresql, Redis, Kafka, ClickHouse, Milvus, S3, StripeMock)
}
PROGRAMS: dict[str, type[Installable]] = {**SERVICES, Chromium.name: Chromium}


def service(name: str, place: Place | None = None) -> Service:
    """One service, in the default place or another."""
    return SERVICES[name](place)
