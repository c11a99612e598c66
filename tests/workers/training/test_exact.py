"""The calibration of `exact`: on made-up products whose answer is known."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from api.search.exactness import Asked, ExactRule
from workers.training.exact import CATALOGS, Pictures, Trials, fit, judge, same_picture_of, simulate, with_parts

PRODUCTS, PHOTOS, DIM = 64, 6, 32


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def trials() -> Trials:
    """Photos between right beside their product and anywhere."""
    return searches(drawn=0)


def searches(drawn: int) -> Trials:
    rng = np.random.default_rng(drawn)
    names = np.array([f"p{n:02d}" for n in range(PRODUCTS)])
    studio = unit(rng.normal(size=(PRODUCTS, DIM)))
    noise = rng.uniform(0.2, 2.5, (PRODUCTS, PHOTOS, 1)) * rng.normal(size=(PRODUCTS, PHOTOS, DIM)) / np.sqrt(DIM)
    photos = unit((studio[:, None] + noise).reshape(-1, DIM))
    none = [()] * len(photos)
    others = unit(rng.normal(size=(1500, DIM)))
    return simulate(Pictures(studio, names, [()] * PRODUCTS), Pictures(photos, np.repeat(names, PHOTOS), none), others)


def test_every_photo_is_asked_with_its_product_and_without(trials: Trials) -> None:
    assert len(trials.right) <= 2 * len(CATALOGS) * PRODUCTS * PHOTOS
    assert trials.closed.any()
    assert not trials.closed.all()
    assert not trials.right[~trials.closed].any()  # what is not there cannot be right
    assert (trials.features[:, :2] >= (-1, 0)).all()
    assert np.isnan(trials.features[:, 2]).all()  # nobody knows a colour


def test_what_is_called_exact_is_right_also_where_the_product_is_missing(trials: Trials) -> None:
    fitted = fit(trials)
    card, figures = fitted.card, fitted.page
    assert figures.products == PRODUCTS
    assert figures.precision.value >= 0.93
    assert figures.precision.low <= figures.precision.value <= figures.precision.high
    assert figures.recall.value >= 0.3
    assert figures.false_open.value < 0.05
    assert (card.margin > 0, card.colour) == (True, 0.0)
    rule = ExactRule(2.0, card)
    said = np.array(
        [rule.is_exact(float(cosine), float(margin), None, Asked.page) for cosine, margin, _ in trials.features]
    )
    assert judge(trials, said).precision.value >= 0.93  # as it serves, so it was fitted
    assert fitted.search.precision_closed.value >= 0.93
    assert fitted.search.recall.value >= figures.recall.value
    assert card.least <= card.least_on_page


def test_things_cut_out_get_a_threshold_of_their_own(trials: Trials) -> None:
    """Searches that are wrong more often at the same sum: every third right one is made a wrong one."""
    rng = np.random.default_rng(3)
    parts = searches(drawn=4)
    parts = replace(parts, right=parts.right & (rng.random(len(parts.right)) > 0.3 * (parts.features[:, 1] < 0.25)))
    whole = fit(trials)
    fitted = with_parts(whole, parts)
    assert fitted.card.least_of_part is not None
    assert fitted.card.least_of_part > fitted.card.least
    assert msgspec.structs.replace(fitted.card, least_of_part=None) == whole.card
    rule = ExactRule(2.0, fitted.card)
    said = np.array([rule.is_exact(float(cosine), float(lead), None, Asked.part) for cosine, lead, _ in parts.features])
    assert judge(parts, said).precision_closed.value >= 0.95
    assert fitted.part is not None
    assert fitted.part.recall.value > 0.1


def test_where_nothing_can_be_told_apart_nothing_is_exact() -> None:
    rng = np.random.default_rng(1)
    count = 2000
    features = np.column_stack([rng.uniform(0, 1, count), rng.uniform(0, 0.3, count), np.full(count, np.nan)])
    closed = np.arange(count) % 2 == 0
    blind = Trials(features, closed & (rng.random(count) < 0.5), closed, rng.integers(0, 50, count))
    fitted = fit(blind)
    card = fitted.card
    assert fitted.search.recall.value < 0.02
    assert fitted.page.recall.value < 0.02
    rule = ExactRule(2.0, card)
    assert not any(rule.is_exact(cosine, margin, None) for cosine, margin in ((0.5, 0.1), (0.97, 0.29)))
    assert np.isfinite(card.least)  # it goes into a JSON file


def test_copies_must_be_nearer_than_any_two_things() -> None:
    apart = np.eye(4, dtype=np.float32)
    assert same_picture_of(apart, apart[:0]) == 0.98
    near = unit(np.array([[1, 0, 0, 0], [1, 0.15, 0, 0]]))
    assert same_picture_of(near, apart[2:]) == pytest.approx(float(near[0] @ near[1]) + 0.004, abs=1e-4)
