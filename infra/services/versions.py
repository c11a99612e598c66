"""What is installed, pinned in one place; the compose file is held to it. Security updates of Debian 12 move the last
digits of its packages, so that only the leading ones are pinned."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pinned:
    """A version, where it comes from, and the image that stands for it in infra/compose.yaml."""

    version: str
    source: str
    image: str = ""
    newer_image: str = ""  # why the image is not of the same version


VERSIONS = {
    "postgresql": Pinned("15", "debian", "postgres:15.14-bookworm"),
    "redis": Pinned("7.0", "debian", "redis:7.0.15-bookworm"),
    "clickhouse": Pinned(
        "18.16",
        "debian",
        "clickhouse/clickhouse-server:25.8",
        newer_image="Debian's is of 2018 and cannot fsync; it shows which SQL is safe",
    ),
    "kafka": Pinned("4.3.1", "maven", "apache/kafka:4.3.1"),  # 4.4.0 is listed, but lacks its kafka-tools-api
    "milvus": Pinned("2.3.5", "python", "milvusdb/milvus:v2.3.5"),
    "s3": Pinned(
        "",  # at the version of requirements-dev.lock
        "python",
        "minio/minio:RELEASE.2025-04-22T22-12-26Z",
        newer_image="moto is for tests: it keeps all in memory. Any S3-compatible store does",
    ),
    "stripe": Pinned("0.203.0", "go"),  # containers talk to Stripe itself
    "java": Pinned("17", "debian"),
    "go": Pinned("1.26.4", "go"),  # only where the machine's own is older than stripe-mock needs
}
PYTHON_IMAGE = "python:3.11.13-slim-bookworm"
