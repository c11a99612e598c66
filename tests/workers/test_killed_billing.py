"""The tasks of money, killed after each commit in turn: what was counted is booked and told once, however often they
are asked for."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from api.billing.closing import LedgerCloser
from api.billing.pushing import LEASE, MeterPusher
from api.billing.webhooks import WebhookInbox
from api.kit.clock import FixedClock
from tests.api.billing.conftest import closer, counts, customer, money_house, stripe_payments, stripe_server
from tests.workers.dying import Dying

HOUR = timedelta(hours=1)
__all__ = ["closer", "counts", "customer", "money_house", "stripe_payments", "stripe_server"]


@pytest.fixture
def ports(money_house: Any) -> Any:
    """The ledger's own part of the house is enough here."""
    return money_house


def rows(ports: Any, query: str) -> list[tuple[Any, ...]]:
    with ports.database.read() as session:
        return [tuple(row) for row in session.connection().execute(text(query))]


def test_killed_after_any_commit_closing_books_every_count_once(
    ports: Any, counts: Any, closer: LedgerCloser, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = Dying(ports.database, monkeypatch)
    total = 0
    for kill_at in range(1, 100):
        for hours in (2, 30):  # two chunks, a transaction each
            counts.call("tnt_a", clock.now() - hours * HOUR, kill_at)
            counts.click("tnt_b", "tnt_p", clock.now() - hours * HOUR, 1_000 * kill_at)
            total += kill_at
        died = dying.dies(kill_at, closer.close)
        closer.close()
        closer.close()
        assert rows(ports, "SELECT sum(quantity) FROM ledger_entries WHERE kind = 'search'") == [(total,)]
        spent = "SELECT sum(amount_micros) FROM ledger_entries WHERE kind = 'click_spend'"
        assert rows(ports, spent) == [(1_000 * total,)]
        if not died:
            break
    assert kill_at > 3


def test_killed_after_any_commit_every_entry_is_told_to_stripe_once(
    ports: Any, counts: Any, closer: LedgerCloser, clock: FixedClock, customer: Any, stripe_payments: Any,
    stripe_server: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    dying = Dying(ports.database, monkeypatch)
    tenants = [customer("developer") for _ in range(2)]
    pusher = MeterPusher(ports.database, clock, stripe_payments)
    total = 0
    for kill_at in range(1, 100):
        for tenant_id in tenants:
            counts.call(tenant_id, clock.now() - 3 * HOUR, kill_at)
            total += kill_at
        closer.close()
        died = dying.dies(kill_at, pusher.push)
        pusher.push()  # the message is given out again: what is under way is left alone
        clock.advance(LEASE + timedelta(seconds=1))
        pusher.push()
        clock.advance(HOUR)
        pusher.push()
        assert rows(ports, "SELECT DISTINCT state FROM meter_pushes") == [("sent",)]
        assert sum(int(event["payload[value]"]) for event in stripe_server.events) == total
        assert stripe_server.worst_concurrency == 1
        if not died:
            break
    assert kill_at > 5, "a freeze, a claim and an outcome for each tenant"


def test_killed_after_any_commit_a_webhook_has_its_effect_once(
    ports: Any, clock: FixedClock, stripe_payments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stripe import WebhookSignature

    dying = Dying(ports.database, monkeypatch)
    inbox = WebhookInbox(ports.database, clock, stripe_payments)
    for number in range(3):
        body = f'{{"id": "evt_{number}", "type": "customer.created", "data": {{"object": {{"id": "cus_1"}}}}}}'
        signature = WebhookSignature.generate_signature_header(body, "whsec_test")
        assert inbox.receive(body.encode(), signature) is True
        assert inbox.receive(body.encode(), signature) is False
    assert dying.dies(1, inbox.work_off) is True
    assert inbox.work_off() == 2
    assert inbox.work_off() == 0
    assert rows(ports, "SELECT count(*) FROM webhook_events WHERE processed_at IS NULL") == [(0,)]
    assert rows(ports, "SELECT max(attempts) FROM webhook_events") == [(1,)]
