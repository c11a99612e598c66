"""Houses on real servers: each with a database, event database, topic, collection and bucket of its own."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import boto3
import psycopg
from clickhouse_driver import Client

from api.search.milvus import MilvusIndex
from api.settings import (
    BlobSettings,
    DatabaseSettings,
    EventSettings,
    IndexSettings,
    QueueSettings,
    SecretSettings,
    Settings,
)
from api.vision.service import Eyes
from tests.services import url_of

PARTITIONS = 3


def in_database(url: str, name: str) -> str:
    """The server's address with another database on it."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@contextmanager
def house_on_servers(datadir: Path, *, keys: dict[str, str] | None = None) -> Iterator[Settings]:
    """Settings of an empty house, of which nothing is left afterwards. Without `keys` it makes its own in `datadir`."""
    name = f"moving_{os.getpid()}_{secrets.token_hex(3)}"
    settings = Settings(
        datadir=datadir,
        database=DatabaseSettings(url=in_database(url_of("postgresql"), name), pool_size=5),
        queue=QueueSettings(broker_url="memory://"),
        events=EventSettings(
            kafka_servers=url_of("kafka"),
            kafka_topic=f"{name}.events",
            kafka_group=f"{name}-sink",
            kafka_partitions=PARTITIONS,
            clickhouse_url=in_database(url_of("clickhouse"), name),
        ),
        index=IndexSettings(milvus_url=url_of("milvus"), collection=name),
        blobs=BlobSettings(
            s3_bucket=name.replace("_", "-"), s3_endpoint=url_of("s3"), s3_access_key="test", s3_secret_key="test"
        ),
        secrets=SecretSettings(**(keys or {})),
    )
    build(settings)
    try:
        yield settings
    finally:
        demolish(settings)


def build(settings: Settings) -> None:
    """What an operator makes before a house can move in: a database and a bucket."""
    name = urlsplit(settings.database.url).path.strip("/")
    with psycopg.connect(url_of("postgresql").replace("+psycopg", ""), autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
    _s3(settings).create_bucket(Bucket=settings.blobs.s3_bucket)


def demolish(settings: Settings, *, for_good: bool = True) -> None:
    """Everything away: database, event database, topic, collection, bucket. If not for good, the topic is waited for:
    a broker deletes it after it has said so."""
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError

    name = urlsplit(settings.database.url).path.strip("/")
    with psycopg.connect(url_of("postgresql").replace("+psycopg", ""), autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    clickhouse = Client.from_url(in_database(settings.events.clickhouse_url, "default"))
    clickhouse.execute(f"DROP DATABASE IF EXISTS {name}")
    clickhouse.disconnect()
    admin = KafkaAdminClient(bootstrap_servers=settings.events.kafka_servers)
    with suppress(KafkaError):
        admin.delete_topics([settings.events.kafka_topic])
    with suppress(KafkaError):
        admin.delete_groups([settings.events.kafka_group])
    while not for_good and settings.events.kafka_topic in admin.list_topics():
        time.sleep(0.1)
    admin.close()
    with closing(MilvusIndex(settings.index, dim_of(settings))) as index:
        index.destroy()
    client, bucket = _s3(settings), settings.blobs.s3_bucket
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            client.delete_object(Bucket=bucket, Key=item["Key"])
    client.delete_bucket(Bucket=bucket)
    client.close()


def dim_of(settings: Settings) -> int:
    """The length of the house's vectors."""
    with closing(Eyes(settings.vision, settings.fetch.max_picture_bytes)) as eyes:
        return eyes.dim


def _s3(settings: Settings):  # type: ignore[no-untyped-def]  # boto3 has no types
    blobs = settings.blobs
    return boto3.client(
        "s3", endpoint_url=blobs.s3_endpoint, region_name=blobs.s3_region, aws_access_key_id=blobs.s3_access_key,
        aws_secret_access_key=blobs.s3_secret_key,
    )  # fmt: skip
