"""The webhook door: only what Stripe signed gets in, once, and takes effect as things stand now."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from stripe import WebhookSignature

from api.billing.closing import LedgerCloser
from api.billing.invoicing import bounds_of
from api.billing.pushing import MeterPusher
from api.billing.stripe_payments import StripePayments
from api.billing.webhooks import WebhookInbox
from api.kit.clock import FixedClock
from api.main import create_app
from api.ports import Ports

SECRET = "whsec_test"
HOUR = timedelta(hours=1)


@pytest.fixture
def door(ports: Ports, stripe_payments: StripePayments) -> Iterator[TestClient]:
    """The app with Stripe behind its payment port."""
    ports.payments = stripe_payments
    with TestClient(create_app(ports), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def inbox(ports: Ports, clock: FixedClock, stripe_payments: StripePayments) -> WebhookInbox:
    return WebhookInbox(ports.database, clock, stripe_payments)


def event(event_id: str = "evt_1", kind: str = "invoice.paid", object_id: str = "in_1") -> str:
    return json.dumps({"id": event_id, "object": "event", "type": kind, "data": {"object": {"id": object_id}}})


def post(
    door: TestClient, body: str | bytes, signature: str | None = None, *, secret: str = SECRET, age_s: int = 0
) -> Any:
    raw = body.encode() if isinstance(body, str) else body
    if signature is None:
        stamp = int(time.time()) - age_s
        signature = WebhookSignature.generate_signature_header(raw.decode(), secret, stamp)
    return door.post("/webhooks/stripe", content=raw, headers={"Stripe-Signature": signature})


def stored(ports: Ports) -> list[dict[str, Any]]:
    with ports.database.read() as session:
        rows = session.connection().execute(text("SELECT * FROM webhook_events ORDER BY id"))
        return [dict(row._mapping) for row in rows]


def test_a_genuine_event_is_stored_once_and_handed_on(door: TestClient, ports: Ports, queue: Any) -> None:
    first, second = post(door, event()), post(door, event())
    assert (first.status_code, first.json()) == (200, {"received": True, "duplicate": False})
    assert (second.status_code, second.json()) == (200, {"received": True, "duplicate": True})
    [row] = stored(ports)
    assert (row["id"], row["type"], row["payload"], row["processed_at"]) == ("evt_1", "invoice.paid", event(), None)
    assert [name for name, _ in queue.sent] == ["billing.work_off_webhooks"]


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "t=1,v1=00",
        "v1=00",
        "t=,v1=",
        "t=9999999999999999999999,v1=00",
        "t=1",
        "nonsense",
        "t=1,v0=00",
        ",".join(["v1=aa"] * 500),
        "t=1,v1=" + "a" * 5000,
    ],
)
def test_made_up_signatures_are_refused(door: TestClient, ports: Ports, signature: str) -> None:
    answer = post(door, event(), signature)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "bad_signature"
    assert answer.json()["errors"][0]["pointer"] == "@Stripe-Signature"
    assert stored(ports) == []


def test_a_signature_beyond_ascii_is_refused(door: TestClient) -> None:
    stamp = int(time.time())
    raw = f"t={stamp},v1=".encode() + b"\xe9" * 64
    answer = door.post("/webhooks/stripe", content=event(), headers=[(b"stripe-signature", raw)])
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_signature")


def test_a_forged_body_another_secret_and_a_missing_header_are_refused(door: TestClient, ports: Ports) -> None:
    stamp = int(time.time())
    signature = WebhookSignature.generate_signature_header(event("evt_1"), SECRET, stamp)
    assert post(door, event("evt_2"), signature).status_code == 400
    assert post(door, event(), secret="whsec_other").status_code == 400
    assert door.post("/webhooks/stripe", content=event()).status_code == 400
    assert stored(ports) == []


def test_an_old_timestamp_is_refused_and_one_within_tolerance_taken(door: TestClient, ports: Ports) -> None:
    assert post(door, event("evt_old"), age_s=310).status_code == 400
    assert post(door, event("evt_late"), age_s=280).status_code == 200
    assert [row["id"] for row in stored(ports)] == ["evt_late"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "7",
        "null",
        "{}",
        '{"id": "evt_1"}',
        '{"id": 7, "type": "x"}',
        '{"id": "", "type": "x"}',
        '{"id": "evt_1", "type": ["x"]}',
        '{"id": "' + "e" * 300 + '", "type": "x"}',
        "not json",
        "[" * 100_000,
    ],
)
def test_signed_rubbish_is_a_400_and_not_a_crash(door: TestClient, ports: Ports, body: str) -> None:
    assert post(door, body).status_code == 400
    assert stored(ports) == []


def test_bytes_that_are_no_text_are_refused(door: TestClient) -> None:
    assert post(door, b"\xff\xfe", "t=1,v1=00").status_code == 400


def test_a_body_past_256_kib_is_refused_before_it_is_looked_at(door: TestClient, ports: Ports) -> None:
    answer = post(door, "x" * (256 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    padded = event()[:-1] + ', "pad": "' + "x" * 250_000 + '"}'
    assert post(door, padded).status_code == 200
    assert len(stored(ports)) == 1


def test_without_a_provider_the_door_says_so(client: TestClient) -> None:
    answer = client.post("/webhooks/stripe", content=event(), headers={"Stripe-Signature": "t=1,v1=00"})
    assert (answer.status_code, answer.json()["code"]) == (404, "payments_not_configured")


@pytest.fixture
def opened_invoice(
    ports: Ports,
    closer: LedgerCloser,
    counts: Any,
    clock: FixedClock,
    customer: Callable[[str], str],
    stripe_server: Any,
) -> str:
    """Our invoice of November is open; Stripe has in_1 for it. Answers the tenant's id."""
    tenant_id = customer("developer")
    counts.call(tenant_id, clock.now() - 5 * HOUR, 2)
    closer.close()
    start, end = bounds_of("2026-11")
    clock.advance(end + timedelta(days=3) - clock.now())
    closer.close()
    stripe_server.invoices["in_1"] = {
        "customer": f"cus_{tenant_id}",
        "currency": "eur",
        "status": "open",
        "period_start": int(start.timestamp()),
        "period_end": int(end.timestamp()),
    }
    return tenant_id


