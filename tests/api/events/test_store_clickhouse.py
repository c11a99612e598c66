"""What only a store behind a network has to keep: trouble on the way, bounded waits, connections, limits, passwords."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from clickhouse_driver import errors
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.events.migrations import migrate
from api.events.store import StoreUnavailable
from api.events.store_clickhouse import CONNECTIONS, ClickHouseStore
from tests.event_stores import own_database
from tests.patience import HANGS_S


@pytest.fixture
def url() -> Iterator[str]:
    with own_database() as made:
        yield made


@pytest.fixture
def store(url: str) -> Iterator[ClickHouseStore]:
    made = ClickHouseStore(url)
    yield made
    made.close()


@contextmanager
def listening(answer: bytes = b"", tls: ssl.SSLContext | None = None, *, shakes: bool = True) -> Iterator[int]:
    """A port where somebody takes connections, says `answer` and then nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def run() -> None:
            while True:
                try:
                    found, _ = server.accept()
                except OSError:
                    return
                kept.append(found)
                with suppress(OSError):
                    if tls and shakes:
                        kept.append(tls.wrap_socket(found, server_side=True))
                    kept[-1].sendall(answer)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(60)
        for each in kept:
            each.close()


def certificate(folder: Path, until: datetime) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    import ipaddress

    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(until - timedelta(days=9)).not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = folder / "server.crt", folder / "server.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def refused(url: str, within_s: float) -> str:
    """The trouble that a query meets there, and it must not take longer."""
    store, begun = ClickHouseStore(url), time.monotonic()
    with pytest.raises(StoreUnavailable) as trouble:
        store.select("SELECT 1 AS one")
    assert time.monotonic() - begun < within_s
    store.close()
    return str(trouble.value)


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost:9000", "http://user:hush-hush@host:8123/shoplight", "clickhouse://", "clickhouse:///shoplight",
        "clickhouse://user:hush-hush@host:9000/shop%20light", "clickhouse://user:hush-hush@host/a;DROP",
        "clickhouse://user:hush-hush@host:notaport/shoplight", "clickhouse://user:hush-hush@host:9000/x?connect_timeout=soon",
        "clickhouse://user:hush-hush@[::1/shoplight",
    ],
)  # fmt: skip
def test_a_url_that_is_none_is_told_at_once_and_no_password_with_it(url: str) -> None:
    with pytest.raises(ValueError, match="clickhouse://user:password@host:9000/database") as trouble:
        ClickHouseStore(url)
    assert "hush" not in str(trouble.value)
    assert trouble.value.__cause__ is None


def test_nothing_is_opened_before_it_is_used() -> None:
    ClickHouseStore("clickhouse://nobody:x@127.0.0.1:1/nowhere").close()


def test_a_server_that_is_away_is_told_at_once() -> None:
    assert "127.0.0.1" in refused("clickhouse://default:hush-hush@127.0.0.1:1/x", within_s=2)
    assert "hush" not in refused("clickhouse://default:hush-hush@127.0.0.1:1/x", within_s=2)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00"])
def test_a_server_that_takes_connections_and_says_nothing_of_use_is_not_waited_for(answer: bytes) -> None:
    with listening(answer) as port:
        refused(f"clickhouse://default@127.0.0.1:{port}/x?send_receive_timeout=0.5&connect_timeout=0.5", within_s=4)


def test_without_being_told_otherwise_a_silent_server_costs_five_seconds() -> None:
    with listening() as port:
        refused(f"clickhouse://default@127.0.0.1:{port}/x", within_s=8)


