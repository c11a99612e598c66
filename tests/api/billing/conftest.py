"""A Stripe on loopback that speaks the wire format and its rules, and counts that a test writes down itself."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from api.billing.closing import LedgerCloser
from api.billing.entries import BillableRow, UsageRow
from api.billing.models import EntryKind
from api.billing.payments import MeterEvent
from api.billing.stripe_payments import StripePayments
from api.kit.clock import FixedClock
from api.kit.db import Database
from api.kit.migrations import upgrade
from api.ports import Ports
from api.settings import Settings

SECRET = "whsec_test"


@dataclass
class WrittenCounts:
    """Counts as a test wants them; `rows` may change between runs, as late events change the truth."""

    spend: list[BillableRow] = field(default_factory=list)
    calls: list[UsageRow] = field(default_factory=list)

    def billable(self, start: datetime, end: datetime) -> Iterable[BillableRow]:
        return [row for row in self.spend if start <= row.hour < end]

    def usage(self, start: datetime, end: datetime, tenant_id: str = "") -> Iterable[UsageRow]:
        return [row for row in self.calls if start <= row.hour < end and tenant_id in ("", row.tenant_id)]

    def call(self, tenant_id: str, hour: datetime, quantity: int, kind: str = "search") -> None:
        self.calls.append(UsageRow(tenant_id, EntryKind(kind), hour, quantity))

    def click(
        self, brand: str, publisher: str, hour: datetime, micros: int, *, count: int = 1, kind: str = "cpc"
    ) -> None:
        self.spend.append(BillableRow(brand, publisher, "cmp_1", kind, "EUR", hour, count, micros))


@dataclass
class MoneyHouse:
    """As much of the ports as the ledger needs: no models to load, no event store to open."""

    settings: Settings
    clock: FixedClock
    database: Database


@pytest.fixture
def money_house(settings: Settings, clock: FixedClock) -> Iterator[MoneyHouse]:
    house = MoneyHouse(settings, clock, Database(settings.database_url))
    upgrade(house.database)
    yield house
    house.database.close()


@pytest.fixture
def counts() -> WrittenCounts:
    return WrittenCounts()


@pytest.fixture
def closer(ports: Ports, counts: WrittenCounts, clock: FixedClock) -> LedgerCloser:
    return LedgerCloser(ports.database, clock, counts, ports.settings.billing)


class LoopbackStripe:
    """Meter events, meters, summaries, invoices and events of Stripe. `script` says how the next meter events end:
    ok, hang (nothing counted), hang_after (counted), cut_after, 400, 401, 429, 500."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.script: list[str] = []
        self.requests: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        self.events: list[dict[str, str]] = []
        self.identifiers: set[str] = set()
        self.invoices: dict[str, dict[str, Any]] = {}
        self.reports: dict[str, list[str]] = {}
        self.busy: Counter[tuple[str, str]] = Counter()
        self.worst_concurrency = 0
        self.lock = threading.Lock()
        self.release = threading.Event()
        self.down = False

    def sent(self, meter: str | None = None) -> list[dict[str, str]]:
        return [event for event in self.events if meter in (None, event["event_name"])]

    def forget_identifiers(self) -> None:
        """More than 24 h went by."""
        self.identifiers.clear()

    def meter_event(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        mode = self.script.pop(0) if self.script else "ok"
        key = form["payload[stripe_customer_id]"], form["event_name"]
        with self.lock:
            self.busy[key] += 1
            self.worst_concurrency = max(self.worst_concurrency, self.busy[key])
        try:
            if mode == "hang":
                self.release.wait(60)
                return 0, {}
            if mode in ("400", "401", "429", "500"):
                return int(mode), _error(int(mode), "The test says no.")
            status, answer = self.count(form)
            if mode == "hang_after":
                self.release.wait(60)
            return (0, {}) if mode in ("hang_after", "cut_after") else (status, answer)
        finally:
            with self.lock:
                self.busy[key] -= 1

    def count(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        identifier, at = form["identifier"], int(form["timestamp"])
        now = self.clock.now().timestamp()
        if not now - timedelta(days=35).total_seconds() <= at <= now + 300:
            return 400, _error(400, "Timestamp out of range.")
        if not form["payload[value]"].lstrip("-").isdigit() or len(identifier) > 100:
            return 400, _error(400, "Whole numbers only.")
        with self.lock:
            if identifier in self.identifiers:
                return 400, _error(400, f"An event already exists with identifier {identifier}.")
            self.identifiers.add(identifier)
            self.events.append(form)
        return 200, {
            "object": "billing.meter_event",
            "created": int(now),
            "event_name": form["event_name"],
            "identifier": identifier,
            "livemode": False,
            "timestamp": at,
            "payload": {"value": form["payload[value]"]},
        }

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if self.down:
            return 503, _error(503, "Down.")
        parts = path.strip("/").split("/")
        if parts == ["v1", "billing", "meters"]:
            names = {"shoplight_search", "shoplight_click_spend_micros_eur"} | {e["event_name"] for e in self.events}
            meters = [{"id": f"mtr_{name}", "object": "billing.meter", "event_name": name} for name in sorted(names)]
            return 200, _list(path, meters)
        if parts[:3] == ["v1", "billing", "meters"]:
            return 200, _list(path, [self.summary(parts[3], query)])
        if parts[:2] == ["v1", "invoices"] and parts[2] in self.invoices:
            return 200, {"object": "invoice", "id": parts[2], **self.invoices[parts[2]]}
        if parts[:3] == ["v2", "core", "events"] and parts[3] in self.reports:
            samples = [{"error_message": "no", "request": {"identifier": one}} for one in self.reports[parts[3]]]
            reason = {"error_count": len(samples), "error_types": [{"code": "no_meter", "sample_errors": samples}]}
            kind = "v1.billing.meter.error_report_triggered"
            return 200, {"object": "v2.core.event", "id": parts[3], "type": kind, "data": {"reason": reason}}
        return 404, _error(404, "No such thing.")

    def summary(self, meter_id: str, query: dict[str, str]) -> dict[str, Any]:
        start, end = int(query["start_time"]), int(query["end_time"])
        assert start % 60 == end % 60 == 0, "Stripe wants whole minutes"
        value = sum(
            int(event["payload[value]"])
            for event in self.events
            if f"mtr_{event['event_name']}" == meter_id
            and event["payload[stripe_customer_id]"] == query["customer"]
            and start <= int(event["timestamp"]) < end
        )
        return {
            "object": "billing.meter_event_summary",
            "id": "sum_1",
            "aggregated_value": float(value),
            "meter": meter_id,
        }


def _list(url: str, data: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "url": url, "has_more": False, "data": data}


def _error(status: int, message: str) -> dict[str, Any]:
    kinds = {400: "invalid_request_error", 404: "invalid_request_error", 401: "invalid_request_error"}
    return {"error": {"type": kinds.get(status, "api_error"), "message": message}}


def _handler(server: LoopbackStripe) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._record("POST", form)
            if self.path == "/v1/billing/meter_events":
                self._send(*server.meter_event(form))
            else:
                self._send(404, _error(404, "Unrecognized request URL."))

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            self._record("GET", query)
            self._send(*server.answer(url.path, query))

        def _record(self, method: str, fields: dict[str, str]) -> None:
            server.requests.append((method, urlsplit(self.path).path, fields, dict(self.headers.items())))

        def _send(self, status: int, answer: dict[str, Any]) -> None:
            self.close_connection = True
            if not status:
                return
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            # we close it: a client that was not told might send its next request into the closing connection
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def stripe_server(clock: FixedClock) -> Iterator[LoopbackStripe]:
    server = LoopbackStripe(clock)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    server.url = f"http://127.0.0.1:{http.server_port}"  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.release.set()
    http.shutdown()
    http.server_close()
    thread.join(5)


StripeMaker = Callable[..., StripePayments]


class KnowsWhoHangs(StripePayments):
    """Gives up soon on an answer that will not come, and on no other, however busy the machine is."""

    def __init__(self, server: LoopbackStripe) -> None:
        super().__init__("sk_test_1", SECRET, api_base=server.url, timeout_s=60)  # type: ignore[attr-defined]
        self._server = server

    def send(self, event: MeterEvent) -> None:
        http = self._client._requestor._get_http_client()
        patience_s, hangs = http._timeout, self._server.script[:1] in (["hang"], ["hang_after"])  # type: ignore[attr-defined]
        http._timeout = 0.5 if hangs else patience_s  # type: ignore[attr-defined]
        try:
            super().send(event)
        finally:
            http._timeout = patience_s  # type: ignore[attr-defined]


@pytest.fixture
def stripe_payments(stripe_server: LoopbackStripe) -> StripePayments:
    return KnowsWhoHangs(stripe_server)


@pytest.fixture
def customer(ports: Ports, account: Callable[..., Any]) -> Callable[[str], str]:
    """Makes a tenant with a customer at Stripe; answers the tenant's id."""
    from api.billing.models import TenantBilling

    def make(kind: str = "developer") -> str:
        tenant_id: str = account(kind).tenant_id
        with ports.database.write() as session:
            now = ports.clock.now()
            session.add(TenantBilling(tenant_id=tenant_id, customer_id=f"cus_{tenant_id}", updated_at=now))
        return tenant_id

    return make