def state_of(ports: Ports, tenant_id: str) -> tuple[str, str | None]:
    with ports.database.read() as session:
        query = text("SELECT state, provider_invoice_id FROM invoices WHERE tenant_id = :t")
        [row] = session.connection().execute(query, {"t": tenant_id})
        return row[0], row[1]


def test_events_out_of_order_end_in_the_invoices_present_state(
    door: TestClient, ports: Ports, inbox: WebhookInbox, opened_invoice: str, stripe_server: Any
) -> None:
    stripe_server.invoices["in_1"]["status"] = "paid"
    post(door, event("evt_2", "invoice.paid"))
    post(door, event("evt_1", "invoice.finalized"))
    assert inbox.work_off() == 2
    assert state_of(ports, opened_invoice) == ("paid", "in_1")
    assert inbox.work_off() == 0
    assert all(row["processed_at"] for row in stored(ports))


def test_another_tenants_invoice_is_not_touched(
    door: TestClient, ports: Ports, inbox: WebhookInbox, opened_invoice: str, stripe_server: Any
) -> None:
    stripe_server.invoices["in_1"] |= {"status": "paid", "customer": "cus_somebody_else"}
    post(door, event())
    assert inbox.work_off() == 1
    assert state_of(ports, opened_invoice) == ("open", None)


def test_while_stripe_is_silent_the_event_waits(
    door: TestClient, ports: Ports, inbox: WebhookInbox, opened_invoice: str, stripe_server: Any
) -> None:
    stripe_server.invoices["in_1"]["status"] = "paid"
    post(door, event())
    stripe_server.down = True
    assert inbox.work_off() == 0
    [row] = stored(ports)
    assert (row["processed_at"], row["attempts"]) == (None, 1)
    stripe_server.down = False
    assert inbox.work_off() == 1
    assert state_of(ports, opened_invoice)[0] == "paid"


def test_an_event_of_another_kind_or_shape_needs_no_effect(door: TestClient, ports: Ports, inbox: WebhookInbox) -> None:
    post(door, event("evt_1", "charge.updated"))
    post(door, json.dumps({"id": "evt_2", "object": "event", "type": "invoice.paid", "data": []}))
    post(door, event("evt_3", "invoice.paid", object_id="../../v1/balance?x=1"))
    assert inbox.work_off() == 3


def test_meter_events_that_stripe_throws_out_later_are_marked_failed(
    door: TestClient,
    ports: Ports,
    inbox: WebhookInbox,
    closer: LedgerCloser,
    counts: Any,
    clock: FixedClock,
    customer: Callable[[str], str],
    stripe_payments: StripePayments,
    stripe_server: Any,
) -> None:
    counts.call(customer("developer"), clock.now() - 5 * HOUR, 7)
    closer.close()
    MeterPusher(ports.database, clock, stripe_payments).push()
    stripe_server.reports["evt_thin"] = [stripe_server.events[0]["identifier"], "never heard of"]
    thin = {"id": "evt_thin", "object": "v2.core.event", "type": "v1.billing.meter.error_report_triggered"}
    assert post(door, json.dumps(thin)).status_code == 200
    assert inbox.work_off() == 1
    with ports.database.read() as session:
        [state] = session.connection().execute(text("SELECT state FROM meter_pushes")).scalars()
    assert state == "failed"
