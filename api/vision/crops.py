"""Objects cut out with what lies around them, reduced to the size at which their attributes are measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from api.vision.ground import Rectangle, Weights
from api.vision.picture import WHOLE, Box, Picture

Pixels = NDArray[np.uint8]
PADDING = 0.12  # of a box, on each side: what lies around an object tells its ground from it
EDGE = 0.04  # of a whole picture, whose edge takes the place of surroundings
WORN = frozenset({"top", "outerwear", "dress", "pants", "shorts", "skirt", "footwear", "headwear", "scarf"})
SIDE = 224  # of a crop: fine stripes need as much
LAID_OVER = 0.8  # a box smaller than this part of another lies over it, not under it


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of a crop beside its pixels: `inner` is the object's box on it, `others` are boxes of smaller
    things that lie over it, `worn` says that there may be skin beside it, `size` is the box's share of the picture."""

    inner: Rectangle
    others: tuple[Rectangle, ...] = ()
    worn: bool = False
    size: float = 1.0


def crops(picture: Picture, boxes: Sequence[Box] | None, labels: Sequence[str | None]) -> list[tuple[Pixels, Context]]:
    """The pixels around each box, at most SIDE high and wide, one label a box; None stands for the whole picture."""
    boxes = [WHOLE] if boxes is None else boxes
    return [
        _at_size(*(_whole(picture.pixels, label) if box == WHOLE else _around(picture.pixels, box, boxes, label)))
        for box, label in zip(boxes, labels, strict=True)
    ]


def _whole(pixels: Pixels, label: str | None) -> tuple[Pixels, Context]:
    rows, columns = pixels.shape[:2]
    edge = max(1, round(EDGE * min(rows, columns))) if min(rows, columns) > 2 else 0
    return pixels, Context((edge, edge, columns - edge, rows - edge), worn=label in WORN)


def _around(pixels: Pixels, box: Box, boxes: Sequence[Box], label: str | None) -> tuple[Pixels, Context]:
    rows, columns = pixels.shape[:2]
    own = box.within(columns, rows)
    wide = box.grown(PADDING).within(columns, rows)
    # below a pixel the two round apart: what is looked at holds the box in any case
    wide = (min(wide[0], own[0]), min(wide[1], own[1]), max(wide[2], own[2]), max(wide[3], own[3]))
    over = [other.within(columns, rows) for other in boxes if other.w * other.h < LAID_OVER * box.w * box.h]
    left, top, right, bottom = wide
    context = Context(
        inner=_moved(own, wide),
        others=tuple(_moved(other, wide) for other in over if _meet(other, own)),
        worn=label in WORN,
        size=min(box.w * box.h, 1.0),
    )
    return pixels[top:bottom, left:right], context


def _at_size(pixels: Pixels, context: Context) -> tuple[Pixels, Context]:
    small, scale = reduced(pixels, SIDE)
    if scale == 1:
        return pixels, context
    inner, *others = (scaled(each, scale, small) for each in (context.inner, *context.others))
    return small, replace(context, inner=inner, others=tuple(others))


def reduced(pixels: Pixels, side: int) -> tuple[Pixels, float]:
    """So that the longest side is `side` at most, and the factor. Halves, which are means of four, and for what is
    left, less than half, samples in between: a tenth of the time of means over whole areas."""
    scale = min(1.0, side / max(pixels.shape[:2]))
    if scale == 1:
        return pixels, scale
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    while max(pixels.shape[:2]) >= 2 * side and min(pixels.shape[:2]) > 1:
        rows, columns = pixels.shape[0] // 2, pixels.shape[1] // 2
        even = pixels[: 2 * rows, : 2 * columns]
        pixels = np.asarray(cv2.resize(even, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8), scale


def scaled(place: Rectangle, scale: float, small: Pixels) -> Rectangle:
    """The same place on the shrunk crop; never empty, never outside."""
    rows, columns = small.shape[:2]
    left, top = min(round(place[0] * scale), columns - 1), min(round(place[1] * scale), rows - 1)
    right, bottom = max(round(place[2] * scale), left + 1), max(round(place[3] * scale), top + 1)
    return left, top, min(right, columns), min(bottom, rows)


def patch(pixels: Pixels, weights: Weights, side: int) -> tuple[Pixels, Weights]:
    """The middle of the object, at most `side` high and wide, with its weights at that size."""
    (top, bottom), (left, right) = (_window(weights, axis, pixels.shape[axis], side) for axis in (0, 1))
    near = pixels[top:bottom, left:right]
    rows, columns = weights.shape[0] / pixels.shape[0], weights.shape[1] / pixels.shape[1]
    part = weights[
        int(top * rows) : max(round(bottom * rows), int(top * rows) + 1),
        int(left * columns) : max(round(right * columns), int(left * columns) + 1),
    ]
    return near, np.asarray(cv2.resize(part, near.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _window(weights: Weights, axis: int, length: int, reach: int) -> tuple[int, int]:
    """From where to where along one axis, around the middle of the weights."""
    line = weights.sum(axis=1 - axis)
    mass = float(line.sum())
    middle = float((line * (np.arange(len(line)) + 0.5)).sum()) / mass / len(line) * length if mass > 0 else length / 2
    start = min(max(round(middle - reach / 2), 0), max(length - reach, 0))
    return start, min(start + reach, length)


def _moved(place: Rectangle, crop: Rectangle) -> Rectangle:
    """In the pixels of the crop, cut off at its edges."""
    left, top, right, bottom = crop
    start = max(place[0], left) - left, max(place[1], top) - top
    return *start, min(place[2], right) - left, min(place[3], bottom) - top


def _meet(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
