"""Figures against cases worked out by hand: intervals, precision and recall at k, average precision of boxes."""

import math

import numpy as np
import pytest

from workers.training import detection
from workers.training.judging.intervals import Measured, bootstrap, wilson
from workers.training.judging.ranking import average_precisions, figures, nearest


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe (1998), table I: 81 of 263 and 0 of 20.
    found = wilson(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    found = wilson(0, 20)
    assert (found.value, found.low, round(found.high, 4)) == (0.0, 0.0, 0.1611)
    assert wilson(0, 0) == Measured(0.0, 0.0, 1.0)


def test_the_bootstrap_of_a_mean_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(5).normal(0.5, 0.1, 400)
    found = bootstrap(values)
    assert found.value == pytest.approx(values.mean())
    half = 1.96 * values.std() / math.sqrt(400)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)
    assert bootstrap(values) == found
    assert bootstrap(np.zeros(0)) == Measured(0.0, 0.0, 1.0)


def test_precision_recall_and_average_precision_at_k() -> None:
    # Query 1: right at ranks 1 and 3, four right ones exist. Query 2: right at 2, one exists. Query 3: none exists.
    hits = np.array([[1, 0, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]], bool)
    found = figures(hits, np.array([4, 1, 0]), gallery=9, at=(1, 5))
    assert (found.queries, found.without, found.gallery) == (2, 1, 9)
    assert found.top[1].value == 0.5
    assert found.top[3].value == 1.0
    assert found.precision[1].value == pytest.approx(0.5)
    assert found.precision[5].value == pytest.approx((2 / 5 + 1 / 5) / 2)
    assert found.recall[1].value == pytest.approx((1 / 4 + 0) / 2)
    assert found.recall[5].value == pytest.approx((2 / 4 + 1) / 2)
    # AP@5: (1/1 + 2/3) / min(5, 4), and (1/2) / 1.
    assert found.mean_average_precision[5].value == pytest.approx(((1 + 2 / 3) / 4 + 0.5) / 2)
    perfect = np.ones((1, 3), bool)
    assert average_precisions(perfect, np.array([7]), 3) == pytest.approx([1.0])


def test_cosine_and_euclidean_rank_differently_unless_lengths_are_one() -> None:
    query = np.array([[1.0, 0.0]], np.float32)
    gallery = np.array([[9.0, 1.0], [1.0, 0.5]], np.float32)
    assert nearest(query, gallery, 2, distance="cosine").order.tolist() == [[0, 1]]
    assert nearest(query, gallery, 2, distance="euclidean").order.tolist() == [[1, 0]]


def test_neighbours_are_those_of_brute_force_and_nothing_finds_itself() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(700, 8)).astype(np.float32)
    found = nearest(vectors, vectors, 5, distance="euclidean", same=np.arange(700))
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (found.order == np.argsort(distances, axis=1)[:, :5]).all()


def test_average_precision_by_hand() -> None:
    # Two objects; right, wrong, right. Precision 1 up to recall 1/2, then 2/3 at recall 1.
    found = detection.average_precision(np.array([True, False, True]), 2)
    recalls = np.linspace(0, 1, 101)
    # Between the two points the envelope is joined by a straight line, as Ultralytics joins it.
    envelope = np.interp(recalls, [0, 0.5, 0.5, 1.0, 1.0], [1, 1, 2 / 3, 2 / 3, 0])
    assert found == pytest.approx(float(np.trapezoid(envelope, recalls)), abs=0.005)
    # The last of the 101 recalls lies past the end of what was found, hence not quite 1.
    assert detection.average_precision(np.array([True, True]), 2) == pytest.approx(0.995)
    assert detection.average_precision(np.zeros(0, bool), 3) == 0.0
    assert detection.average_precision(np.array([False, False]), 3) == 0.0


def boxes(*rows: tuple[float, ...]) -> detection.Array:
    return np.array(rows, np.float32)


def test_the_best_score_takes_the_object_and_a_second_one_is_wrong() -> None:
    truth = boxes((0, 0, 10, 10, 0))
    found = boxes((0, 0, 10, 10, 0.9, 0), (0, 0, 10, 9.2, 0.8, 0), (0, 0, 10, 10, 0.7, 1))
    right = detection.match(found, truth)
    assert right[:, 0].tolist() == [True, False, False]
    # IoU 0.92: the second would do at 0.9 but not at 0.95
    assert detection.match(found[1:2], truth)[0].tolist() == [True] * 9 + [False]


def test_map_is_the_mean_over_labels_that_occur() -> None:
    pictures = [
        detection.Judged.of(boxes((0, 0, 1, 1, 0.9, 0)), boxes((0, 0, 1, 1, 0))),
        # label 2 occurs nowhere in truth: what is found of it counts against no one
        detection.Judged.of(boxes((0, 0, 1, 1, 0.9, 2)), boxes((0, 0, 1, 1, 1))),
    ]
    found = detection.figures(pictures, ["cup", "plate", "fork"])
    assert found.per_label["cup"][0] == pytest.approx(0.995)
    assert found.per_label["plate"] == (0.0, 0.0, 1)
    assert set(found.per_label) == {"cup", "plate"}
    assert found.map50 == pytest.approx(0.995 / 2)
    assert (found.pictures, found.objects) == (2, 2)


def test_average_precision_is_that_of_ultralytics_where_it_is_installed() -> None:
    metrics = pytest.importorskip("ultralytics.utils.metrics", reason="Ultralytics is not installed: make train-env")
    rng = np.random.default_rng(1)
    pictures = []
    for _ in range(20):
        truth = np.column_stack([rng.uniform(0, 50, (4, 2)), rng.uniform(50, 99, (4, 2)), rng.integers(0, 3, 4)])
        found = np.column_stack([truth[:, :4] + rng.normal(0, 6, (4, 4)), rng.random(4), truth[:, 4]])
        pictures.append(detection.Judged.of(found.astype(np.float32), truth.astype(np.float32)))
    theirs = metrics.ap_per_class(
        *(np.concatenate([getattr(picture, name) for picture in pictures]) for name in ("hits", "scores", "labels")),
        np.concatenate([picture.wanted for picture in pictures]),
    )[5]
    assert np.array(list(detection.precisions(pictures).values())) == pytest.approx(theirs)
