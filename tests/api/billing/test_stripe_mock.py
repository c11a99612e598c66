"""Stripe's own mock server checks each request that we send against Stripe's OpenAPI description, and answers in its
shapes. It keeps nothing: what counts and what repeats is tested on the loopback server (test_payments_contract)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from api.billing.models import PushState
from api.billing.payments import MeterEvent, MeterRefused, ProviderUnavailable
from api.billing.pushing import MeterPusher
from api.billing.stripe_payments import StripePayments
from api.kit.clock import FixedClock
from api.ports import Ports
from tests.services import url_of

HOUR = timedelta(hours=1)
THE_MOCKS_METER = "test-meter-event-name"


@pytest.fixture
def mock() -> StripePayments:
    return StripePayments("sk_test_123", "whsec_test", api_base=url_of("stripe"), timeout_s=60)


@pytest.fixture
def event() -> MeterEvent:
    return MeterEvent("shoplight_search", "cus_1", 7, datetime.now(UTC) - HOUR, "tnt_1:shoplight_search:2026112011:1")


def test_the_mock_refuses_what_stripes_description_does_not_allow(mock: StripePayments) -> None:
    """So its silence about our own requests means something."""
    wrong: Any = {"event_nam": "shoplight_search"}
    with pytest.raises(stripe.InvalidRequestError, match="required"):
        mock._client.v1.billing.meter_events.create(wrong)


@pytest.mark.parametrize("meter", ["shoplight_search", "shoplight_click_spend_micros_eur"])
def test_meter_events_are_well_formed(mock: StripePayments, event: MeterEvent, meter: str) -> None:
    value = 2**53 + 1 if "micros" in meter else 1
    mock.send(MeterEvent(meter, event.customer_id, value, event.at, event.identifier))


def test_summaries_are_asked_for_in_whole_minutes_and_read_as_a_number(mock: StripePayments) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    assert mock.metered(THE_MOCKS_METER, "cus_1", hour - HOUR, hour) > 0
    with pytest.raises(ProviderUnavailable, match="no active meter"):
        mock.metered("shoplight_unheard_of", "cus_1", hour - HOUR, hour)


def test_an_invoice_is_read(mock: StripePayments) -> None:
    invoice = mock.invoice("in_123")
    assert invoice is not None
    assert (invoice.id, invoice.currency, invoice.state) == ("in_123", "USD", "draft")
    assert invoice.period_start.tzinfo is not None


def test_a_key_that_is_none_is_a_refusal_that_does_not_last(event: MeterEvent) -> None:
    with pytest.raises(MeterRefused) as refusal:
        StripePayments("not a key", "", api_base=url_of("stripe")).send(event)
    assert refusal.value.lasting is False


class TestTheWholeWay:
    """From a booked hour to Stripe, each call checked by the mock."""

    @pytest.fixture
    def ports(self, money_house: Any) -> Any:
        return money_house

    @pytest.fixture
    def clock(self) -> FixedClock:
        return FixedClock(datetime.now(UTC))

    @pytest.fixture
    def account(self, money_house: Any) -> Any:
        from api.accounts.scopes import TenantKind
        from api.accounts.service import AccountsDesk
        from tests.conftest import Account

        def make(kind: str) -> Account:
            with money_house.database.write() as session:
                desk = AccountsDesk(session, money_house.clock.now())
                tenant, user = desk.sign_up(TenantKind(kind), "Ada", "ada@example.com", "long enough")
            return Account(tenant.id, user.id, "")

        return make

    def test_booked_hours_arrive(
        self, ports: Ports, clock: FixedClock, closer: Any, counts: Any, customer: Any, mock: StripePayments
    ) -> None:
        tenant_id = customer("developer")
        for hours in (2, 3):
            counts.call(tenant_id, clock.now().replace(minute=0, second=0, microsecond=0) - hours * HOUR, 5)
        closer.close()
        assert MeterPusher(ports.database, clock, mock).push() == {PushState.sent: 2}
