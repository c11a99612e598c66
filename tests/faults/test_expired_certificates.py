"""A server whose certificate has expired: the reason says so, for each kind of server that is reached by TLS."""

import gc
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery import Celery
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.events.kafka_client import KafkaClient
from api.events.store_clickhouse import ClickHouseStore
from api.kit.db import Database
from api.kit.queue import CeleryQueue
from api.kit.readiness import reason_of
from api.kit.s3_blobs import S3Blobs
from api.settings import BlobSettings, EventSettings, QueueSettings
from workers.celery_app import configuration

HOST = "localhost"
# kafka-python leaves the socket of a failed handshake to the garbage collector
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@dataclass
class Expired:
    """A TLS server on loopback; `authority` is the file to trust."""

    port: int
    authority: Path


def signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    by: ec.EllipticCurvePrivateKey,
    days: int,
    *,
    authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .sign(by, hashes.SHA256())
    )


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Expired]:
    folder = tmp_path_factory.mktemp("tls")
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(signed("root", root, "root", root, 30, authority=True).public_bytes(pem))
    key = leaf.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "leaf.pem").write_bytes(signed(HOST, leaf, "root", root, -1, authority=False).public_bytes(pem) + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, context), daemon=True).start()
        yield Expired(listener.getsockname()[1], folder / "ca.pem")


def _serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Shake hands; PostgreSQL's clients first ask whether they may."""
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        line.settimeout(5)
        try:
            if line.recv(8, socket.MSG_PEEK) == bytes.fromhex("0000000804d2162f"):
                line.recv(8)
                line.sendall(b"S")
            context.wrap_socket(line, server_side=True).recv(1)
        except OSError:
            pass
        finally:
            line.close()


def postgresql(expired: Expired, _: Path) -> Callable[[], object]:
    tls = f"sslmode=verify-full&sslrootcert={expired.authority}&hostaddr=127.0.0.1"
    return Database(f"postgresql+psycopg://shop@{HOST}:{expired.port}/shop?{tls}").check


def clickhouse(expired: Expired, _: Path) -> Callable[[], object]:
    store = ClickHouseStore(f"clickhouse://shop@{HOST}:{expired.port}/shop?secure=1&ca_certs={expired.authority}")
    return lambda: store.select("SELECT 1 AS one")


def kafka(expired: Expired, _: Path) -> Callable[[], object]:
    settings = EventSettings(
        kafka_servers=f"{HOST}:{expired.port}", kafka_security="SSL", kafka_ca_file=str(expired.authority)
    )
    return KafkaClient(settings).partitions


def s3(expired: Expired, scratch: Path) -> Callable[[], object]:
    at = f"https://{HOST}:{expired.port}"
    return S3Blobs(BlobSettings(s3_bucket="shop", s3_endpoint=at, s3_access_key="x", s3_secret_key="x"), scratch).check


def redis(expired: Expired, _: Path) -> Callable[[], object]:
    url = f"rediss://{HOST}:{expired.port}/0?ssl_cert_reqs=required&ssl_ca_certs={expired.authority}"
    app = Celery("expired", set_as_current=False)  # the house's own would keep this broker's connections
    app.conf.update(configuration(QueueSettings(broker_url=url)))
    return CeleryQueue(app).check


@pytest.mark.parametrize("server", [postgresql, clickhouse, kafka, s3, redis])
def test_an_expired_certificate_is_the_reason(
    expired: Expired,
    server: Callable[[Expired, Path], Callable[[], object]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(expired.authority))
    check = server(expired, tmp_path)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each port has an exception of its own
        check()
    reason = reason_of(caught.value)
    assert "certificate" in reason
    assert "expired" in reason
    del caught
    gc.collect()  # here, where its warnings are expected
