"""The order of matches: what may stand before what is nearer, and what never may."""

import random

import pytest

from api.catalog.schemas import ProductRead
from api.search.match import UNKNOWN_LOOK, Look, Match, MatchType
from api.search.ranking import VARIANTS, ordered
from tests.api.search.made_up import match, product

FLOOR = 0.4
RED = Look(colours=(("red", 1.0),))


def order(*matches: Match, look: Look = UNKNOWN_LOOK) -> list[str]:
    return [one.product.external_id for one in ordered(matches, look, FLOOR)]


def sold_out(name: str) -> ProductRead:
    return product(name, availability="out_of_stock")


def test_distinct_products_in_stock_stay_in_the_order_of_their_scores() -> None:
    drawn = random.Random(3)
    scores = sorted((drawn.random() for _ in range(40)), reverse=True)
    matches = [match(product(f"p{n}"), score) for n, score in enumerate(scores)]
    assert ordered(matches, RED, FLOOR) == matches


def test_exact_then_similar_then_unlike_and_out_of_stock_last_among_its_like() -> None:
    found = order(
        match(sold_out("exact gone"), 0.95, MatchType.exact),
        match(product("exact"), 0.94, MatchType.exact),
        match(sold_out("similar gone"), 0.8),
        match(product("similar"), 0.5),
        match(sold_out("unlike gone"), 0.3),
        match(product("unlike"), 0.2),
    )
    assert found == ["exact", "exact gone", "similar", "similar gone", "unlike", "unlike gone"]


@pytest.mark.parametrize("kind", [MatchType.exact, MatchType.similar])
def test_the_nearest_is_shown_though_it_is_sold_out(kind: MatchType) -> None:
    gone = match(sold_out("gone"), 0.95, kind)
    matches = [gone, *(match(product(f"p{n}"), 0.8 - n / 100) for n in range(30))]
    for most in (2, 5, 30, 31):
        found = ordered(matches, UNKNOWN_LOOK, FLOOR, most)
        assert len(found) == most
        assert found[0 if kind is MatchType.exact else -1] is gone
    [only] = ordered(matches, UNKNOWN_LOOK, FLOOR, 1)
    assert (only is gone) is (kind is MatchType.exact)


def test_what_the_caller_has_called_wrong_comes_last_of_all() -> None:
    worst = match(product("worst"), 0.1)
    no, offered = match(product("no"), 0.9), Match(product("led"), 0.8, MatchType.similar, (product("wrong offer"),))
    found = ordered([no, offered, worst], UNKNOWN_LOOK, FLOOR, wrong=frozenset({"prd_no", "prd_wrong offer"}))
    assert [one.product.external_id for one in found] == ["worst", "no", "led"]
    # nor is it kept among the few for being the nearest
    few = ordered([no, offered, worst, worst], UNKNOWN_LOOK, FLOOR, 2, frozenset({"prd_no"}))
    assert few == [offered, worst]


def test_one_offer_in_stock_is_enough() -> None:
    offered = Match(sold_out("gone"), 0.8, MatchType.similar, (product("elsewhere"),))
    assert order(offered, match(product("next"), 0.7)) == ["gone", "next"]


def test_backorders_and_preorders_are_not_out_of_stock() -> None:
    later = match(product("later", availability="backorder"), 0.8)
    assert order(later, match(product("now"), 0.7)) == ["later", "now"]


def test_the_colour_of_the_object_breaks_near_ties_behind_the_nearest() -> None:
    blue, red = product("blue", colours="blue"), product("red", colours="red")
    best = match(product("best", colours="blue"), 0.8)
    assert order(best, match(blue, 0.75), match(red, 0.74), look=RED) == ["best", "red", "blue"]
    assert order(best, match(blue, 0.75), match(red, 0.69), look=RED) == ["best", "blue", "red"]
    assert order(best, match(blue, 0.75), match(red, 0.74)) == ["best", "blue", "red"]


@pytest.mark.parametrize(
    ("look", "votes", "expected"),
    [
        (Look(audience="women"), [], "women"),
        (UNKNOWN_LOOK, ["women", "women", "women"], "women"),
        (Look(label="skirt"), [], "women"),
        (UNKNOWN_LOOK, ["women"], "men"),
        (UNKNOWN_LOOK, ["unisex", "unisex", "unisex"], "men"),
    ],
)
def test_whom_the_object_is_for_breaks_near_ties(look: Look, votes: list[str], expected: str) -> None:
    nearest = [match(product(f"v{n}", audience=vote), 0.9 - n / 100) for n, vote in enumerate(votes)]
    nearest = nearest or [match(product("first"), 0.9)]
    men, women = match(product("men", audience="men"), 0.8), match(product("women", audience="women"), 0.79)
    found = [name for name in order(*nearest, men, women, look=look) if name in {"men", "women"}]
    assert found[0] == expected


def variants(count: int, first: float) -> list[Match]:
    colours = ("red", "blue", "green", "black", "white", "pink", "grey", "brown", "navy", "gold")[:count]
    return [match(product(c, title=f"Linen shirt {c}"), first - n / 1000) for n, c in enumerate(colours)]


def test_ten_colours_of_one_thing_do_not_stand_in_a_row() -> None:
    others = [match(product(f"other{n}", title=f"Thing {n}"), 0.785 - n / 1000) for n in range(2)]
    found = order(*sorted([*variants(10, 0.8), *others], key=lambda one: -one.score))
    assert found[0] == "red"
    assert [found.index("other0"), found.index("other1")] == [VARIANTS, 2 * VARIANTS + 1]
    assert sorted(found) == sorted(one.product.external_id for one in [*variants(10, 0.8), *others])


def test_variety_brings_nothing_forward_that_is_much_less_like() -> None:
    far = match(product("far", title="Another thing"), 0.7)
    assert order(*variants(6, 0.8), far)[-1] == "far"


def test_things_named_by_one_word_are_no_variants() -> None:
    dresses = [match(product(f"d{n}", title=f"Dress {n}"), 0.8 - n / 1000) for n in range(6)]
    other = match(product("other", title="Shirt 1"), 0.79)
    assert order(*dresses, other)[-1] == "other"


def test_a_feeds_own_groups_are_variants_whatever_their_titles() -> None:
    group = [
        match(product(f"g{n}", title=f"Name{n}", attributes={"item_group_id": "7"}), 0.8 - n / 1000) for n in range(5)
    ]
    other = match(product("other"), 0.79)
    assert order(*group, other).index("other") == VARIANTS
