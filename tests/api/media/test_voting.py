"""Looks vote on the product: sure ones count for more, and half of all weight must stand behind a product."""

import numpy as np

from api.media.views import Candidate
from api.media.voting import each_once, elected

CATALOGS = frozenset({"ctg_1"})


class ByFirstNumber:
    """A matcher whose answer is written into the vector: its first number names the product."""

    def match(self, label: str, vectors: np.ndarray, catalog_ids: frozenset[str]) -> tuple[Candidate, ...]:
        assert len(vectors) == 1
        product, score = vectors[0][:2]
        return (Candidate(f"prd_{int(product)}", float(score), "similar"),) if score > 0 else ()


def vote(*looks: tuple[float, float, float]) -> list[tuple[str, float]]:
    vectors = np.array([[product, score] for product, score, _ in looks], np.float32)
    weights = [weight for _, _, weight in looks]
    return [(c.product_id, c.score) for c in elected(ByFirstNumber(), "bag", vectors, weights, CATALOGS)]  # type: ignore[arg-type]  # a stand-in that numbers things


def test_a_sharp_look_outvotes_two_blurred_ones() -> None:
    assert vote((1, 0.7, 0.9), (2, 0.9, 0.2), (2, 0.9, 0.2)) == [("prd_1", 0.7)]


def test_the_score_is_the_weighted_mean_of_the_looks_that_agree() -> None:
    assert vote((1, 0.8, 3.0), (1, 0.4, 1.0)) == [("prd_1", 0.7)]


def test_without_half_of_the_weight_nothing_is_elected() -> None:
    assert vote((1, 0.9, 1.0), (2, 0.9, 1.0), (3, 0.9, 1.0)) == []


def test_looks_that_match_nothing_count_against() -> None:
    assert vote((1, 0.9, 1.0), (0, 0.0, 2.0)) == []


def test_a_single_look_is_matched_as_it_is() -> None:
    assert vote((4, 0.5, 0.3)) == [("prd_4", 0.5)]


def shown(*rows: tuple[int | None, int | None, str, float]) -> list[bool]:
    spans = [(start, end) for start, end, _, _ in rows]
    return each_once(
        spans, [[Candidate(product, score, "similar")] if product else [] for _, _, product, score in rows]
    )


def test_a_product_stands_once_at_a_time_where_it_is_surest() -> None:
    coat = "prd_coat"
    assert shown((0, 4000, coat, 0.6), (1000, 5000, coat, 0.8), (5000, 6000, coat, 0.5)) == [False, True, True]
    assert shown((0, 4000, coat, 0.6), (1000, 5000, "prd_bag", 0.8), (0, 9, "", 0)) == [True, True, True]


def test_who_has_given_way_pushes_nobody_else_away() -> None:
    coat = "prd_coat"
    assert shown((0, 10, coat, 0.9), (5, 20, coat, 0.8), (15, 30, coat, 0.7)) == [True, False, True]


def test_things_on_a_picture_are_left_to_those_who_show_it() -> None:
    assert shown((None, None, "prd_coat", 0.6), (None, None, "prd_coat", 0.8)) == [True, True]
