"""Both sides of the payment port keep the same promises; Stripe's by its own library against a server on loopback."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from api.billing.ledger_only import LedgerOnlyPayments
from api.billing.payments import MeterEvent, PaymentProvider
from api.kit.clock import FixedClock
from api.ports import Ports

HOUR = timedelta(hours=1)


@pytest.fixture
def ports(money_house: Any) -> Any:
    """The ledger's own part of the house is enough here."""
    return money_house


@pytest.fixture(params=["ledger only", "stripe"])
def payments(request: pytest.FixtureRequest, ports: Ports) -> PaymentProvider:
    if request.param == "ledger only":
        return LedgerOnlyPayments(ports.database)
    provider: PaymentProvider = request.getfixturevalue("stripe_payments")
    return provider


@pytest.fixture
def event(clock: FixedClock) -> MeterEvent:
    hour = clock.now() - HOUR
    return MeterEvent("shoplight_search", "cus_1", 7, hour + timedelta(minutes=59, seconds=59), "tnt_1:search:1")


def test_what_is_sent_is_metered_in_its_hour(payments: PaymentProvider, event: MeterEvent, clock: FixedClock) -> None:
    payments.send(event)
    hour = clock.now() - HOUR
    assert payments.metered("shoplight_search", "cus_1", hour, hour + HOUR) == 7
    assert payments.metered("shoplight_search", "cus_1", hour - HOUR, hour) == 0
    assert payments.metered("shoplight_search", "cus_2", hour, hour + HOUR) == 0


def test_an_identifier_counts_once(payments: PaymentProvider, event: MeterEvent, clock: FixedClock) -> None:
    payments.send(event)
    payments.send(event)
    payments.send(replace(event, identifier="tnt_1:search:2", value=5))
    hour = clock.now() - HOUR
    assert payments.metered("shoplight_search", "cus_1", hour, hour + HOUR) == 12


def test_meters_are_apart(payments: PaymentProvider, event: MeterEvent, clock: FixedClock) -> None:
    payments.send(event)
    payments.send(replace(event, meter="shoplight_click_spend_micros_eur", value=123_456_789_012, identifier="other"))
    hour = clock.now() - HOUR
    assert payments.metered("shoplight_search", "cus_1", hour, hour + HOUR) == 7
    spend = payments.metered("shoplight_click_spend_micros_eur", "cus_1", hour, hour + HOUR)
    assert spend == 123_456_789_012


def test_an_invoice_that_is_not_there_is_none(payments: PaymentProvider) -> None:
    assert payments.invoice("in_missing") is None
