"""`shoplight serve`, `worker`, `sink` and `beat` as real processes on real servers: what they say, what they refuse,
how they end, and one trace through all of them."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.accounts.scopes import SCOPES_OF, TenantKind
from api.accounts.service import AccountsDesk, AccountService
from api.catalog.directory import PRODUCT_REFRESH_S
from api.events.store_clickhouse import ClickHouseStore
from api.events.tokens import TagClaims, TokenSealer
from api.kit.clock import SystemClock, rfc3339
from api.kit.db import Database
from api.kit.secrets import parse_token_keys
from tests.patience import seen_within, until
from tests.running_demo import REPO, free_port
from tests.running_scale_out import HOST, RunningProcess, settings_of
from tests.services import url_of
from tests.workers.cli.otlp import Collector

pytestmark = pytest.mark.slow
READY_S, DRAIN_S = 120, 6
# it looks for changes every second or two, in a thread that a busy machine may hold back; without that it would hold
# what it knows for longer than this
CHANGES_SHOW_S = 15.0
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
FEED = "id,title,link,price,availability\nsku-1,Lamp,https://brand.example/1,19.90 EUR,in_stock\n"


def shoplight(*words: str, env: Mapping[str, str], datadir: Path) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "workers.cli", *words],
        cwd=REPO,
        env={**os.environ, **env, "SHOPLIGHT_DATADIR": str(datadir)},
        capture_output=True,
        text=True,
        timeout=READY_S,
        check=False,
    )


@dataclass
class House:
    """One process of each role, in production-like clothes: JSON logs, traces to our collector."""

    folder: Path
    env: dict[str, str]
    port: int
    collector: Collector
    processes: dict[str, RunningProcess]

    def launch(self, role: str) -> RunningProcess:
        port = self.port if role == "serve" else free_port()
        one = RunningProcess(role, self.folder / role, port, self.env, shared_port=False)
        self.processes[role] = one
        return one

    def ready(self, role: str) -> None:
        one = self.processes[role]

        def answers() -> bool:
            assert one.process.poll() is None, one.said()
            try:
                return httpx2.get(f"http://{HOST}:{one.port}/readyz", timeout=60).json()["status"] == "ready"
            except httpx2.HTTPError:
                return False

        until(answers, f"{role} is ready; it said {one.said()}")

    def stopping(self) -> bool:
        """Whether `serve` tells load balancers to look away."""
        answer = httpx2.get(f"http://{HOST}:{self.port}/readyz", timeout=60)
        return (answer.status_code, answer.json()["status"]) == (503, "stopping")

    def account(self, kind: str) -> tuple[str, dict[str, str]]:
        """A tenant and the headers of its calls."""
        database, now = Database(self.env["SHOPLIGHT_DATABASE_URL"]), SystemClock().now()
        with database.write() as session:
            desk = AccountsDesk(session, now)
            tenant, user = desk.sign_up(
                TenantKind(kind), kind, f"{kind}-{secrets.token_hex(4)}@example.com", "long enough"
            )
            session.flush()
            held = frozenset(map(str, SCOPES_OF[tenant.kind]))
            _, secret = AccountService(session, tenant.id, user.id, now).create_key("test", None, held=held)
        database.close()
        return tenant.id, {"Authorization": f"Bearer {secret}"}

    def http(self) -> httpx2.Client:
        return httpx2.Client(base_url=f"http://{HOST}:{self.port}", timeout=60)

    def lines(self, role: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.processes[role].log_path.read_text().splitlines()]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder, port, collector = tmp_path_factory.mktemp("house"), free_port(), Collector()
    env = settings_of(f"processes_{os.getpid()}", port, "", url_of) | {
        "SHOPLIGHT_TELEMETRY_LOG_FORMAT": "json",
        "SHOPLIGHT_TELEMETRY_OTLP_ENDPOINT": collector.url,
        "SHOPLIGHT_HTTP_DRAIN_S": str(DRAIN_S),  # long enough to be seen on a busy machine
        "SHOPLIGHT_TELEMETRY_TRACE_RATIO": "0",  # nothing but what a caller asks for
    }
    made = shoplight("migrate", env=env, datadir=folder / "command")
    assert made.returncode == 0, made.stderr
    opened = House(folder, env, port, collector, {})
    for role in ("serve", "worker", "sink", "beat"):
        opened.launch(role)
    try:
        for role in opened.processes:
            opened.ready(role)
        yield opened
    finally:
        for one in opened.processes.values():
            if one.process.poll() is None:
                one.kill()
        collector.close()


@dataclass
class Page:
    """A publisher's page that posts events."""

    house: House
    tenant_id: str
    site: dict[str, str]

    def token(self, product_id: str = "prd_1") -> str:
        now = SystemClock().now()
        claims = TagClaims(
            nonce=secrets.token_hex(8),
            publisher_id=self.tenant_id,
            site_id=self.site["id"],
            media_id="med_1",
            tag_id="tag_1",
            product_id=product_id,
            brand_id="tnt_brand",
            issued_at_ms=int(now.timestamp() * 1000),
        )
        return TokenSealer(parse_token_keys(self.house.env["SHOPLIGHT_SECRETS_TOKEN_KEYS"])).seal(claims)

    def body(self, event_id: str) -> bytes:
        at = rfc3339(SystemClock().now())
        event = {"id": event_id, "type": "impression", "token": self.token(), "at": at, "seq": 1}
        return json.dumps({"key": self.site["key"], "events": [event]}).encode()

    @property
    def headers(self) -> dict[str, str]:
        return {"Origin": "https://magazine.example", "User-Agent": BROWSER, "Content-Type": "text/plain"}

    def counted(self, event_id: str) -> int:
        store = ClickHouseStore(self.house.env["SHOPLIGHT_EVENTS_CLICKHOUSE_URL"])
        rows = store.select("SELECT count() AS n FROM events WHERE event_id = {id:String}", {"id": event_id})
        store.close()
        return int(rows[0]["n"])


