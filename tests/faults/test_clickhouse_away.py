"""A ClickHouse server of the test's own: killed in the middle of inserts, frozen, started again; and one that asks for
a password over TLS."""

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from api.events.migrations import FOLDER, migrate
from api.events.reconcile import reconcile
from api.events.rollup import rebuild
from api.events.store import EventStore, StoreUnavailable
from api.events.store_clickhouse import ClickHouseStore
from api.main import create_app
from api.settings import Settings
from dashboard.routes import mount
from infra.services.clickhouse_server import ClickHouse
from infra.services.place import Place
from tests.api.events.shop_page import ShopPage
from tests.api.events.sided_house import SidedHouse
from tests.api.events.test_store_clickhouse import certificate
from tests.patience import until
from tests.services import url_of
from tests.workers.test_sink import T0, House, stamped
from workers.sink.pipeline import Sink

pytestmark = pytest.mark.slow
DAY = 86_400_000


class KilledServer(ClickHouse):
    """A server that is killed and frozen, and comes back on the same port with the same folder."""

    def signal(self, number: signal.Signals) -> None:
        process = self.process()
        assert process, "it should be running"
        os.kill(process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        while self.process():
            time.sleep(0.01)

    def url(self, name: str, more: str = "") -> str:
        return f"clickhouse://default@127.0.0.1:{self.port}/{name}{more}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KilledServer]:
    url_of("clickhouse")  # installed, or this test is skipped (fails in CI)
    made = KilledServer(Place.beside(tmp_path / "services"))
    made.start(kept=False)
    yield made
    with suppress(AssertionError):
        made.signal(signal.SIGCONT)  # a test that failed may have left it frozen
    made.stop()


class ServerStores:
    """What a House asks for its store."""

    def __init__(self, url: str) -> None:
        self.url = url

    def open(self) -> EventStore:
        return ClickHouseStore(self.url)


@pytest.fixture
def house(server: KilledServer, tmp_path: Path) -> Iterator[House]:
    made = SidedHouse(tmp_path, ServerStores(server.url("shoplight", "?connect_timeout=5&send_receive_timeout=60")))
    migrate(made.store)
    yield made
    made.close()


def clicks(name: str, count: int, days: int) -> list[Any]:
    return [stamped(f"{name}-{i:05d}", "click", nonce=f"{name}{i}", at_ms=T0 + i % days * DAY) for i in range(count)]


def assert_exact(house: House, expected: int) -> None:
    totals = house.store.select("SELECT sum(events) AS gross, sum(spend_micros) AS spend FROM rollup_15m FINAL")[0]
    assert totals == {"gross": expected, "spend": expected * 100}
    held = reconcile(house.log, house.store)
    assert (held.differences, held.store["identities"], held.waiting) == ([], expected, 0)


def test_killed_in_the_middle_of_an_insert_of_many_days_the_replay_heals_it(server: KilledServer, house: House) -> None:
    looking, expected = ClickHouseStore(server.url("shoplight")), 0

    def stored() -> int:
        return int(looking.select("SELECT count() AS n FROM events")[0]["n"])

    for turn in range(10):  # until a kill comes in the middle, for which this thread must be quick enough
        before, expected = expected, expected + 6000
        house.put(*clicks(f"turn{turn}", 6000, days=90))
        dying = threading.Thread(target=_until_trouble, args=(Sink(house.ends()),))
        dying.start()
        while (landed := stored()) == before and dying.is_alive():
            pass
        server.kill()
        dying.join(60)
        with pytest.raises(StoreUnavailable):
            looking.select("SELECT 1 AS one")
        server.start(kept=False)
        survived = stored()
        assert landed <= survived <= expected, "what was there is there"
        house.drain()
        assert_exact(house, expected)
        if before < survived < expected:
            break
    else:
        pytest.fail("no insert was caught half-way")
    rebuild(house.store)
    assert_exact(house, expected)
    looking.close()


@contextmanager
def working(sink: Sink) -> Iterator[None]:
    """The sink at its loop, in a thread that ends with this block."""
    stop = threading.Event()
    thread = threading.Thread(target=sink.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)


def await_caught_up(log: Any) -> None:
    until(lambda: log.committed().offset >= log.end(), "the sink does not come to the end of the log")


def _until_trouble(sink: Sink) -> None:
    try:
        sink.drain()
    except StoreUnavailable:
        return


def test_killed_again_and_again_while_a_sink_works_nothing_is_lost_or_doubled(
    server: KilledServer, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.sink.pipeline.BATCH_RECORDS", 400)
    monkeypatch.setattr("workers.sink.pace.BACKOFF_S", 0.1)
    rng = random.Random(2)
    with working(Sink(house.ends())):
        for turn in range(4):
            house.put(*clicks(f"turn{turn}", 1500, days=3))
            time.sleep(rng.uniform(0.05, 0.6))
            server.kill()
            server.start(kept=False)
        await_caught_up(house.log)
    assert_exact(house, 6000)


@pytest.fixture
def settings(server: KilledServer, settings: Settings) -> Settings:
    url = server.url("shoplight", "?connect_timeout=4&sync_request_timeout=4&send_receive_timeout=4")
    store = ClickHouseStore(url)
    migrate(store)
    store.close()
    return settings.model_copy(update={"events": settings.events.model_copy(update={"clickhouse_url": url})})


@pytest.mark.parametrize("trouble", ["frozen", "dead"])
def test_while_the_server_is_away_reports_say_when_to_come_back_and_the_sink_keeps_trying(
    server: KilledServer, ports: Any, account: Any, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.sink.pace.BACKOFF_S", 0.1)
    app = create_app(ports)
    mount(app)
    with TestClient(app, raise_server_exceptions=False) as client:
        page = ShopPage(client, ports, account("publisher"))
        page.accepted([page.event("impression", page.token())])
        page.drain()
        server.kill() if trouble == "dead" else server.signal(signal.SIGSTOP)
        page.accepted([page.event("click", page.token())])
        with working(Sink.of(ports)):
            for path in ("/v1/reports/ctr", "/v1/usage"):
                begun = time.monotonic()
                answer = client.get(path, headers=page.publisher.auth)
                assert time.monotonic() - begun < 10
                assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json"), path
                assert int(answer.headers["retry-after"]) > 0
            _a_page_says_so(app)
            server.start(kept=False) if trouble == "dead" else server.signal(signal.SIGCONT)
            await_caught_up(ports.event_log)
        assert page.counts() == (1, 0, 1)
        assert page.totals()["spend_micros"] == 250_000
        assert reconcile(ports.event_log, ports.event_store).differences == []


def _a_page_says_so(app: Any) -> None:
    with TestClient(app, raise_server_exceptions=False) as browser:
        form = {"kind": "publisher", "name": "A magazine", "email": "m@example.com", "password": "long enough"}
        assert browser.post("/signup", data=form, follow_redirects=False).status_code == 303
        answer = browser.get("/publisher", headers={"Accept": "text/html"})
    assert answer.status_code == 503
    assert "Reports cannot be computed now." in answer.text
    assert int(answer.headers["retry-after"]) > 0


class GuardedServer(KilledServer):
    """It wants a password and speaks TLS on a port of its own."""

    port_names = ("main", "http", "tls")
    password = "p@ss:/w%rd'\\"

    def prepare(self) -> None:
        super().prepare()
        cert, key = certificate(self.folder, datetime.now(UTC) + timedelta(days=2))
        config, users = self.folder / "config.xml", self.folder / "users.xml"
        tls = (
            f"<tcp_port_secure>{self.ports['tls']}</tcp_port_secure><openSSL><server>"
            f"<certificateFile>{cert}</certificateFile><privateKeyFile>{key}</privateKeyFile>"
            "<verificationMode>none</verificationMode></server></openSSL></yandex>"
        )
        config.write_text(config.read_text().replace("</yandex>", tls))
        entry = f"<quotas/><users><reader><password>{self.password}</password><networks><ip>127.0.0.1</ip></networks>"
        entry += "<profile>default</profile><quota>default</quota></reader>"
        users.write_text(users.read_text().replace("<users>", entry.replace("<quotas/>", "")))


def test_a_password_and_tls_in_the_url(tmp_path: Path) -> None:
    url_of("clickhouse")
    server = GuardedServer(Place.beside(tmp_path / "services"))
    server.start(kept=False)
    try:
        cert = server.folder / "server.crt"
        start = f"clickhouse://reader:{quote(server.password, safe='')}@127.0.0.1:{server.ports['tls']}/shoplight"
        store = ClickHouseStore(f"{start}?secure=1&ca_certs={cert}")
        assert migrate(store) == sorted(path.name for path in FOLDER.glob("*.sql"))
        store.insert("usage", {"tenant_id": ["t"], "query_id": ["q"], "at": [T0 // 1000]})
        assert store.select("SELECT query_id FROM usage") == [{"query_id": "q"}]
        store.close()
        for url in (f"{start}?secure=1", start, start.replace("reader:", "reader:x") + f"?secure=1&ca_certs={cert}"):
            refused = ClickHouseStore(f"{url}{'&' if '?' in url else '?'}connect_timeout=2&send_receive_timeout=2")
            with pytest.raises(StoreUnavailable) as trouble:
                refused.select("SELECT 1 AS one")
            assert "p@ss" not in str(trouble.value)
            refused.close()
    finally:
        server.stop()
        shutil.rmtree(server.folder / "data", ignore_errors=True)
