"""Which product stands first, and who pays: on stored campaigns, read as the tag server reads them."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.ads.auction import EXPECTED_CTR, Auction, Contender
from api.ads.bids import Spend
from api.errors import Unavailable
from api.kit.clock import FixedClock
from api.ports import Ports

SITE, NONCE = "sit_1", "nonce"


class Market:
    """Brands that bid over the API, and an auction that reads what they stored."""

    def __init__(self, client: TestClient, ports: Ports, account: Any) -> None:
        self.client = client
        self.spend: dict[str, Spend] = {}
        self.auction = Auction(ports.database, ports.clock, lambda: self.spend)
        self.brands = {name: account("brand") for name in ("acme", "zeta")}

    def post(self, brand: str, path: str, **body: Any) -> str:
        answer = self.client.post(f"/v1/{path}", json=body, headers=self.brands[brand].auth)
        assert answer.status_code == 201, answer.text
        self.auction.forget()
        return answer.json()["id"]

    def campaign(self, brand: str, bid: int, **more: Any) -> str:
        body = {"name": "c", "bid_micros": bid, "currency": "EUR", "daily_budget_micros": 10**9, **more}
        return self.post(brand, "campaigns", **body)

    def contender(self, brand: str, product_id: str, score: float, **more: Any) -> Contender:
        filled = {"catalog_id": f"ctg_{brand}", "category": "Apparel > Shoes", "match_type": "similar", **more}
        return Contender(product_id=product_id, brand_id=self.brands[brand].tenant_id, score=score, **filled)

    def pick(self, *contenders: Contender, nonce: str = NONCE, site_id: str = SITE) -> Any:
        return self.auction.pick(contenders, site_id=site_id, nonce=nonce)


@pytest.fixture
def market(client: TestClient, ports: Ports, account) -> Market:
    return Market(client, ports, account)


def test_without_bids_the_best_match_stands_first_for_nothing(market: Market) -> None:
    offer = market.pick(market.contender("acme", "prd_a", 0.8), market.contender("zeta", "prd_z", 0.79))
    assert (offer.product_id, offer.sponsored, offer.price_micros, offer.price_kind) == ("prd_a", False, 0, None)


def test_a_bid_wins_among_what_fits_about_as_well_and_pays_itself(market: Market) -> None:
    campaign = market.campaign("zeta", 250_000)
    offer = market.pick(market.contender("acme", "prd_a", 0.80), market.contender("zeta", "prd_z", 0.76))
    assert (offer.product_id, offer.campaign_id, offer.sponsored) == ("prd_z", campaign, True)
    assert (offer.price_micros, offer.price_kind, offer.currency) == (250_000, "cpc", "EUR")


def test_no_bid_puts_a_clearly_worse_match_on_a_tag(market: Market) -> None:
    market.campaign("zeta", 10**9)
    best = market.contender("acme", "prd_a", 0.80)
    assert market.pick(best, market.contender("zeta", "prd_z", 0.74)).product_id == "prd_a"
    exact = market.contender("acme", "prd_a", 0.80, match_type="exact")
    assert market.pick(exact, market.contender("zeta", "prd_z", 0.79)).product_id == "prd_a"


def test_the_higher_of_bid_times_score_wins(market: Market) -> None:
    low, high = market.campaign("acme", 200_000), market.campaign("zeta", 205_000)
    better, worse = market.contender("acme", "prd_a", 0.80), market.contender("zeta", "prd_z", 0.76)
    assert market.pick(better, worse).campaign_id == low  # 0.160 against 0.1558
    even = market.contender("zeta", "prd_z", 0.80)
    assert market.pick(better, even).campaign_id == high


def test_clicks_and_views_are_compared_by_what_a_thousand_views_bring(market: Market) -> None:
    market.campaign("acme", 100_000)
    worth = int(100_000 * EXPECTED_CTR * 1000)
    by_view = market.campaign("zeta", worth + 1, bid_kind="cpm")
    pair = (market.contender("acme", "prd_a", 0.8), market.contender("zeta", "prd_z", 0.8))
    assert market.pick(*pair).campaign_id == by_view
    patch = {"bid_micros": worth - 1}
    market.client.patch(f"/v1/campaigns/{by_view}", json=patch, headers=market.brands["zeta"].auth)
    market.auction.forget()
    assert market.pick(*pair).price_kind == "cpc"


def test_bids_of_another_currency_do_not_meet(market: Market) -> None:
    euro = market.campaign("acme", 100_000)
    market.campaign("zeta", 90_000_000, currency="JPY")
    pair = (market.contender("acme", "prd_a", 0.80), market.contender("zeta", "prd_z", 0.79))
    assert market.pick(*pair).campaign_id == euro


@pytest.mark.parametrize(
    ("limits", "wins"),
    [
        ({"product_ids": ["prd_z"]}, True),
        ({"product_ids": ["prd_other"]}, False),
        ({"catalog_ids": ["ctg_zeta"]}, True),
        ({"catalog_ids": ["ctg_other"]}, False),
        ({"targeting": {"site_ids": [SITE]}}, True),
        ({"targeting": {"site_ids": ["sit_2"]}}, False),
        ({"targeting": {"categories": ["SHOES"]}}, True),
        ({"targeting": {"categories": ["hats"]}}, False),
        ({"state": "paused"}, False),
        ({"starts_at": "2030-01-01T00:00:00Z"}, False),
        ({"ends_at": "2026-11-20T11:59:59Z"}, False),
        ({"ends_at": "2026-11-20T14:00:00+01:00"}, True),
    ],
)
def test_a_campaign_bids_only_where_it_wants_to(market: Market, limits: dict[str, Any], wins: bool) -> None:
    market.campaign("zeta", 100_000, **limits)
    assert market.pick(market.contender("zeta", "prd_z", 0.8)).sponsored is wins


def test_one_brands_campaign_never_carries_anothers_product(market: Market) -> None:
    market.campaign("zeta", 100_000, product_ids=["prd_a"], catalog_ids=["ctg_acme"])
    assert not market.pick(market.contender("acme", "prd_a", 0.8)).sponsored


def test_a_spent_budget_ends_the_bidding(market: Market) -> None:
    daily = market.campaign("acme", 100_000, daily_budget_micros=1_000_000)
    total = market.campaign("zeta", 100_000, daily_budget_micros=1_000_000, total_budget_micros=5_000_000)
    ours, theirs = market.contender("acme", "prd_a", 0.8), market.contender("zeta", "prd_z", 0.8)
    for spent, paid in (
        ({daily: Spend(999_999, 10**9), total: Spend(0, 4_999_999)}, (True, True)),
        ({daily: Spend(1_000_000, 0), total: Spend(0, 5_000_000)}, (False, False)),
    ):
        market.spend = spent
        market.auction.forget()
        assert (market.pick(ours).sponsored, market.pick(theirs).sponsored) == paid


def test_unknown_spend_stops_the_bidding_but_not_the_tags(market: Market) -> None:
    market.campaign("acme", 100_000)

    def away() -> dict[str, Spend]:
        raise Unavailable("the store is away")

    market.auction._spend = away
    market.auction.forget()
    offer = market.pick(market.contender("acme", "prd_a", 0.8))
    assert (offer.product_id, offer.sponsored) == ("prd_a", False)


def test_a_campaign_that_starts_later_joins_then(market: Market, clock: FixedClock) -> None:
    market.campaign("acme", 100_000, starts_at="2026-11-20T13:00:00Z")
    ours = market.contender("acme", "prd_a", 0.8)
    assert not market.pick(ours).sponsored
    clock.advance(timedelta(hours=1))
    market.auction.forget()
    assert market.pick(ours).sponsored


def test_a_view_keeps_its_arm_and_arms_share_by_weight(market: Market) -> None:
    campaign = market.campaign("acme", 100_000)
    looks = [
        market.post("acme", "creatives", campaign_id=campaign, name=name, call_to_action=name)
        for name in ("Buy", "Look")
    ]
    arms = [
        {"name": "buy", "weight": 3, "creative_id": looks[0]},
        {"name": "look", "weight": 1, "creative_id": looks[1]},
    ]
    market.post("acme", "experiments", campaign_id=campaign, name="words", arms=arms)
    ours = market.contender("acme", "prd_a", 0.8)
    offers = [market.pick(ours, nonce=f"view {number}") for number in range(2000)]
    again = [market.pick(ours, nonce=f"view {number}") for number in range(2000)]
    assert [offer.arm for offer in offers] == [offer.arm for offer in again]
    assert all(offer.creative.call_to_action.lower() == offer.arm for offer in offers)
    share = Counter(offer.arm for offer in offers)["buy"] / 2000
    assert share == pytest.approx(0.75, abs=0.04)  # four standard deviations


def test_without_an_experiment_the_newest_active_creative_speaks(market: Market) -> None:
    campaign = market.campaign("acme", 100_000)
    ours = market.contender("acme", "prd_a", 0.8)
    assert market.pick(ours).creative is None
    made = [
        market.post("acme", "creatives", campaign_id=campaign, name=n, call_to_action=n, badge="New")
        for n in ("1", "2")
    ]
    assert (market.pick(ours).creative.id, market.pick(ours).arm) == (made[1], None)
    auth = market.brands["acme"].auth
    assert market.client.patch(f"/v1/creatives/{made[1]}", json={"active": False}, headers=auth).status_code == 200
    market.auction.forget()
    assert market.pick(ours).creative.id == made[0]
