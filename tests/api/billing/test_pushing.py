"""Meter events on their way to Stripe: frozen first, told once, through crashes, silence and corrections."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from api.billing.closing import LedgerCloser
from api.billing.ledger_only import LedgerOnlyPayments
from api.billing.models import MeterPush, PushState
from api.billing.push_repository import PushesAcrossTenants
from api.billing.pushing import MeterPusher
from api.billing.stripe_payments import StripePayments
from api.kit.clock import FixedClock
from api.ports import Ports

HOUR = timedelta(hours=1)


@pytest.fixture
def ports(money_house: Any) -> Any:
    """The ledger's own part of the house is enough here."""
    return money_house


@pytest.fixture
def pusher(ports: Ports, clock: FixedClock, stripe_payments: StripePayments) -> MeterPusher:
    return MeterPusher(ports.database, clock, stripe_payments)


def pushes(ports: Ports) -> list[dict[str, Any]]:
    with ports.database.read() as session:
        rows = session.connection().execute(text("SELECT * FROM meter_pushes ORDER BY id"))
        return [dict(row._mapping) for row in rows]


@pytest.fixture
def booked(closer: LedgerCloser, counts: Any, clock: FixedClock, customer: Callable[[str], str]) -> str:
    """A tenant with 7 searches in one closed hour."""
    tenant_id = customer("developer")
    counts.call(tenant_id, clock.now() - 5 * HOUR, 7)
    closer.close()
    return tenant_id


def test_a_closed_hour_is_told_once(
    ports: Ports, pusher: MeterPusher, stripe_server: Any, booked: str, clock: FixedClock
) -> None:
    assert pusher.push() == {PushState.sent: 1}
    [event] = stripe_server.events
    assert event["payload[value]"] == "7"
    assert event["payload[stripe_customer_id]"] == f"cus_{booked}"
    hour = int((clock.now() - 5 * HOUR).timestamp())
    assert hour <= int(event["timestamp"]) < hour + 3600
    assert pusher.push() == {}
    assert len(stripe_server.events) == 1


def test_what_is_to_be_sent_is_frozen_before_the_call(
    ports: Ports, clock: FixedClock, stripe_payments: StripePayments, booked: str
) -> None:
    seen: list[dict[str, Any]] = []

    class Watching(StripePayments):
        def send(self, event: Any) -> None:
            seen.extend(pushes(ports))
            raise SystemExit  # the process dies in the middle of the call

    watching = Watching("sk_test_1", "")
    with pytest.raises(SystemExit):
        MeterPusher(ports.database, clock, watching).push()
    [row] = seen
    assert (row["value"], row["state"], row["attempts"]) == (7, "unknown", 1)
    assert row["identifier"] == f"{booked}:shoplight_search:2026112007:1"


def test_a_crash_between_freeze_and_call_sends_what_was_frozen(
    ports: Ports,
    pusher: MeterPusher,
    stripe_server: Any,
    closer: LedgerCloser,
    counts: Any,
    clock: FixedClock,
    booked: str,
) -> None:
    pusher.freeze()
    counts.call(booked, clock.now() - 5 * HOUR, 2)  # late: must not change what is frozen
    closer.close()
    assert pusher.push() == {PushState.sent: 2}
    assert [event["payload[value]"] for event in stripe_server.events] == ["7", "2"]
    assert len({event["identifier"] for event in stripe_server.events}) == 2


@pytest.mark.parametrize("mode", ["hang_after", "cut_after"])
def test_a_lost_answer_is_asked_again_under_the_same_identifier(
    ports: Ports, pusher: MeterPusher, stripe_server: Any, booked: str, clock: FixedClock, mode: str
) -> None:
    stripe_server.script = [mode]
    assert pusher.push() == {PushState.unknown: 1}
    assert pusher.push() == {}  # not at once
    clock.advance(timedelta(minutes=10))
    assert pusher.push() == {PushState.sent: 1}
    assert [event["payload[value]"] for event in stripe_server.events] == ["7"]