@pytest.fixture(scope="module")
def page(house: House) -> Page:
    tenant_id, auth = house.account("publisher")
    with house.http() as http:
        body = {"name": "Magazine", "origins": ["https://magazine.example"], "media_hosts": []}
        site = http.post("/v1/sites", json=body, headers=auth).raise_for_status().json()
    return Page(house, tenant_id, site)


def test_each_says_in_one_line_of_json_that_it_is_ready(house: House) -> None:
    for role in house.processes:
        (line,) = [line for line in house.lines(role) if "is ready" in line["message"]]
        assert (line["level"], line["message"].split(" ")[0]) == ("INFO", role)


def test_each_tells_its_metrics(house: House) -> None:
    expected = {"serve": "shoplight_http_requests", "worker": "shoplight_task_seconds", "sink": "shoplight_sink_stored"}
    for role, name in expected.items():
        one = house.processes[role]
        assert name in httpx2.get(f"http://{HOST}:{one.port}/metrics", timeout=60).text


def test_one_trace_from_the_request_through_the_task_and_an_events_linked_to_its_insert(
    house: House, page: Page
) -> None:
    imported, posted = secrets.token_hex(16), secrets.token_hex(16)
    _, brand = house.account("brand")
    with house.http() as http:
        catalog = http.post("/v1/catalogs", json={"name": "Lamps"}, headers=brand).raise_for_status().json()["id"]
        sent = {**brand, "traceparent": f"00-{imported}-{'ab' * 8}-01", "X-Request-Id": "edge-import-1"}
        started = http.post(f"/v1/catalogs/{catalog}/imports", files={"file": ("f.csv", FEED)}, headers=sent)
        at = f"/v1/imports/{started.raise_for_status().json()['id']}"
        until(lambda: http.get(at, headers=brand).json()["state"] == "done", "the import is done")
        event_id = f"event-{secrets.token_hex(8)}"
        sent = {**page.headers, "traceparent": f"00-{posted}-{'cd' * 8}-01"}
        assert http.post("/v1/events", content=page.body(event_id), headers=sent).json()["accepted"] == 1
    until(lambda: page.counted(event_id), "the event is in the store")

    until(lambda: "catalog.run_import" in house.collector.of_trace(imported), "the task's span")
    until(lambda: "sink.batch" in house.collector.linked_to(posted), "the sink's span")
    until(lambda: "kafka.publish" in house.collector.linked_to(posted), "the forwarder's span")
    until(lambda: "POST /v1/events" in house.collector.of_trace(posted), "the request's span")
    spans = house.collector.of_trace(imported)
    route = "/v1/catalogs/{catalog_id}/imports"
    asked, told, done = (spans[name] for name in (f"POST {route}", "send catalog.run_import", "catalog.run_import"))
    assert [process for process, _ in (asked, told, done)] == ["shoplight-serve", "shoplight-serve", "shoplight-worker"]
    assert asked[1].parent_span_id.hex() == "ab" * 8
    assert told[1].parent_span_id == asked[1].span_id
    assert done[1].parent_span_id == told[1].span_id

    linked = house.collector.linked_to(posted)
    assert (linked["kafka.publish"][0], linked["sink.batch"][0]) == ("shoplight-serve", "shoplight-sink")
    batch = linked["sink.batch"][1]
    inserts = [span for _, span in house.collector.spans if span.name == "clickhouse.insert"]
    assert batch.span_id in {span.parent_span_id for span in inserts}

    (line,) = [line for line in house.lines("serve") if line.get("request_id") == "edge-import-1" and "route" in line]
    assert (line["trace_id"], line["status"]) == (imported, 202)


