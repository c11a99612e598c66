"""Crops at the size at which attributes are measured: what they hold, and where the object lies on them."""

import numpy as np
import pytest

from api.vision.crops import SIDE, crops, reduced
from api.vision.picture import WHOLE, Box, Picture


@pytest.mark.parametrize(
    "shape", [(1, 1), (5, 3000), (3000, 5), (1, 2000), (223, 224), (225, 10), (449, 447), (960, 719)]
)
def test_the_longest_side_is_as_asked_and_nothing_grows(shape: tuple[int, int]) -> None:
    pixels = np.zeros((*shape, 3), np.uint8)
    small, scale = reduced(pixels, SIDE)
    assert scale == pytest.approx(min(1, SIDE / max(shape)))
    assert max(small.shape[:2]) == min(SIDE, max(shape))
    assert min(small.shape[:2]) == max(1, round(min(shape) * scale))


@pytest.mark.parametrize("side", [450, 700, 960])
def test_what_is_finer_than_a_pixel_becomes_its_mean(side: int) -> None:
    """Sampling here and there would make stripes of other widths of it."""
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[::2] = 200
    small, _ = reduced(pixels, SIDE)
    assert abs(small.astype(float) - 100).max() <= 1


def test_colours_stay_where_they_are() -> None:
    pixels = np.zeros((900, 600, 3), np.uint8)
    pixels[:450, :, 0], pixels[450:, 300:, 2] = 255, 255
    small, scale = reduced(pixels, SIDE)
    large = pixels[(np.arange(small.shape[0]) / scale).astype(int)][:, (np.arange(small.shape[1]) / scale).astype(int)]
    wrong = (abs(small.astype(int) - large) > 40).any(axis=2)
    assert wrong.mean() < 0.02  # along the two edges alone


def test_the_object_lies_on_the_crop_where_its_box_is() -> None:
    """A bag before a dress on a picture so large that the crop is reduced."""
    pixels = np.full((960, 800, 3), 255, np.uint8)
    dress, bag = Box(0.25, 0.125, 0.5, 0.75), Box(0.5, 0.5, 0.1, 0.2)
    for box, colour in ((dress, (200, 0, 0)), (bag, (0, 0, 200))):
        left, top, right, bottom = box.within(800, 960)
        pixels[top:bottom, left:right] = colour
    (crop, context), (near, of_bag) = crops(Picture(800, 960, pixels), [dress, bag], ["dress", "bag"])
    assert max(crop.shape[:2]) == SIDE
    left, top, right, bottom = context.inner
    for x, y in ((left + 1, top + 1), (right - 2, bottom - 2)):
        assert crop[y, x].tolist() == pytest.approx([200, 0, 0], abs=20)
    for x, y in ((left - 2, top - 2), (right + 1, bottom + 1)):
        assert crop[y, x].tolist() == pytest.approx([255, 255, 255], abs=20)
    [(left, top, right, bottom)] = context.others
    assert crop[(top + bottom) // 2, (left + right) // 2].tolist() == [0, 0, 200]
    assert [context.size, of_bag.size] == pytest.approx([0.375, 0.02])
    assert of_bag.others == ()
    assert max(near.shape[:2]) <= SIDE


def test_a_small_crop_is_left_as_it_is() -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (SIDE, 100, 3), dtype=np.uint8)
    [(crop, _)] = crops(Picture(100, SIDE, pixels), [WHOLE], [None])
    assert np.array_equal(crop, pixels)
