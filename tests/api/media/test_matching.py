"""Which products may stand on an object's tag: through the real index and finder."""

import numpy as np
import pytest

from api.media.matching import BLURRED_PENALTY, OFFERS, UNCONFIRMED_PENALTY, Matcher, shown_label
from tests.api.media.world import World, unit

FLOOR = 0.4


@pytest.fixture
def matcher(world: World) -> Matcher:
    return Matcher(world.ports.finder, FLOOR)


def at(score: float, dim: int, axis: int = 1) -> np.ndarray:
    """A unit vector with this cosine to the first axis."""
    vector = np.zeros(dim, np.float32)
    vector[0], vector[axis] = score, np.sqrt(1 - score**2)
    return vector


@pytest.mark.parametrize(
    ("label", "category", "taken_off"),
    [
        ("footwear", "Apparel > Shoes", 0.0),
        ("footwear", "boots", 0.0),
        ("pants", "Jeans", 0.0),
        ("top", "Jackets", BLURRED_PENALTY),
        ("footwear", "Bags", None),
        ("dress", "Sneakers", None),
        ("footwear", "Gifts", UNCONFIRMED_PENALTY),
        ("footwear", "", UNCONFIRMED_PENALTY),
        ("product", "Mugs", UNCONFIRMED_PENALTY),
    ],
)
def test_the_category_must_not_name_another_kind_of_thing(
    world: World, matcher: Matcher, label: str, category: str, taken_off: float | None
) -> None:
    dim = world.ports.eyes.dim
    catalog = world.catalog()
    product = world.product(catalog, at(0.8, dim), category=category)
    found = matcher.match(label, unit(1, dim=dim)[None], frozenset({catalog.id}))
    if taken_off is None:
        assert found == ()
    else:
        assert [(c.product_id, c.score) for c in found] == [(product.id, pytest.approx(0.8 - taken_off, abs=1e-3))]


@pytest.mark.parametrize(
    ("label", "category", "shown"),
    [
        ("pants", "Home > Planters", "product"),
        ("pants", "Apparel > Jeans", "pants"),
        ("top", "Apparel > Jackets", "top"),
        ("bag", None, "bag"),
        ("product", "Mugs", "product"),
    ],
)
def test_a_planter_is_not_called_pants(label: str, category: str | None, shown: str) -> None:
    assert shown_label(label, category) == shown


def test_nothing_below_the_floor_is_a_match(world: World, matcher: Matcher) -> None:
    dim = world.ports.eyes.dim
    catalog = world.catalog()
    above = world.product(catalog, at(FLOOR + 0.01, dim), category="Shoes")
    world.product(catalog, at(FLOOR - 0.01, dim, axis=2), category="Shoes")
    found = matcher.match("footwear", unit(1, dim=dim)[None], frozenset({catalog.id}))
    assert [candidate.product_id for candidate in found] == [above.id]


def test_a_tracks_frames_vote_and_one_lucky_frame_does_not_win(world: World, matcher: Matcher) -> None:
    dim = world.ports.eyes.dim
    catalog = world.catalog()
    steady = world.product(catalog, at(0.7, dim), category="Shoes")
    world.product(catalog, unit(0, 0, 1, dim=dim), category="Shoes")  # seen in one frame of four, and there exactly
    frames = np.stack([unit(1, dim=dim)] * 3 + [unit(0, 0, 1, dim=dim)])
    found = matcher.match("footwear", frames, frozenset({catalog.id}))
    assert [candidate.product_id for candidate in found] == [steady.id]
    assert found[0].score == pytest.approx(0.7, abs=1e-3)


def test_other_catalogs_are_not_looked_into(world: World, matcher: Matcher) -> None:
    dim = world.ports.eyes.dim
    world.product(world.catalog(), at(0.9, dim), category="Shoes")
    assert matcher.match("footwear", unit(1, dim=dim)[None], frozenset({world.catalog().id})) == ()
    assert matcher.match("footwear", unit(1, dim=dim)[None], frozenset()) == ()


def test_other_sellers_of_the_product_stand_behind_it_as_the_same_match(world: World, matcher: Matcher) -> None:
    dim = world.ports.eyes.dim
    catalogs = [world.catalog() for _ in range(OFFERS + 3)]
    same = [world.product(catalog, at(0.8, dim), title="Oak lamp", category="Shoes") for catalog in catalogs[:-1]]
    other = world.product(catalogs[-1], at(0.6, dim, axis=2), title="Blue mug", category="Shoes")
    found = matcher.match("footwear", unit(1, dim=dim)[None], frozenset(catalog.id for catalog in catalogs))
    assert {candidate.product_id for candidate in found[:-1]} < {product.id for product in same}
    assert len(found) == 1 + OFFERS + 1  # so many offers and no more: what is similar has a place, too
    assert found[-1].product_id == other.id
    assert len({(candidate.score, candidate.match_type) for candidate in found[:-1]}) == 1


def test_frames_that_lead_with_different_offers_vote_for_one_product(world: World, matcher: Matcher) -> None:
    dim = world.ports.eyes.dim
    here, there = world.catalog(), world.catalog()
    first, second = at(0.99, dim), at(0.99, dim, axis=2)  # two shots of one thing, 0.98 from each other
    world.product(here, first, title="Oak lamp", category="Shoes")
    world.product(there, second, title="Oak lamp", category="Shoes")
    world.product(here, at(0.9, dim, axis=3), title="Blue mug", category="Shoes")
    found = matcher.match("footwear", np.stack([first, second, second, first]), frozenset({here.id, there.id}))
    assert len(found) == 3
    assert found[0].score == found[1].score == pytest.approx(1, abs=1e-3)