def test_an_unknown_outcome_of_a_day_ago_that_was_counted_is_looked_up_and_not_sent_again(
    ports: Ports, pusher: MeterPusher, stripe_server: Any, booked: str, clock: FixedClock
) -> None:
    stripe_server.script = ["cut_after"]
    pusher.push()
    stripe_server.forget_identifiers()
    clock.advance(timedelta(hours=25))
    assert pusher.push() == {PushState.sent: 1}
    assert [event["payload[value]"] for event in stripe_server.events] == ["7"]
    assert sum(method == "POST" for method, *_ in stripe_server.requests) == 1


def test_an_unknown_outcome_of_a_day_ago_that_was_not_counted_is_sent_after_the_look(
    ports: Ports, pusher: MeterPusher, stripe_server: Any, booked: str, clock: FixedClock
) -> None:
    stripe_server.script = ["hang"]
    assert pusher.push() == {PushState.unknown: 1}
    clock.advance(timedelta(hours=25))
    assert pusher.push() == {PushState.pending: 1}
    assert stripe_server.events == []
    assert pusher.push() == {PushState.sent: 1}
    assert [event["payload[value]"] for event in stripe_server.events] == ["7"]


def test_a_meter_that_holds_neither_is_left_to_a_person(
    ports: Ports, pusher: MeterPusher, stripe_server: Any, booked: str, clock: FixedClock
) -> None:
    stripe_server.script = ["hang"]
    pusher.push()
    stamp = str(int((clock.now() - 5 * HOUR).timestamp()) + 60)
    foreign = {"event_name": "shoplight_search", "identifier": "by hand", "timestamp": stamp}
    stripe_server.events.append(foreign | {"payload[stripe_customer_id]": f"cus_{booked}", "payload[value]": "3"})
    clock.advance(timedelta(hours=25))
    assert pusher.push() == {PushState.failed: 1}
    assert "holds 3, expected 0 or 7" in pushes(ports)[0]["error"]


def test_while_the_summaries_do_not_answer_nothing_is_decided(
    ports: Ports, pusher: MeterPusher, stripe_server: Any, booked: str, clock: FixedClock
) -> None:
    stripe_server.script = ["hang"]
    pusher.push()
    clock.advance(timedelta(hours=25))
    stripe_server.down = True
    assert pusher.push() == {PushState.unknown: 1}
    stripe_server.down = False
    clock.advance(timedelta(hours=2))
    assert pusher.push() == {PushState.pending: 1}


def test_a_refusal_after_silence_does_not_settle_the_silent_attempt(
    ports: Ports, pusher: MeterPusher, stripe_server: Any, booked: str, clock: FixedClock
) -> None:
    stripe_server.script = ["cut_after", "429", "401"]
    for minutes in (0, 10, 20):
        clock.advance(timedelta(minutes=minutes))
        assert pusher.push() == {PushState.unknown: 1}
    clock.advance(timedelta(hours=1))
    assert pusher.push() == {PushState.sent: 1}
    assert [event["payload[value]"] for event in stripe_server.events] == ["7"]


def test_a_lasting_refusal_fails_and_holds_nothing_up(
    ports: Ports,
    pusher: MeterPusher,
    stripe_server: Any,
    booked: str,
    closer: LedgerCloser,
    counts: Any,
    clock: FixedClock,
) -> None:
    counts.call(booked, clock.now() - 4 * HOUR, 2)
    closer.close()
    stripe_server.script = ["400"]
    assert pusher.push() == {PushState.failed: 1, PushState.sent: 1}
    assert [event["payload[value]"] for event in stripe_server.events] == ["2"]


def test_usage_older_than_35_days_is_not_sent(
    ports: Ports, pusher: MeterPusher, stripe_server: Any, booked: str, clock: FixedClock
) -> None:
    pusher.freeze()
    clock.advance(timedelta(days=35))
    assert pusher.push() == {PushState.failed: 1}
    assert stripe_server.requests == []
    assert "35 days" in pushes(ports)[0]["error"]


