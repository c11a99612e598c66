"""`/c/{token}`: everybody gets to the product; a person's decision counts once, machines' looks do not."""

import os
from datetime import timedelta

import pytest

from api.events.log import LogUnavailable
from api.events.tokens import TokenSealer
from tests.api.events.shop_page import ShopPage


def test_a_click_goes_to_the_product_and_counts(page: ShopPage) -> None:
    answer = page.follow(page.token(), "click-0001")
    assert (answer.status_code, answer.headers["location"]) == (302, "https://brand.example/p/1")
    assert answer.headers["cache-control"] == "no-store"
    assert "noindex" in answer.headers["x-robots-tag"]
    page.drain()
    assert page.counts() == (0, 0, 1)


@pytest.mark.parametrize("beacon_first", [True, False])
def test_redirect_and_beacon_of_one_click_are_one(page: ShopPage, beacon_first: bool) -> None:
    token = page.token()
    click = page.event("click", token)
    ways = [lambda: page.accepted([click]), lambda: page.follow(token, click["id"])]
    for way in ways if beacon_first else reversed(ways):
        way()
    page.drain()
    assert page.counts() == page.counts("gross") == (0, 0, 1)
    assert page.totals()["conflicts"] == 0


def test_the_same_id_for_another_product_is_a_conflict(page: ShopPage) -> None:
    page.follow(page.token(), "click-0001")
    page.follow(page.token(product_id="prd_2"), "click-0001")
    page.drain()
    assert page.counts("gross") == (0, 0, 1)
    assert page.totals()["conflicts"] == 1


def test_without_an_id_two_clicks_inside_two_seconds_are_one_net_click(page: ShopPage, clock) -> None:
    token = page.token()
    for seconds in (0, 1.9, 2.0):
        clock.advance(timedelta(seconds=seconds))
        page.follow(token)
    page.drain()
    assert page.counts("gross") == (0, 0, 3)
    assert page.counts() == (0, 0, 2)
    assert page.totals()["flagged"] == {"repeat_click": {"click": 1}}


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {}),
        ("GET", {"Sec-Purpose": "prefetch"}),
        ("GET", {"Purpose": "prefetch"}),
        ("GET", {"Sec-Fetch-Mode": "no-cors"}),
        ("GET", {"Sec-Fetch-Mode": "cors"}),
    ],
)
def test_looks_are_redirected_and_not_counted(page: ShopPage, method: str, headers: dict[str, str]) -> None:
    assert page.follow(page.token(), method=method, **headers).status_code == 302
    assert page.drain() == 0


def test_a_navigation_counts(page: ShopPage) -> None:
    page.follow(page.token(), **{"Sec-Fetch-Mode": "navigate"})
    assert page.drain() == 1


def test_an_expired_token_still_leads_there_and_counts_nothing(page: ShopPage, clock) -> None:
    token = page.token()
    clock.advance(timedelta(days=30))
    assert page.follow(token, "click-0001").headers["location"] == "https://brand.example/p/1"
    assert page.drain() == 0


def test_a_forged_token_leads_nowhere(page: ShopPage) -> None:
    forged = TokenSealer({"k1": os.urandom(32)}).seal(page.claims(target_url="https://evil.example"))
    for token in (forged, "x", "A" * 1000):
        answer = page.follow(token)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


def test_only_web_addresses_are_targets(page: ShopPage) -> None:
    for target in ("javascript:alert(1)", "data:text/html,x", "//evil.example", "file:///etc/passwd"):
        assert page.follow(page.token(target_url=target)).status_code == 404


def test_trouble_in_the_spool_never_withholds_the_redirect(page: ShopPage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise LogUnavailable("the disk is full")

    monkeypatch.setattr(page.ports.event_log, "append", refuse)
    assert page.follow(page.token(), "click-0001").status_code == 302


def test_an_id_that_is_none_is_replaced(page: ShopPage) -> None:
    assert page.follow(page.token(), "x").status_code == 302
    page.drain()
    assert page.counts() == (0, 0, 1)


def test_ids_made_here_sort_as_the_clicks_came(page: ShopPage) -> None:
    """The store finds what is new beside what is newest, so an id must not lie anywhere in the past."""
    for _ in range(30):
        page.follow(page.token())
    page.drain()
    rows = page.ports.event_store.select("SELECT event_id FROM events ORDER BY log_offset")
    ids = [row["event_id"] for row in rows]
    assert len(ids) == 30
    assert ids == sorted(ids)
