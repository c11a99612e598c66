"""What Stripe's answers mean, told apart over the wire by the real library."""

from datetime import timedelta
from typing import Any

import pytest

from api.billing.payments import MeterEvent, MeterOutcomeUnknown, MeterRefused, ProviderUnavailable
from api.billing.stripe_payments import StripePayments
from api.kit.clock import FixedClock
from tests.patience import until


@pytest.fixture
def event(clock: FixedClock) -> MeterEvent:
    return MeterEvent("shoplight_search", "cus_1", 7, clock.now() - timedelta(minutes=30), "tnt_1:search:1")


def test_the_wire_format_is_stripes(stripe_payments: StripePayments, stripe_server: Any, event: MeterEvent) -> None:
    stripe_payments.send(event)
    [(method, path, form, headers)] = stripe_server.requests
    assert (method, path) == ("POST", "/v1/billing/meter_events")
    assert form == {
        "event_name": "shoplight_search",
        "identifier": "tnt_1:search:1",
        "timestamp": str(int(event.at.timestamp())),
        "payload[stripe_customer_id]": "cus_1",
        "payload[value]": "7",
    }
    assert headers["Authorization"] == "Bearer sk_test_1"
    assert headers["Idempotency-Key"] == "tnt_1:search:1"


@pytest.mark.parametrize(("mode", "lasting"), [("400", True), ("401", False), ("429", False)])
def test_a_refusal_says_whether_it_lasts(
    stripe_payments: StripePayments, stripe_server: Any, event: MeterEvent, mode: str, lasting: bool
) -> None:
    stripe_server.script = [mode]
    with pytest.raises(MeterRefused) as refusal:
        stripe_payments.send(event)
    assert refusal.value.lasting is lasting
    assert stripe_server.events == []


@pytest.mark.parametrize("mode", ["hang", "hang_after", "cut_after", "500"])
def test_silence_and_crashes_leave_the_outcome_open_and_are_not_retried_behind_our_back(
    stripe_payments: StripePayments, stripe_server: Any, event: MeterEvent, mode: str
) -> None:
    stripe_server.script = [mode]
    with pytest.raises(MeterOutcomeUnknown):
        stripe_payments.send(event)
    until(lambda: stripe_server.requests)  # on a busy machine it reads the request after the client has given up
    assert len(stripe_server.requests) == 1


def test_a_timestamp_of_36_days_ago_is_refused_for_good(
    stripe_payments: StripePayments, stripe_server: Any, clock: FixedClock
) -> None:
    old = MeterEvent("shoplight_search", "cus_1", 7, clock.now() - timedelta(days=36), "old")
    with pytest.raises(MeterRefused) as refusal:
        stripe_payments.send(old)
    assert refusal.value.lasting
    assert stripe_server.events == []


def test_an_unanswered_question_is_not_an_answer_of_zero(
    stripe_payments: StripePayments, stripe_server: Any, clock: FixedClock
) -> None:
    stripe_server.down = True
    hour = clock.now() - timedelta(hours=1)
    with pytest.raises(ProviderUnavailable):
        stripe_payments.metered("shoplight_search", "cus_1", hour, clock.now())
    stripe_server.down = False
    with pytest.raises(ProviderUnavailable, match="no active meter"):
        stripe_payments.metered("shoplight_unheard_of", "cus_1", hour, clock.now())
