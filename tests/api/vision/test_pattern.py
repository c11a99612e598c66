"""Patterns of drawn garments: stripes of many widths and directions, checks, dots, prints, and folds that are none."""

from collections import Counter

import cv2
import numpy as np
import pytest

from api.vision.attributes import attributes_in
from api.vision.pattern import NAMED, Pattern
from api.vision.pattern_model import HIDDEN, MEANS, MEASURES, SPREADS, WEIGHTS
from api.vision.picture import Picture
from workers.training.drawn_garments import Drawing, any_drawing, drawn

FIRST_UNSEEN = 1000  # the model was fitted to drawings below
RED, WHITE, GREY = (200, 25, 30), (250, 250, 250), (150, 155, 160)


def pattern_in(pixels: np.ndarray) -> Pattern:
    return attributes_in(Picture(pixels.shape[1], pixels.shape[0], pixels), None, [None])[0].pattern


def test_drawings_that_the_model_has_not_seen() -> None:
    """Measured on 60 of a kind: plain 57, striped 58, checked 51, dotted 58, print 59; on these 53 of 60."""
    told = {
        kind: Counter(pattern_in(drawn(any_drawing(str(kind), FIRST_UNSEEN + n))) for n in range(12)) for kind in NAMED
    }
    assert sum(found[kind] for kind, found in told.items()) >= 47, told
    assert min(told[Pattern.plain][Pattern.plain], told[Pattern.striped][Pattern.striped]) >= 11, told


@pytest.mark.parametrize("period", [10, 16, 26, 40])
@pytest.mark.parametrize("angle", [0, 35, 90])
def test_stripes_of_any_width_and_direction(period: float, angle: float) -> None:
    pixels = drawn(Drawing("striped", RED, WHITE, ground=GREY, period=period, angle=angle))
    assert pattern_in(pixels) is Pattern.striped


@pytest.mark.parametrize("cloth", [(250, 250, 250), (14, 14, 14), (200, 25, 30), (40, 90, 200)])
def test_folds_are_no_pattern(cloth: tuple[int, int, int]) -> None:
    for outline in (0, 1, 2):
        pixels = drawn(Drawing("plain", cloth, ground=GREY, folds=0.25, outline=outline, seed=outline))
        assert pattern_in(pixels) is Pattern.plain


def test_a_pattern_on_the_ground_is_none_of_the_garment() -> None:
    floor = drawn(Drawing("striped", (190, 160, 120), (150, 115, 80), period=18)).astype(np.int16)
    floor = np.tile(floor[60:130, 110:210], (5, 4, 1))[:320, :320].astype(np.uint8)
    garment = drawn(Drawing("plain", (30, 60, 160), ground=(0, 255, 0)))
    green = (garment[..., 1] > 120) & (garment[..., 0] < 100)
    inside = cv2.erode((~green).astype(np.uint8), np.ones((5, 5), np.uint8))[..., None]
    assert pattern_in(garment * inside + floor * (1 - inside)) is Pattern.plain


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (8, 8), (20, 20)])
def test_too_little_to_see_is_unknown(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (*shape, 3)).astype(np.uint8)
    assert pattern_in(noise) is Pattern.unknown


def test_the_numbers_of_the_model_fit_each_other() -> None:
    assert MEANS.shape == SPREADS.shape == (len(MEASURES),)
    assert len(HIDDEN) == len(MEASURES) + 1
    assert WEIGHTS.shape == (HIDDEN.shape[1] + 1, len(NAMED))
    assert np.isfinite(HIDDEN).all()
    assert np.isfinite(WEIGHTS).all()
    assert (SPREADS > 0).all()