def test_what_the_worker_changes_shows_in_serve_within_seconds(house: House, page: Page) -> None:
    """A link that has no address of its own asks the catalog, which `serve` remembers."""
    assert PRODUCT_REFRESH_S > CHANGES_SHOW_S, "no entry is read anew by its age alone"
    _, brand = house.account("brand")
    with house.http() as http:
        catalog = http.post("/v1/catalogs", json={"name": "Lamps"}, headers=brand).raise_for_status().json()["id"]

        def imported(feed: str) -> None:
            files = {"file": ("f.csv", feed)}
            started = http.post(f"/v1/catalogs/{catalog}/imports", files=files, headers=brand).raise_for_status()
            at = f"/v1/imports/{started.json()['id']}"
            until(lambda: http.get(at, headers=brand).json()["state"] == "done", "the import is done")

        def leads_to() -> str | None:
            return http.get(f"/c/{token}").headers.get("location")

        imported(FEED)
        (product,) = http.get("/v1/products", params={"catalog_id": catalog}, headers=brand).json()["items"]
        token = page.token(product["id"])
        assert leads_to() == "https://brand.example/1"
        imported(FEED.replace("brand.example/1", "brand.example/2"))
        seen_within(CHANGES_SHOW_S, lambda: leads_to() == "https://brand.example/2", "the new address does not show")
        imported(FEED.replace("sku-1", "sku-2"))
        seen_within(CHANGES_SHOW_S, lambda: leads_to() is None, "that the product is gone does not show")


def test_a_second_process_on_the_same_folder_is_told_what_to_set(house: House) -> None:
    env = {**house.env, "SHOPLIGHT_HTTP_PORT": str(free_port())}
    refused = shoplight("serve", env=env, datadir=house.folder / "serve")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "another process uses the spool" in refused.stderr
    assert "set SHOPLIGHT_DATADIR" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_taken_port_is_told_with_the_setting(house: House) -> None:
    for role in ("serve", "sink"):
        refused = shoplight(role, env={**house.env, "SHOPLIGHT_HTTP_PORT": str(house.port)}, datadir=house.folder / "x")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "Address already in use. Choose another with SHOPLIGHT_HTTP_PORT" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_stopping_says_so_finishes_what_is_under_way_forwards_the_spool_and_ends_well(house: House, page: Page) -> None:
    """The request whose body is still coming when the signal arrives is answered; its event counts without this
    process ever starting again."""
    serve, event_id = house.processes["serve"], f"event-{secrets.token_hex(8)}"
    body = page.body(event_id)
    head = ["POST /v1/events HTTP/1.1", f"Host: {HOST}", *(f"{name}: {value}" for name, value in page.headers.items())]
    with socket.create_connection((HOST, house.port), timeout=60) as line:
        line.sendall("\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body[:20])
        time.sleep(0.2)
        serve.process.send_signal(signal.SIGTERM)
        until(house.stopping, "/readyz tells that it stops")
        line.sendall(body[20:])
        assert line.recv(65536).startswith(b"HTTP/1.1 202 ")
    assert serve.process.wait(60) == 0
    until(lambda: page.counted(event_id) == 1, "the event is counted")


@pytest.mark.parametrize("role", ["worker", "sink", "beat"])
def test_the_others_end_well_too(house: House, role: str) -> None:
    one = house.processes[role]
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(60) == 0, one.said()
    assert not [line for line in house.lines(role) if line["level"] == "ERROR"]


def test_a_second_signal_ends_it_at_once(house: House) -> None:
    # on a port of its own: no other process may be the one that answers
    alone = House(
        house.folder / "alone", house.env | {"SHOPLIGHT_HTTP_DRAIN_S": "120"}, free_port(), house.collector, {}
    )
    serve = alone.launch("serve").process
    try:
        alone.ready("serve")
        serve.send_signal(signal.SIGTERM)
        until(alone.stopping, "/readyz tells that it stops")  # two signals at once may arrive as one
        serve.send_signal(signal.SIGTERM)
        assert serve.wait(60) == 1
    finally:
        serve.kill()
        serve.wait()
