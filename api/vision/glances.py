"""How a whole picture is looked at for its one vector: as it is and closer, or, where a thing stands on white, as it is
and among others of its kind, as shops show it. Phone photos come nearer to the mean of these glances than to the
picture alone (figures: infra/decisions/0015)."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from api.vision.crops import Pixels, reduced

Mask = NDArray[np.float32]
CLOSER = 0.75  # of width and height
CUT_SIDE = 224  # of the picture that a thing is cut from; the embedder sees no more
WHITE_GAP = 10  # how far a channel may lie under white
LEAST_SHARE, MOST_SHARE = 0.05, 0.85  # of the picture; a photo has a white corner, too
LEAST_SIDE = 24  # pixels of a thing's rectangle
ROW_DIM, ROW_GROUND, ROW_GAP, ROW_RIM = 0.7, 60, 0.05, 0.06
SHELF_DIM, SHELF_GROUND, SHELF_RIM = 0.8, 200, 0.25


@dataclass(frozen=True, slots=True)
class Thing:
    """A rectangle of a picture (rows x columns x 3, RGB) and how much of each pixel is the thing's (0 to 1)."""

    pixels: Pixels
    mask: Mask

    def laid_on(self, canvas: Pixels, top: int, left: int, *, light: float = 1.0) -> None:
        """In place; what reaches over the left and right sides is cut off."""
        rows, columns = self.pixels.shape[:2]
        start, end = max(left, 0), min(left + columns, canvas.shape[1])
        if start < end:
            part, mask = self.pixels[:, start - left : end - left], self.mask[:, start - left : end - left, None]
            under = canvas[top : top + rows, start:end]
            under[:] = part * (mask * np.float32(light)) + under * (1 - mask)


def glances(pixels: Pixels) -> list[tuple[Pixels, float]]:
    """The pictures to embed and how much each weighs in the mean."""
    thing = standing_free(pixels)
    if thing is None:
        return [(pixels, 0.5), (_closer(pixels), 0.5)]
    return [(pixels, 0.3), (_in_a_row(thing), 0.35), (_before_a_shelf(thing), 0.35)]


def standing_free(pixels: Pixels) -> Thing | None:
    """What stands on white, as catalogs ask for it; None where the edge of the picture does not lead into white."""
    small, _ = reduced(pixels, CUT_SIDE)
    framed = cv2.copyMakeBorder(small, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    reached = np.zeros((framed.shape[0] + 2, framed.shape[1] + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE
    cv2.floodFill(framed, reached, (0, 0), 0, (WHITE_GAP,) * 3, (WHITE_GAP,) * 3, flags)
    found = (reached[2:-2, 2:-2] == 0).astype(np.uint8)
    if not LEAST_SHARE < found.mean() < MOST_SHARE:
        return None
    # the rim mixes both: one pixel in, then soft
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(cv2.erode(found, np.ones((3, 3), np.uint8)))
    if count < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    left, top, columns, rows = (int(value) for value in stats[largest, :4])
    if min(columns, rows) < LEAST_SIDE:
        return None
    mask = cv2.GaussianBlur((pieces == largest).astype(np.float32), (3, 3), 0)
    place = np.s_[top : top + rows, left : left + columns]
    return Thing(small[place], np.asarray(mask[place], np.float32))


def _closer(pixels: Pixels) -> Pixels:
    rows, columns = pixels.shape[:2]
    top, left = int(rows * (1 - CLOSER) / 2), int(columns * (1 - CLOSER) / 2)
    return pixels[top : rows - top, left : columns - left]


def _in_a_row(thing: Thing) -> Pixels:
    """Between others of its kind, which are dimmer, on a dark square."""
    rows, columns = thing.mask.shape
    side = int(max(rows, columns) * (1 + 2 * ROW_RIM))
    square = np.full((side, side, 3), ROW_GROUND, np.uint8)
    top, left, step = (side - rows) // 2, (side - columns) // 2, int(columns * (1 + ROW_GAP))
    reach = -(-side // step)
    for place in sorted(range(-reach, reach + 1), key=abs, reverse=True):
        thing.laid_on(square, top, left + place * step, light=ROW_DIM if place else 1.0)
    return square


def _before_a_shelf(thing: Thing) -> Pixels:
    """Before larger, dimmer ones of its kind."""
    rows, columns = thing.mask.shape
    alone = np.full((rows, columns, 3), SHELF_GROUND, np.uint8)
    thing.laid_on(alone, 0, 0)
    rim = int(max(rows, columns) * SHELF_RIM)
    size = columns + 2 * rim, rows + 2 * rim
    behind = np.roll(cv2.resize(alone, size), size[0] // 2, axis=1)
    shelf = np.asarray(behind * np.float32(SHELF_DIM), np.uint8)
    thing.laid_on(shelf, rim, rim)
    return shelf
