"""Money, with several closers, pushers and webhook doors at once: every figure stands once."""

import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlmodel import select

from api.accounts.models import AuditEntry
from api.billing import service
from api.billing.closing import LedgerBusy, LedgerCloser
from api.billing.entries import UsageRow
from api.billing.ledger_only import LedgerOnlyPayments
from api.billing.ledger_repository import LedgerAcrossTenants
from api.billing.models import EntryKind, LedgerEntry, OwnMeterEvent, PushState, QuotaAlert, TenantBilling, WebhookEvent
from api.billing.pushing import MeterPusher
from api.billing.reconciliation import reconcile
from api.billing.repository import QuotasAcrossTenants
from api.billing.webhooks import WebhookInbox
from api.kit.clock import FixedClock
from api.ports import Ports
from tests.api.billing.test_webhooks import event, stored
from tests.races.conftest import at_once

HOUR = timedelta(hours=1)


def entries(ports: Ports) -> list[LedgerEntry]:
    with ports.database.read() as session:
        return list(session.exec(select(LedgerEntry)).all())


def closers(processes: list[Ports], counts: Any) -> list[LedgerCloser]:
    return [LedgerCloser(ports.database, ports.clock, counts, ports.settings.billing) for ports in processes]


def test_two_closers_of_one_hour_book_it_once(processes: list[Ports], counts: Any, clock: FixedClock) -> None:
    """The first ever close: not even the row that closers wait for is there."""
    for hour in range(2, 8):
        for number in range(5):
            counts.call(f"tnt_{number}", clock.now() - hour * HOUR, 10 + number)
            counts.click(f"brd_{number}", f"pub_{number}", clock.now() - hour * HOUR, 700_000 + number)
    outcomes = at_once(*(closer.close for closer in closers(processes, counts)))
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert sum(outcome.entries for outcome in outcomes) == len(entries(processes[0])) == 6 * 5 * 3
    found = reconcile(processes[0].database, counts, clock.now() - 10 * HOUR, clock.now())
    assert found.differences == []


@pytest.mark.parametrize("seed", range(2))
def test_closers_that_keep_coming_while_counts_change_end_equal(
    processes: list[Ports], counts: Any, clock: FixedClock, seed: int
) -> None:
    for round_ in range(4):
        for number in range(4):
            counts.call(f"tnt_{number}", clock.now() - (2 + (seed + round_ * number) % 20) * HOUR, 1 + number)
            counts.click("brd_1", f"pub_{number}", clock.now() - (3 + round_) * HOUR, 1_000_003)
        outcomes = at_once(*(closer.close for closer in closers(processes, counts)))
        assert not [o for o in outcomes if isinstance(o, Exception) and not isinstance(o, LedgerBusy)]
        clock.advance(timedelta(minutes=40))
    closers(processes, counts)[0].close()
    found = reconcile(processes[0].database, counts, clock.now() - 30 * HOUR, clock.now())
    assert found.compared > 0
    assert found.differences == []


def test_the_row_that_closers_wait_for_is_made_once(processes: list[Ports]) -> None:
    def turn(ports: Ports) -> int:
        with ports.database.write() as session:
            closing = LedgerAcrossTenants(session).closing(lock=True)
            closing.generation += 1
            return closing.generation

    assert sorted(at_once(*(partial(turn, ports) for ports in processes))) == [1, 2, 3, 4]