def test_corrections_downwards_wait_for_usage_that_outweighs_them(
    ports: Ports,
    pusher: MeterPusher,
    stripe_server: Any,
    closer: LedgerCloser,
    counts: Any,
    clock: FixedClock,
    booked: str,
) -> None:
    pusher.push()
    counts.calls.clear()
    counts.call(booked, clock.now() - 5 * HOUR, 4)  # 7 were told, 4 remain: 3 too many
    closer.close()
    assert pusher.push() == {}
    counts.call(booked, clock.now() - 3 * HOUR, 5)
    closer.close()
    assert pusher.push() == {PushState.sent: 1}
    assert [event["payload[value]"] for event in stripe_server.events] == ["7", "2"]


def test_a_tenant_without_a_customer_waits_in_the_ledger(
    ports: Ports, pusher: MeterPusher, stripe_server: Any, closer: LedgerCloser, counts: Any, clock: FixedClock
) -> None:
    counts.call("tnt_without", clock.now() - 5 * HOUR, 7)
    closer.close()
    assert pusher.push() == {}
    assert pushes(ports) == []
    assert stripe_server.requests == []


def test_spend_is_told_in_whole_micros_of_its_currency(
    pusher: MeterPusher,
    stripe_server: Any,
    closer: LedgerCloser,
    counts: Any,
    clock: FixedClock,
    customer: Callable[[str], str],
) -> None:
    brand = customer("brand")
    counts.click(brand, "pub_1", clock.now() - 5 * HOUR, 250_001)
    counts.click(brand, "pub_2", clock.now() - 5 * HOUR, 250_000)
    closer.close()
    pusher.push()
    assert [event["payload[value]"] for event in stripe_server.sent("shoplight_click_spend_micros_eur")] == ["500001"]


def test_eight_pushers_make_one_call_at_a_time_a_customer_and_meter_and_tell_all_once(
    ports: Ports,
    stripe_server: Any,
    closer: LedgerCloser,
    counts: Any,
    clock: FixedClock,
    customer: Callable[[str], str],
) -> None:
    tenants = [customer("developer") for _ in range(2)]
    for tenant_id in tenants:
        for hours in range(2, 12):
            counts.call(tenant_id, clock.now() - hours * HOUR, 1)
    closer.close()

    def run() -> None:
        payments = StripePayments("sk_test_1", "", api_base=stripe_server.url, timeout_s=60)
        MeterPusher(ports.database, clock, payments).push()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    run()
    assert stripe_server.worst_concurrency == 1
    assert len(stripe_server.events) == 20
    assert {row["state"] for row in pushes(ports)} == {"sent"}


def test_embedded_the_same_way_ends_in_the_own_meter(
    ports: Ports, closer: LedgerCloser, counts: Any, clock: FixedClock
) -> None:
    hour = clock.now() - 5 * HOUR
    counts.call("tnt_a", hour, 7)
    closer.close()
    own = LedgerOnlyPayments(ports.database)
    assert MeterPusher(ports.database, clock, own).push() == {PushState.sent: 1}
    assert own.metered("shoplight_search", "tnt_a", hour, hour + HOUR) == 7


def test_an_older_event_that_turns_up_late_waits_for_the_call_that_is_under_way(
    ports: Ports, clock: FixedClock, pusher: MeterPusher, booked: str
) -> None:
    """Another machine's clock is behind, so what it froze later sorts before what is being sent."""
    pusher.freeze()
    now, until = clock.now(), clock.now() + timedelta(minutes=2)
    with ports.database.write() as session:
        rows = PushesAcrossTenants(session)
        [first] = rows.due(now, 10)
        under_way = rows.claim(first.id, now, until)
        assert under_way is not None
        under_way.state = PushState.unknown
        late = MeterPush(**{**under_way.model_dump(), "id": "psh_0", "identifier": "late", "not_before": None})
        late.state = PushState.pending
        session.add(late)
    with ports.database.write() as session:
        rows = PushesAcrossTenants(session)
        assert rows.claim("psh_0", now, until) is None
        assert rows.claim(first.id, now, until) is None
        rows.push(first.id).state = PushState.sent
    with ports.database.write() as session:
        assert PushesAcrossTenants(session).claim("psh_0", now, until) is not None
