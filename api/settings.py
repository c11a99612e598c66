"""All settings, in nested groups read from SHOPLIGHT_<GROUP>_<NAME>. The one place that reads the environment."""

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

REPO_ROOT = Path(__file__).resolve().parents[1]
MODELS_DIR = Path(__file__).resolve().parent / "vision" / "models"


class HttpSettings(BaseModel):
    """Where the API listens and what it is called from outside."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    base_url: str = ""


class DatabaseSettings(BaseModel):
    """The relational store; empty means SQLite in the data directory."""

    url: str = ""


class QueueSettings(BaseModel):
    """The Celery broker; `memory://` means a worker thread in this process."""

    broker_url: str = "memory://"
    threads: int = Field(default=4, ge=1, le=64)  # an import holds one to its end


class EventSettings(BaseModel):
    """Spool and event store."""

    spool_max_bytes: int = 2 * 1024**3
    max_body_bytes: int = 1024**2
    max_events: int = 1000
    headless_is_net: bool = False  # development: a headless browser is the developer's own, not invalid traffic


class FetchSettings(BaseModel):
    """Bounds of the one fetcher. `allow` lists host:port pairs exempt from the private-address rule."""

    allow: str = ""
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

    detector: Path = MODELS_DIR / "detector.onnx"
    embedder: Path = MODELS_DIR / "embedder.onnx"
    threads: int = Field(default=2, ge=1, le=64)
    decoders: int = Field(default=2, ge=1, le=16)
    decode_timeout_s: float = 10.0
    decoder_memory_mb: int = Field(default=1536, ge=256)
    max_pixels: int = 100_000_000
    longest_side: int = Field(default=1280, ge=64, le=8192)
    waiting: int = Field(default=64, ge=1)
    fetching: int = Field(default=8, ge=1, le=64)
    # the cosine below which a product is not put on a tag; 0 means the floor that the embedder was calibrated to
    min_tag_score: float = Field(default=0.0, ge=0, le=1)


class StripeSettings(BaseModel):
    """Empty keys mean that nothing leaves: the ledger alone counts."""

    api_key: str = ""
    webhook_secret: str = ""
    api_base: str = ""
    timeout_s: float = Field(default=10.0, gt=0, le=60)


class BillingSettings(BaseModel):
    """When hours are closed, and what a publisher gets of a brand's spend (parts per million)."""

    close_after_minutes: int = Field(default=15, ge=1, le=1440)
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
        env_prefix="SHOPLIGHT_", env_nested_delimiter="_", env_nested_max_split=1, extra="ignore"
    )

    environment: Literal["development", "production"] = "development"
    datadir: Path = Path("data")
    http: HttpSettings = HttpSettings()
    database: DatabaseSettings = DatabaseSettings()
    queue: QueueSettings = QueueSettings()
    events: EventSettings = EventSettings()
    fetch: FetchSettings = FetchSettings()
    vision: VisionSettings = VisionSettings()
    stripe: StripeSettings = StripeSettings()
    billing: BillingSettings = BillingSettings()
    secrets: SecretSettings = SecretSettings()
    limits: LimitSettings = LimitSettings()

    @model_validator(mode="after")
    def _production_brings_its_own_secrets(self) -> "Settings":
        if self.environment == "production" and not (self.secrets.session_key and self.secrets.token_keys):
            raise ValueError(
                "outside development SHOPLIGHT_SECRETS_SESSION_KEY and SHOPLIGHT_SECRETS_TOKEN_KEYS must be set: "
                "'openssl rand -hex 32' makes a key; token keys are written id:hex, newest first, comma separated"
            )
        return self

    @property
    def base_url(self) -> str:
        """How people reach this server, without a trailing slash."""
        return (self.http.base_url or f"http://{self.http.host}:{self.http.port}").rstrip("/")

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the relational store."""
        return self.database.url or f"sqlite:///{self.datadir / 'shoplight.db'}"
