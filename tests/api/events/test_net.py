"""Gross and net: what is flagged, for which reason, and that money follows net."""

from datetime import timedelta

import pytest

from api.events.agents import agent_flag
from api.events.reasons import Flag
from tests.api.events.shop_page import BROWSER, ShopPage

HEADLESS = BROWSER.replace("Chrome/", "HeadlessChrome/")
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.mark.parametrize(
    ("agent", "flag"),
    [
        (BROWSER, None),
        (IPHONE, None),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0", None),
        (GOOGLEBOT, Flag.known_bot),
        ("curl/8.14", Flag.known_bot),
        ("python-requests/2.32", Flag.known_bot),
        (HEADLESS, Flag.automated_browser),
        ("", Flag.non_browser_agent),
        ("MyApp/1.0", Flag.non_browser_agent),
    ],
)
def test_agents(agent: str, flag: Flag | None) -> None:
    assert agent_flag(agent) == flag


def test_bots_are_gross_and_not_net_and_cost_nothing(page: ShopPage) -> None:
    for agent in (GOOGLEBOT, "curl/8.14", HEADLESS, "MyApp/1.0", BROWSER):
        page.accepted([page.event(kind, page.token()) for kind in ("impression", "click")], agent=agent)
    page.drain()
    assert page.counts("gross") == (5, 0, 5)
    assert page.counts() == (1, 0, 1)
    totals = page.totals()
    assert totals["spend_micros"] == 250_000
    assert totals["flagged"] == {
        "automated_browser": {"click": 1, "impression": 1},
        "known_bot": {"click": 2, "impression": 2},
        "non_browser_agent": {"click": 1, "impression": 1},
    }


def test_a_developers_headless_browser_can_be_net(page: ShopPage) -> None:
    page.ports.settings.events.headless_is_net = True
    page.accepted([page.event("impression", page.token())], agent=HEADLESS)
    page.accepted([page.event("impression", page.token())], agent=GOOGLEBOT)
    page.drain()
    assert page.counts() == (1, 0, 0)


def test_one_impression_and_one_viewable_a_view_and_tag(page: ShopPage) -> None:
    token = page.token(nonce="view", tag_id="tag_1")
    other_tag, other_view = page.token(nonce="view", tag_id="tag_2"), page.token(nonce="next", tag_id="tag_1")
    for _ in range(3):
        page.accepted([page.event(kind, token) for kind in ("impression", "viewable")])
        page.drain()
    page.accepted([page.event("impression", other_tag), page.event("impression", other_view)])
    page.drain()
    assert page.counts("gross") == (5, 3, 0)
    assert page.counts() == (3, 1, 0)
    assert page.totals()["flagged"] == {"repeat_impression": {"impression": 2}, "repeat_viewable": {"viewable": 2}}


def test_a_bots_impression_does_not_use_up_the_persons(page: ShopPage) -> None:
    token = page.token()
    page.accepted([page.event("impression", token)], agent=GOOGLEBOT)
    page.accepted([page.event("impression", token)])
    page.drain()
    assert page.counts() == (1, 0, 0)


@pytest.mark.parametrize("split", [True, False])
def test_clicks_repeat_inside_two_seconds_whatever_their_order(page: ShopPage, split: bool) -> None:
    token = page.token()
    clicks = [page.event("click", token, after_s=after) for after in (10, 8.5, 12, 14.1, 15.9, 17.9)]
    for batch in [[click] for click in clicks] if split else [clicks]:
        page.accepted(batch)
        if split:
            page.drain()
    page.drain()
    # 8.5 is near the earlier 10; 12 is not inside 2 s of it; 15.9 is near 14.1; 17.9 is 2.0 s after 15.9
    assert page.counts() == (0, 0, 4)
    assert page.totals()["flagged"] == {"repeat_click": {"click": 2}}


def test_a_pixel_placement_is_hidden(page: ShopPage) -> None:
    sizes = [{"width": 1, "height": 1}, {"width": 0, "height": 400}, {"width": 640, "height": 400}, {"width": True}]
    page.accepted([page.event("impression", page.token(), **size) for size in sizes])
    page.drain()
    assert page.counts() == (2, 0, 0)
    assert page.totals()["flagged"] == {"hidden_placement": {"impression": 2}}


def test_an_old_token_counts_and_costs_nothing(page: ShopPage, clock) -> None:
    token = page.token()
    clock.advance(timedelta(minutes=30))
    page.accepted([page.event("click", token)])
    clock.advance(timedelta(milliseconds=3000))
    page.accepted([page.event("click", token)])
    page.drain()
    totals = page.totals()
    assert (totals["clicks"], totals["spend_micros"], totals["currency"]) == (2, 250_000, "EUR")


def test_viewables_pay_a_thousandth_and_organic_tags_nothing(page: ShopPage) -> None:
    paid = {"price_kind": "cpm", "price_micros": 2_500_999}
    organic = {"price_kind": None, "price_micros": 0, "currency": "", "campaign_id": None}
    for claims in (paid, paid, organic):
        token = page.token(**claims)
        page.accepted([page.event(kind, token) for kind in ("impression", "viewable", "click")])
    page.drain()
    assert page.totals()["spend"] == {"EUR": 5000}


def test_a_conflict_is_kept_aside_counted_once_and_never_billed(page: ShopPage) -> None:
    first = page.event("click", page.token())
    other = {**page.event("click", page.token(product_id="prd_2")), "id": first["id"]}
    changed = {**first, "seq": 99}
    page.accepted([first])
    for _ in range(2):
        page.post([other, changed])
        page.drain()
        page.ports.collector._recent.__init__()  # a restart of the collector forgets its memory
    assert page.counts("gross") == (0, 0, 1)
    totals = page.totals()
    assert (totals["conflicts"], totals["spend_micros"]) == (2, 250_000)


def test_ids_belong_to_their_publisher(page: ShopPage, account) -> None:
    other = ShopPage(page.client, page.ports, account("publisher"), "https://other.example")
    event = page.event("impression", page.token())
    page.accepted([event])
    other.accepted([{**event, "token": other.token()}], origin=other.origin)
    page.drain()
    assert page.counts("gross") == other.counts("gross") == (1, 0, 0)
    assert page.totals()["conflicts"] == 0


def test_pictures_are_counted_beside_their_tags(page: ShopPage) -> None:
    """Two products and three tags on one picture, one tag on another, the first picture again in another view."""
    drawn = [("v1", "m1", "t1", "p1"), ("v1", "m1", "t2", "p2"), ("v1", "m1", "t3", "p2"), ("v1", "m2", "t4", "p1")]
    drawn.append(("v2", "m1", "t1", "p1"))
    for nonce, media_id, tag_id, product_id in drawn:
        claims = {"nonce": nonce, "media_id": media_id, "tag_id": tag_id, "product_id": product_id}
        page.accepted([page.event("impression", page.token(**claims))])
    page.drain()
    report = page.report(group_by="product")
    assert [(row["product_id"], row["impressions"], row["media_impressions"]) for row in report["rows"]] == [
        ("p1", 3, 3),
        ("p2", 2, 1),
    ]
    assert report["totals"]["media_impressions"] == 3