def test_an_expired_certificate_is_named(tmp_path: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert, key = certificate(tmp_path, datetime.now(UTC) - timedelta(days=1))
    tls.load_cert_chain(cert, key)
    with listening(tls=tls) as port:
        trouble = refused(f"clickhouse://default@127.0.0.1:{port}/x?secure=1&ca_certs={cert}", HANGS_S)
    assert "certificate has expired" in trouble


def test_tls_that_never_comes_about_is_not_waited_for() -> None:
    with listening() as port:
        refused(f"clickhouse://default@127.0.0.1:{port}/x?secure=1&connect_timeout=0.5", within_s=4)


def test_who_may_not_log_in_hears_of_it(url: str) -> None:
    host = urlsplit(url).netloc.rpartition("@")[2]
    assert "code" in refused(f"clickhouse://default:hush-hush@{host}/default", HANGS_S)


def test_a_missing_table_is_a_store_to_be_set_up_and_a_wrong_query_a_fault_of_ours(store: ClickHouseStore) -> None:
    with pytest.raises(StoreUnavailable, match="code 60"):
        store.select("SELECT * FROM no_such_table")
    with pytest.raises(errors.ServerException):
        store.select("SELEKT 1")
    assert store.select("SELECT 1 AS one") == [{"one": 1}], "the connection is whole again"


def test_a_query_without_end_is_ended(url: str) -> None:
    trouble = ClickHouseStore(f"{url}?max_execution_time=1")
    with pytest.raises(StoreUnavailable, match="code 159"):
        trouble.select("SELECT count() AS n FROM system.numbers")
    trouble.close()


def test_every_character_is_bound_as_itself(store: ClickHouseStore) -> None:
    texts = [chr(code) for code in range(256)] + [
        "'",
        "\\'",
        "\\",
        "''",
        "{b:Int64}",
        "@keys",
        "%(b)s",
        "%",
        "\U0001f6d2",
    ]
    for text in texts:
        assert store.select("SELECT {a:String} AS a, {b:Int64} AS b", {"a": text, "b": -1}) == [{"a": text, "b": -1}]
    everything = "".join(texts)
    assert store.select("SELECT {a:String} AS a", {"a": everything}) == [{"a": everything}]
    for number in (2**63 - 1, -(2**63), 0):
        assert store.select("SELECT {b:Int64} AS b", {"b": number}) == [{"b": number}]


def test_many_keys_travel_with_one_query(store: ClickHouseStore) -> None:
    count = 200_000
    keys = {"tenant_id": ["t"] * count, "query_id": [f"qry_{i:032d}" for i in range(count)]}
    store.insert("usage", {**keys, "kind": ["search"] * count, "quantity": [1] * count, "at": [1_795_262_400] * count})
    found = store.select(
        "SELECT count() AS n FROM usage WHERE (tenant_id, query_id) IN (SELECT tenant_id, query_id FROM @keys)",
        keys={name: values[::2] for name, values in keys.items()},
    )
    assert found == [{"n": count // 2}]


def test_threads_share_a_bounded_number_of_connections(store: ClickHouseStore) -> None:
    def ask(number: int) -> int:
        return int(store.select("SELECT {n:Int64} AS n, sleep(0.02) AS s", {"n": number})[0]["n"])

    with ThreadPoolExecutor(40) as pool:
        assert list(pool.map(ask, range(200))) == list(range(200))
    assert 1 < len(store._idle) <= CONNECTIONS


def test_when_all_connections_are_busy_nobody_waits_for_ever(
    store: ClickHouseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.events.store_clickhouse.WAIT_S", 0.2)
    with ExitStack() as long:
        for _ in range(CONNECTIONS):
            long.enter_context(store._connection(60)).execute("SELECT 1")
        with pytest.raises(StoreUnavailable, match="busy"):
            store.select("SELECT 1 AS one")
    assert store.select("SELECT 1 AS one") == [{"one": 1}]


def test_a_closed_store_says_so_and_keeps_no_connection(store: ClickHouseStore) -> None:
    with store._connection(60) as running:
        store.close()
        assert running.execute("SELECT 1") == [(1,)], "what runs ends first"
    assert store._idle == []
    with pytest.raises(StoreUnavailable, match="closed"):
        store.select("SELECT 1 AS one")


def test_a_database_that_is_not_there_yet_is_made(url: str) -> None:
    name = urlsplit(url).path.strip("/") + "_b"
    made = ClickHouseStore(urlsplit(url)._replace(path=f"/{name}").geturl())
    assert migrate(made)
    made.command(f"DROP DATABASE {name}")
    made.close()
