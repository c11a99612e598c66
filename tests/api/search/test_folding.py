"""What counts as one product of several sellers, and in which order its offers stand."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from api.search.folding import MOST_OFFERS, SCORE_WINDOW, Folding, Key, shown
from api.search.index import Hit
from tests.api.search.made_up import folded, names, near, product

MANY_WORDS = " ".join(f"{one}{other}" for one in "bdfkm" for other in ("an", "en", "in", "on", "un"))
GTIN, OTHER_GTIN, IN_STORE = "4006381333931", "4002432397228", "2000000000015"
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
        (ONE | {"title": f"Oak door {'very ' * 50} left"}, TWO | {"title": f"Oak door {'very ' * 50} left "}),
        (ONE | {"title": "Shelf 80 x 40 oak"}, TWO | {"title": "Oak shelf 40 x 80"}),
        # sizes of one style, each with a number of its own
        (
            ONE | {"title": "Runner shoe 42", "gtin": GTIN, "attributes": {"item_group_id": "7"}},
            ONE | {"title": "Runner shoe 43", "gtin": OTHER_GTIN, "attributes": {"item_group_id": "7"}},
        ),
        # a number that names nothing says nothing against it either
        (ONE | {"title": "Oak lamp", "gtin": IN_STORE}, TWO | {"title": "Oak lamp", "gtin": GTIN}),
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
        # within one catalog: other words, numbers, kinds, styles, or numbers of the whole world
        (ONE | {"title": "Fresh soy milk"}, ONE | {"title": "Shelf soy milk"}),
        (ONE | {"title": "Medium fat milk"}, ONE | {"title": "Ecological medium fat milk"}),
        (ONE | {"title": "Medium eggs"}, ONE | {"title": "Large eggs"}),
        (ONE | {"title": "Medium eggs"}, TWO | {"title": "Large eggs"}),
        (ONE | {"title": "Red bell pepper"}, ONE | {"title": "Yellow bell pepper"}),
        (ONE | {"title": "Bell pepper"}, ONE | {"title": "Red bell pepper"}),
        (ONE | {"title": "Oak lamp", "category": "Lamps"}, ONE | {"title": "Oak lamp", "category": "Lighting"}),
        (ONE | {"title": "Oak lamp", "gtin": GTIN}, ONE | {"title": "Oak lamp", "gtin": OTHER_GTIN}),
        (
            ONE | {"title": "Linen shirt", "attributes": {"item_group_id": "7"}},
            ONE | {"title": "Linen shirt", "attributes": {"item_group_id": "8"}},
        ),
        (
            ONE | {"title": "Yoghurt 150 g", "gtin": GTIN, "attributes": {"item_group_id": "7"}},
            ONE | {"title": "Yoghurt 500 g", "gtin": OTHER_GTIN, "attributes": {"item_group_id": "7"}},
        ),
        (
            ONE | {"title": "Linen shirt", "attributes": {"material": "linen"}},
            TWO | {"title": "Linen shirt", "attributes": {"material": "cotton"}},
        ),
        # what each shop, each weighing machine or each clerk makes up
        (ONE | {"title": "Lamp", "gtin": "1111111111116"}, TWO | {"title": "Mug", "gtin": "1111111111116"}),
        (ONE | {"title": "Lamp", "gtin": "1234567890128"}, TWO | {"title": "Mug", "gtin": "1234567890128"}),
        (ONE | {"title": "Lamp", "gtin": "9999999999994"}, TWO | {"title": "Mug", "gtin": "9999999999994"}),
        (ONE | {"title": "Lamp", "gtin": "4006381333930"}, TWO | {"title": "Mug", "gtin": "4006381333930"}),
        (ONE | {"title": "Lamp", "gtin": "20000011"}, TWO | {"title": "Mug", "gtin": "20000011"}),
        # a measure that is said twice, what stands at a title's end, vowels that are no letters of their own
        (ONE | {"title": "Oak shelf 40 x 40 x 80"}, TWO | {"title": "Oak shelf 40 x 80 x 80"}),
        (ONE | {"title": f"Oak door {MANY_WORDS} left"}, TWO | {"title": f"Oak door {MANY_WORDS} right"}),
        (ONE | {"title": f"Oak door {'very ' * 50} left"}, TWO | {"title": f"Oak door {'very ' * 50} right"}),
        (ONE | {"title": "साड़ी बिल लाल"}, TWO | {"title": "साड़ी बुल लाल"}),
        # one word names many things
        (ONE | {"title": "Mug", "brand": "Acme"}, TWO | {"title": "Vase", "brand": "Acme"}),
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


@pytest.mark.parametrize(
    ("title", "brand", "cosine", "together"),
    [
        ("Lamp", None, 0.95, False),
        ("Acme lamp", "Acme", 0.95, False),
        ("Lamp", None, 0.985, True),
        ("T-shirt", None, 0.95, False),
        ("Oak lamp", None, 0.95, True),
    ],
)
def test_a_title_of_one_word_needs_the_same_picture(
    title: str, brand: str | None, cosine: float, together: bool
) -> None:
    offers = (
        (product("a", title=title, brand=brand), 0.8),
        (product("b", title=title, brand=brand, catalog="ctg_b"), 0.8),
    )
    assert (len(folded(*offers, vectors={"a": near(1.0), "b": near(cosine)})) == 1) is together


@pytest.mark.parametrize(("cosine", "together"), [(0.9, True), (0.45, True), (0.35, False), (-0.2, False)])
def test_equal_numbers_of_pictures_that_are_nothing_alike_are_a_mistake(cosine: float, together: bool) -> None:
    offers = (product("a", title="Lamp", gtin=GTIN), 0.8), (product("b", title="Mug", gtin=GTIN, catalog="ctg_b"), 0.3)
    assert (len(folded(*offers, vectors={"a": near(1.0), "b": near(cosine)})) == 1) is together


def test_a_number_that_a_feed_has_put_on_all_its_things_folds_none_of_them() -> None:
    mine = [(product(f"thing{n}", title=f"Thing {n} {word}", gtin=GTIN), 0.8) for n, word in enumerate(("a1", "b2"))]
    mine.append((product("other", title="Oak lamp", gtin=GTIN), 0.8))
    theirs = product("theirs", title="Tall vase", gtin=GTIN, catalog="ctg_b")
    assert len(folded(*mine, (theirs, 0.79))) == 4
    # what other sellers say with it still holds
    third = product("third", title="Vase", gtin=GTIN, catalog="ctg_c")
    assert names(folded(*mine, (theirs, 0.79), (third, 0.78)))[-1] == ["theirs", "third"]


def test_a_seller_without_a_number_brings_no_two_numbers_together() -> None:
    found = folded(
        (product("none", title="Oak lamp"), 0.8),
        (product("one", title="Oak lamp", gtin=GTIN, catalog="ctg_b"), 0.8),
        (product("two", title="Oak lamp", gtin=OTHER_GTIN, catalog="ctg_c"), 0.8),
    )
    assert names(found) == [["none", "one"], ["two"]]


def test_two_rows_of_one_catalog_do_not_meet_through_another_sellers() -> None:
    vectors = {"mine": near(1.0), "red": near(0.95), "blue": near(0.95, axis=2)}
    found = folded(
        (product("mine", title="Oak lamp"), 0.8),
        (product("red", title="Oak lamp", catalog="ctg_b"), 0.8),
        (product("blue", title="Oak lamp", catalog="ctg_b"), 0.8),
        vectors=vectors,
    )
    assert names(found) == [["mine", "red"], ["blue"]]


def test_vectors_are_asked_for_once_an_answer_and_only_of_what_may_be_one() -> None:
    asked: list[list[str]] = []

    def vectors_of(keys: Sequence[Key]) -> Mapping[Key, NDArray[np.float32]]:
        asked.append([name for _, name in keys])
        return {key: near(1.0) for key in keys}

    held = [product(f"p{n}", title=f"Oak lamp {n}") for n in range(20)]
    held += [product(f"same{n}", title="Tall vase", catalog=f"ctg_{n}") for n in range(3)]
    products = {item.id: item for item in held}
    line = [Hit(item.id, item.catalog_id, 0.8) for item in held]
    groups = Folding(vectors_of, same_picture=0.98, alike=0.4).groups([line, line[3:]], products)
    assert [len(found) for found in groups] == [21, 18]
    assert asked == [["prd_same0", "prd_same1", "prd_same2"]]
    assert Folding(vectors_of, 0.98, 0.4).groups([line[:20]], products)[0][19].products == [held[19]]
    assert len(asked) == 1


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
