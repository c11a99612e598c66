"""What counts as one product of several sellers, and in which order its offers stand."""

from typing import Any

import pytest

from api.search.folding import MOST_OFFERS, SCORE_WINDOW, shown
from tests.api.search.made_up import folded, names, near, product

GTIN, OTHER_GTIN = "4006381333931", "4002432397228"
ONE, TWO = {"catalog": "ctg_a"}, {"catalog": "ctg_b"}


def pair(first: dict[str, Any], second: dict[str, Any]) -> list[list[str]]:
    """How two offers with the same picture are folded."""
    return names(folded((product("a", **first), 0.8), (product("b", **second), 0.79)))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ONE | {"title": "Linen Shirt"}, TWO | {"title": "Shirt, linen"}),
        (ONE | {"title": "Linen Shirt", "brand": "Bolt"}, TWO | {"title": "BOLT linen shirt", "brand": "bolt"}),
        (ONE | {"title": "Linen Shirt", "brand": "Bolt"}, TWO | {"title": "The linen shirt"}),
        (ONE | {"title": "Linen Shirt M"}, ONE | {"title": "Linen Shirt L"}),
        (ONE | {"title": "Oak floor lamp with shade"}, TWO | {"title": "Floor lamp oak"}),
        (ONE | {"title": "Something", "gtin": GTIN}, TWO | {"title": "Anything", "gtin": GTIN}),
        (ONE | {"title": "Something", "gtin": GTIN}, TWO | {"title": "Anything", "gtin": "0" + GTIN}),
    ],
)
def test_one_product_of_two_sellers_is_one_match(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert pair(first, second) == [["a", "b"]]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ONE | {"title": "Milk 1.5 %"}, TWO | {"title": "Milk 3 %"}),
        (ONE | {"title": "Linen shirt red"}, TWO | {"title": "Linen shirt blue"}),
        (ONE | {"title": "Linen shirt"}, TWO | {"title": "Oak lamp"}),
        (ONE | {"title": "Linen shirt", "brand": "Bolt"}, TWO | {"title": "Linen shirt", "brand": "Acme"}),
        (ONE | {"title": "Classic", "category": "Shoes"}, TWO | {"title": "Classic", "category": "Bags"}),
        (
            ONE | {"title": "Linen shirt", "attributes": {"color": "red"}},
            TWO | {"title": "Linen shirt", "attributes": {"colour": "navy blue"}},
        ),
        (ONE | {"title": "Linen shirt", "colours": "red"}, TWO | {"title": "Linen shirt", "colours": "blue white"}),
        (ONE | {"title": "Linen shirt", "gtin": GTIN}, TWO | {"title": "Linen shirt", "gtin": OTHER_GTIN}),
        # numbers that say nothing: of another kind of thing, of one shop alone, of a whole shop
        (ONE | {"title": "Lamp", "gtin": GTIN, "brand": "Bolt"}, TWO | {"title": "Mug", "gtin": GTIN, "brand": "Acme"}),
        (ONE | {"title": "Lamp", "gtin": "2000000000015"}, TWO | {"title": "Mug", "gtin": "2000000000015"}),
        (ONE | {"title": "Lamp", "gtin": "0000000000000"}, TWO | {"title": "Mug", "gtin": "0000000000000"}),
        (ONE | {"title": "Lamp", "gtin": GTIN}, ONE | {"title": "Mug", "gtin": GTIN}),
        (ONE | {"title": "%"}, TWO | {"title": "%"}),
    ],
)
def test_what_the_feeds_tell_apart_stays_apart(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert pair(first, second) == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("cosine", "catalog", "together"),
    [(0.95, "ctg_b", True), (0.9, "ctg_b", False), (0.95, "ctg_a", False), (0.99, "ctg_a", True)],
)
def test_pictures_must_be_nearer_inside_one_catalog(cosine: float, catalog: str, together: bool) -> None:
    offers = (product("a", title="Oak lamp"), 0.8), (product("b", title="Oak lamp", catalog=catalog), 0.8)
    found = folded(*offers, vectors={"a": near(1.0), "b": near(cosine)})
    assert (len(found) == 1) is together


def test_scores_far_apart_are_not_compared() -> None:
    far = 0.8 - SCORE_WINDOW - 0.001
    assert len(folded((product("a", title="Lamp"), 0.8), (product("b", title="Lamp"), far))) == 2


def test_the_cheapest_in_stock_comes_first_in_the_currency_of_the_first() -> None:
    def offer(name: str, **more: Any) -> Any:
        return product(name, title="Oak lamp", catalog=f"ctg_{name}", **more)

    [group] = folded(
        (offer("nearest", price_micros=30_000_000), 0.81),
        (offer("dollars", price_micros=1_000_000, currency="USD"), 0.8),
        (offer("gone", price_micros=1_000_000, availability="out_of_stock"), 0.8),
        (offer("sale", price_micros=50_000_000, sale_price_micros=10_000_000), 0.8),
        (offer("dear", price_micros=20_000_000), 0.8),
    )
    leader, score, offers = shown(group)
    assert (leader.external_id, score) == ("nearest", 0.81)
    assert [item.external_id for item in offers] == ["sale", "dear", "dollars", "gone"]


def test_an_offer_in_stock_stands_for_a_nearer_one_that_is_sold_out() -> None:
    [group] = folded(
        (product("gone", title="Oak lamp", availability="out_of_stock"), 0.81),
        (product("here", title="Oak lamp", catalog="ctg_b"), 0.8),
    )
    leader, score, offers = shown(group)
    assert (leader.external_id, score, [item.external_id for item in offers]) == ("here", 0.8, ["gone"])


def test_no_match_carries_a_hundred_offers() -> None:
    many = [(product(f"p{n}", title="Oak lamp", catalog=f"ctg_{n}"), 0.8) for n in range(30)]
    [group] = folded(*many)
    assert len(shown(group)[2]) == MOST_OFFERS