def test_two_pushers_tell_of_an_hour_once(
    processes: list[Ports], counts: Any, clock: FixedClock, customer: Any, stripe_payments: Any, stripe_server: Any
) -> None:
    tenants = [customer("developer") for _ in range(3)]
    for tenant_id in tenants:
        for hour in range(3, 7):
            counts.call(tenant_id, clock.now() - hour * HOUR, hour)
    closers(processes, counts)[0].close()
    pushers = [MeterPusher(ports.database, clock, stripe_payments) for ports in processes]
    outcomes = at_once(*(pusher.push for pusher in pushers))
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    while pushers[0].push():
        pass
    identifiers = [sent["identifier"] for sent in stripe_server.events]
    assert len(identifiers) == len(set(identifiers)) == len(tenants) * 4
    assert stripe_server.worst_concurrency == 1
    assert sum(int(sent["payload[value]"]) for sent in stripe_server.events) == len(tenants) * (3 + 4 + 5 + 6)
    assert sum(sum(outcome.values()) for outcome in outcomes) <= len(identifiers)
    assert all(set(outcome) <= {PushState.sent} for outcome in outcomes)


def test_the_own_meter_counts_an_identifier_once(processes: list[Ports], counts: Any, clock: FixedClock) -> None:
    counts.call("tnt_1", clock.now() - 3 * HOUR, 9)
    closers(processes, counts)[0].close()
    with processes[0].database.read() as session:
        assert session.exec(select(OwnMeterEvent)).all() == []
    from api.billing.payments import MeterEvent

    told = MeterEvent("shoplight_search", "tnt_1", 9, clock.now(), "tnt_1:shoplight_search:1")
    outcomes = at_once(*(partial(LedgerOnlyPayments(ports.database).send, told) for ports in processes))
    assert outcomes == [None] * 4
    with processes[0].database.read() as session:
        assert [row.value for row in session.exec(select(OwnMeterEvent))] == [9]


def test_a_webhook_delivered_twice_at_once_is_stored_once(processes: list[Ports], stripe_payments: Any) -> None:
    from tests.api.billing.conftest import SECRET
    from tests.api.billing.test_webhooks import WebhookSignature

    body = event()
    signature = WebhookSignature.generate_signature_header(body, SECRET, int(time.time()))
    inboxes = [WebhookInbox(ports.database, ports.clock, stripe_payments) for ports in processes]
    outcomes = at_once(*(partial(inbox.receive, body.encode(), signature) for inbox in inboxes))
    assert sorted(outcomes) == [False, False, False, True]
    [row] = stored(processes[0])
    assert row["payload"] == body


def test_a_webhook_has_its_effect_once(processes: list[Ports], stripe_payments: Any, clock: FixedClock) -> None:
    row = WebhookEvent(id="evt_1", type="customer.updated", payload=event(), received_at=clock.now())
    with processes[0].database.write() as session:
        session.add(row)
    inboxes = [WebhookInbox(ports.database, ports.clock, stripe_payments) for ports in processes]
    assert sum(at_once(*(inbox.work_off for inbox in inboxes))) == 1
    [row] = stored(processes[0])
    assert row["attempts"] == 1


def test_a_quota_alert_is_told_once(
    processes: list[Ports], account, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = account("developer").tenant_id
    with processes[0].database.write() as session:
        session.add(TenantBilling(tenant_id=tenant_id, quota_soft=10, updated_at=clock.now()))
    used = [UsageRow(tenant_id, EntryKind.search, clock.now() - HOUR, 9)]
    monkeypatch.setattr("api.billing.service.EventStoreCounts.usage", lambda *_: used)
    told = QuotasAcrossTenants.told

    def told_slowly(self: QuotasAcrossTenants, period: str) -> set[tuple[str, int]]:
        found = told(self, period)
        time.sleep(0.2)  # what was told is read and nothing added yet: the others look now
        return found

    monkeypatch.setattr(QuotasAcrossTenants, "told", told_slowly)
    outcomes = at_once(*(partial(service.check_quotas, ports) for ports in processes))
    assert sum(outcomes) == 2  # half, and four fifths
    with processes[0].database.read() as session:
        assert sorted(alert.percent for alert in session.exec(select(QuotaAlert))) == [50, 80]
        audited = session.exec(select(AuditEntry).where(AuditEntry.tenant_id == tenant_id)).all()
        assert sorted(entry.action for entry in audited if "quota" in entry.action) == [
            "quota.used_50",
            "quota.used_80",
        ]
