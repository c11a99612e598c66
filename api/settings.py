"""All settings, in nested groups read from SHOPLIGHT_<GROUP>_<NAME>. The one place that reads the environment."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.setting_values import (
    BrokerUrl,
    Bucket,
    ClickHouseUrl,
    DatabaseUrl,
    HostPorts,
    MilvusUrl,
    Origin,
    OtlpUrl,
    Proxies,
    ServiceUrl,
)

REPO_ROOT = Path(__file__).resolve().parents[1]
MODELS_DIR = Path(__file__).resolve().parent / "vision" / "models"
MIN_SECRET_CHARS = 8


def environment() -> dict[str, str]:
    """What the process was given; `settings_check` looks through it."""
    return dict(os.environ)


class HttpSettings(BaseModel):
    """Where the API listens and what it is called from outside."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    base_url: Origin = ""
    # who may say in X-Forwarded-For for whom it calls: address,network; nobody else is believed
    trusted_proxies: Proxies = "127.0.0.1"
    reuse_port: bool = False  # several processes on one port of one machine; the kernel shares connections out
    # on SIGTERM /readyz says 503 for so long before connections are refused: give a load balancer time to see it
    drain_s: float = Field(default=2.0, ge=0, le=120)
    max_connections: int = Field(default=4096, ge=10)
    max_in_flight: int = Field(default=512, ge=1)  # requests being answered; more are told 503 and when to come back
    body_timeout_s: float = Field(default=15.0, gt=0, le=600)  # for a small body; a large one has the time it needs


class DatabaseSettings(BaseModel):
    """The relational store; empty means SQLite in the data directory, else postgresql+psycopg://user:password@host/name."""

    url: DatabaseUrl = ""
    pool_size: int = Field(default=20, ge=1, le=500)


class QueueSettings(BaseModel):
    """The Celery broker; `memory://` means a worker thread in this process, else redis://host:port/0, where callers'
    rates are kept too."""

    broker_url: BrokerUrl = "memory://"
    threads: int = Field(default=4, ge=1, le=64)  # an import holds one to its end
    # a task whose worker vanished runs again after this; sweeps usually find its row sooner
    visibility_timeout_s: int = Field(default=900, ge=10)


class EventSettings(BaseModel):
    """Spool, the log behind it, and event store. Without Kafka servers the spool is the whole log; without a ClickHouse
    URL (clickhouse://user:password@host:9000/database) the store is chdb in the data directory."""

    kafka_servers: HostPorts = ""  # host:port,host:port
    kafka_topic: str = "shoplight.events"
    kafka_partitions: int = Field(default=12, ge=1, le=4096)
    kafka_replication: int = Field(default=1, ge=1, le=7)
    kafka_group: str = "shoplight-sink"
    # no more is forwarded while this many records wait for the sinks: the spools fill and the API answers 503
    kafka_max_waiting: int = Field(default=50_000_000, ge=1)
    # what the sinks have stored stays in Kafka this long, to be replayed where a power cut cost the store its last rows
    kafka_keep_minutes: int = Field(default=60, ge=0)
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_ca_file: str = ""  # empty: the certificates that the machine trusts
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_username: str = ""
    kafka_password: str = ""
    clickhouse_url: ClickHouseUrl = ""
    spool_max_bytes: int = 2 * 1024**3
    max_body_bytes: int = 1024**2
    max_events: int = 1000
    headless_is_net: bool = False  # development: a headless browser is the developer's own, not invalid traffic


class IndexSettings(BaseModel):
    """The product index; without a URL (http://host:19530) it is exact search inside the process."""

    milvus_url: MilvusUrl = ""
    milvus_token: str = ""
    collection: str = Field(default="shoplight_products", pattern="^[A-Za-z][A-Za-z0-9_]{0,99}$")
    # flat compares with every product that passes the filters: exact. hnsw is approximate, for millions of products;
    # `shoplight reindex` brings a change of this about
    kind: Literal["flat", "hnsw"] = "flat"
    timeout_s: float = Field(default=5.0, gt=0, le=60)


class BlobSettings(BaseModel):
    """Where bytes are kept; without a bucket it is a folder of the data directory."""

    s3_bucket: Bucket = ""
    s3_endpoint: ServiceUrl = ""  # empty: Amazon's own
    s3_region: str = "us-east-1"
    s3_access_key: str = ""
    s3_secret_key: str = ""
    s3_timeout_s: float = Field(default=20.0, gt=0, le=300)
    s3_attempts: int = Field(default=3, ge=1, le=10)


class TelemetrySettings(BaseModel):
    """Logs for people or as one JSON object a line; traces go to an OTLP collector where one is named."""

    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    otlp_endpoint: OtlpUrl = ""
    trace_ratio: float = Field(default=0.01, ge=0, le=1)


