"""The learning-rate range test's arithmetic, and the curves that show it."""

import math
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from workers.training import charts
from workers.training.own import rates


def losses_of(found: list[float], best: float) -> list[float]:
    """Falls fastest around `best`, then blows up, as a real test does."""
    return [2.0 - 1.5 / (1 + math.exp(-4 * (math.log10(rate) - math.log10(best)))) + (rate * 8) ** 3 for rate in found]


@pytest.mark.parametrize("best", [1e-4, 1e-3, 1e-2])
def test_the_rate_of_the_steepest_fall_is_suggested(best: float) -> None:
    ladder = rates.ladder(100)
    assert (ladder[0], ladder[-1]) == (pytest.approx(rates.LOWEST), pytest.approx(rates.HIGHEST))
    suggested = rates.suggest(ladder, losses_of(ladder, best))
    # Smoothing lags by a few steps of the ladder; within a factor of four is what the eye would choose.
    assert best / 4 < suggested < best * 4


def test_noise_and_overflow_do_not_break_it() -> None:
    ladder = rates.ladder(60)
    noisy = [loss + 0.02 * (-1) ** n for n, loss in enumerate(losses_of(ladder, 1e-3))]
    noisy[-1] = math.nan
    # the first batches of a run differ more than any rate so small could make them
    noisy[:4] = [2.6, 1.9, 2.4, 1.8]
    assert 1e-4 < rates.suggest(ladder, noisy) < 1e-2
    assert rates.diverged(noisy)
    assert not rates.diverged([2.0, 1.9, 1.8])
    assert rates.diverged([2.0] * 20 + [80.0])


def test_a_loss_that_never_falls_speaks_for_no_rate() -> None:
    ladder = rates.ladder(20)
    assert rates.suggest(ladder, [1.0 + n for n in range(20)]) == rates.FALLBACK
    assert rates.suggest(ladder[:2], [1.0, 0.5]) == rates.FALLBACK


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own text


def test_curves_are_drawn_where_their_numbers_are() -> None:
    svg = parsed(charts.curves("t", [charts.Curve("a", [(0, 0.0), (10, 1.0)])], x="x", y="y", whole=True))
    points = next(node for node in svg.iter() if node.tag.endswith("polyline")).attrib["points"].split()
    (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in points)
    assert x1 < x2
    assert y1 == charts.HEIGHT - charts.BOTTOM
    assert y2 == charts.TOP


def test_names_that_are_markup_stay_text() -> None:
    hostile = '"><script>alert(1)</script>'
    svg = charts.confusion(hostile, np.array([[3, 1], [0, 2]]), [hostile, "b & c"])
    assert "<script" not in svg
    found = parsed(svg)
    assert found.attrib["aria-label"] == hostile
    texts = ["".join(node.itertext()) for node in found.iter() if node.tag.endswith("text")]
    assert {"3", "1", "2", "b & c"} <= set(texts)
    assert "0" not in texts
    parsed(charts.curves(hostile, [charts.Curve(hostile, [(1, 2)])], x=hostile, y=hostile, mark=(1, hostile)))


@pytest.mark.parametrize("values", [[], [math.nan], [0.0], [1e-9, 1e-9], [5.0, 5.0], [1e12, -1e12], [19.0, 81.0]])
def test_any_numbers_can_be_drawn(values: list[float]) -> None:
    parsed(charts.curves("t", [charts.Curve("a", list(enumerate(values)))], x="x", y="y"))


def test_of_many_classes_those_with_most_mistakes_are_drawn() -> None:
    matrix = np.eye(80, dtype=np.intp) * 5
    matrix[77, 3] = 4
    svg = charts.confusion("t", matrix, [f"c{number}" for number in range(80)])
    assert ">c77<" in svg
    assert ">c79<" not in svg
