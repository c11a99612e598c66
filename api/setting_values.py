"""Kinds of settings that have a form: addresses and lists of them. What is wrong is told with what to write instead."""

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

DATABASE = "postgresql+psycopg://user:password@host:5432/shoplight"
BROKER = "redis://host:6379/0"
KAFKA = "host:9092,host:9092"
CLICKHOUSE = "clickhouse://user:password@host:9000/shoplight"
MILVUS = "http://host:19530"
BUCKET = "shoplight"
BASE_URL = "https://shop.example.com"
OTLP = "http://host:4318"
PROXIES = "127.0.0.1,10.0.0.0/8"
_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def _address(value: str, schemes: tuple[str, ...], example: str) -> None:
    """Raises ValueError; never shows the value, for a password may be in it."""
    scheme, separator, _ = value.partition("://")
    if not separator or scheme not in schemes:
        raise ValueError(f"must begin with {' or '.join(f'{known}://' for known in schemes)}: write {example}")
    try:
        parts = urlsplit(value)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0) and not re.search(r"\s", value)
    except ValueError:  # a port that is no number
        usable = False
    if not usable:
        raise ValueError(f"is no address: write {example}")


def _of(check: Callable[[str], None]) -> AfterValidator:
    """Empty stands for "not used" everywhere."""

    def checked(value: str) -> str:
        if value:
            check(value)
        return value

    return AfterValidator(checked)


def _database(value: str) -> None:
    if not value.startswith("sqlite:///"):
        _address(value, ("postgresql+psycopg",), DATABASE)
        if not urlsplit(value).path.strip("/"):
            raise ValueError(f"names no database: write {DATABASE}")


def _broker(value: str) -> None:
    if value != "memory://":
        _address(value, ("redis", "rediss"), BROKER)
        if not urlsplit(value).path.strip("/").isdigit() and urlsplit(value).path.strip("/"):
            raise ValueError(f"ends in the number of a Redis database: write {BROKER}")


def _clickhouse(value: str) -> None:
    _address(value, ("clickhouse", "clickhouses"), CLICKHOUSE)
    if not re.fullmatch(r"/[A-Za-z_][A-Za-z0-9_]{0,63}", urlsplit(value).path or "/"):
        raise ValueError(f"names no database, in letters, digits and underscores: write {CLICKHOUSE}")


def _host_ports(value: str) -> None:
    for entry in filter(None, (part.strip() for part in value.split(","))):
        found = _HOST_PORT.fullmatch(entry)
        if not found or not 0 < int(found[2]) <= 65535:
            raise ValueError(f"holds {entry[:80]!r}, which is no host:port: write {KAFKA}")


def _proxies(value: str) -> None:
    """Never `*`: whoever is trusted says who the caller is."""
    for entry in filter(None, (part.strip() for part in value.split(","))):
        try:
            ipaddress.ip_network(entry)
        except ValueError as error:
            raise ValueError(f"holds {entry[:80]!r}, which is no address or network: write {PROXIES}") from error


def _origin(value: str) -> None:
    _address(value, ("http", "https"), BASE_URL)
    parts = urlsplit(value)
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise ValueError(f"is more than scheme, host and port: write {BASE_URL}")


def _bucket(value: str) -> None:
    if not _BUCKET.fullmatch(value):
        raise ValueError("is no name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens")


def _http(example: str) -> AfterValidator:
    return _of(lambda value: _address(value, ("http", "https"), example))


DatabaseUrl = Annotated[str, _of(_database)]
BrokerUrl = Annotated[str, _of(_broker)]
ClickHouseUrl = Annotated[str, _of(_clickhouse)]
MilvusUrl = Annotated[str, _http(MILVUS)]
OtlpUrl = Annotated[str, _http(OTLP)]
ServiceUrl = Annotated[str, _http("https://host")]
Origin = Annotated[str, _of(_origin)]
HostPorts = Annotated[str, _of(_host_ports)]
Proxies = Annotated[str, _of(_proxies)]
Bucket = Annotated[str, _of(_bucket)]