class FetchSettings(BaseModel):
    """Bounds of the one fetcher. `allow` lists host:port pairs exempt from the private-address rule."""

    allow: HostPorts = ""
    timeout_s: float = 15.0
    connect_timeout_s: float = 5.0
    max_redirects: int = 4
    max_picture_bytes: int = 20 * 1024**2
    max_video_bytes: int = 2 * 1024**3
    max_feed_bytes: int = 1024**3

    @cached_property
    def allowed(self) -> frozenset[str]:
        """Lower-cased host:port entries."""
        return frozenset(entry.strip().lower() for entry in self.allow.split(",") if entry.strip())


class VisionSettings(BaseModel):
    """Models and the bounds of decoding."""

    # Ours, with its card (.json) beside it, or any detector of Ultralytics: an .onnx export, or a .pt where Ultralytics
    # is installed. A .pt is a pickle, which runs whatever its maker put in: name none but your own.
    detector: Path = MODELS_DIR / "detector.onnx"
    embedder: Path = MODELS_DIR / "embedder.onnx"
    precision: Literal["default", "fp32", "int8"] = "default"  # of models whose card names several; it has the default
    threads: int = Field(default=2, ge=1, le=64)
    decoders: int = Field(default=2, ge=1, le=16)
    decode_timeout_s: float = 10.0
    decoder_memory_mb: int = Field(default=1536, ge=256)
    max_pixels: int = 100_000_000
    # a picture of twice this or more is divided by a whole number, so that its longest side stays at this or more
    kept_side: int = Field(default=960, ge=64, le=8192)
    waiting: int = Field(default=64, ge=1)
    fetching: int = Field(default=8, ge=1, le=64)
    # the cosine below which a product is not put on a tag; 0 means the floor that the embedder was calibrated to
    min_tag_score: float = Field(default=0.0, ge=0, le=1)


class StripeSettings(BaseModel):
    """Empty keys mean that nothing leaves: the ledger alone counts."""

    api_key: str = ""
    webhook_secret: str = ""
    api_base: ServiceUrl = ""
    timeout_s: float = Field(default=10.0, gt=0, le=60)


class BillingSettings(BaseModel):
    """When hours are closed, and what a publisher gets of a brand's spend (parts per million)."""

    close_after_minutes: int = Field(default=15, ge=1, le=1440)
    # how long an hour stays open for sinks that are behind, before it is closed all the same and the log says so
    close_wait_hours: int = Field(default=6, ge=1, le=168)
    lookback_hours: int = Field(default=48, ge=25, le=840)
    publisher_share_ppm: int = Field(default=700_000, ge=0, le=1_000_000)


class SecretSettings(BaseModel):
    """Empty means: generated once into the data directory (development only)."""

    session_key: str = ""
    token_keys: str = ""


class LimitSettings(BaseModel):
    """What one tenant or site may use."""

    media_per_site_per_day: int = 2000
    video_max_seconds: int = 3600
    videos_per_tenant_per_day: int = 200
    import_max_rows: int = 5_000_000


class Settings(BaseSettings):
    """The whole configuration. `Settings()` reads the environment; tests pass values."""

    model_config = SettingsConfigDict(
        env_prefix="SHOPLIGHT_", env_nested_delimiter="_", env_nested_max_split=1, env_ignore_empty=True, extra="ignore"
    )

    environment: Literal["development", "production"] = "development"
    datadir: Path = Path("data")
    http: HttpSettings = HttpSettings()
    database: DatabaseSettings = DatabaseSettings()
    queue: QueueSettings = QueueSettings()
    events: EventSettings = EventSettings()
    index: IndexSettings = IndexSettings()
    blobs: BlobSettings = BlobSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    fetch: FetchSettings = FetchSettings()
    vision: VisionSettings = VisionSettings()
    stripe: StripeSettings = StripeSettings()
    billing: BillingSettings = BillingSettings()
    secrets: SecretSettings = SecretSettings()
    limits: LimitSettings = LimitSettings()

    def texts(self) -> Iterator[tuple[str, str, str]]:
        """Group, name and value of every setting of a group that is text."""
        for group, settings in self:
            for name, value in settings if isinstance(settings, BaseModel) else ():
                if isinstance(value, str):
                    yield group, name, value

    def secret_values(self) -> list[str]:
        """What must show nowhere: keys, and the passwords inside addresses. Short ones are also words, and stay."""
        held = []
        for _, name, value in self.texts():
            if name.endswith(("key", "keys", "secret", "token", "password")):
                held.append(value)
            elif name.endswith("url"):
                password = urlsplit(value).password or ""
                held += [password, unquote(password)]
        return [value for value in held if len(value) >= MIN_SECRET_CHARS]

    @property
    def on_servers(self) -> bool:
        """The scale-out shape: the stores lie on servers that several processes share."""
        return bool(self.database.url.startswith("postgresql") and self.events.clickhouse_url)

    @property
    def base_url(self) -> str:
        """How people reach this server, without a trailing slash."""
        return (self.http.base_url or f"http://{self.http.host}:{self.http.port}").rstrip("/")

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the relational store."""
        return self.database.url or f"sqlite:///{self.datadir / 'shoplight.db'}"
