"""The nouns of seeing: a decoded picture, a box on it, a detection. No behaviour beyond geometry."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in parts (0..1) of the EXIF-upright picture, origin top left."""

    x: float
    y: float
    w: float
    h: float

    def within(self, width: int, height: int) -> tuple[int, int, int, int]:
        """left, top, right, bottom in whole pixels; never empty, never outside."""
        left = min(max(int(self.x * width), 0), width - 1)
        top = min(max(int(self.y * height), 0), height - 1)
        right = min(max(round((self.x + self.w) * width), left + 1), width)
        bottom = min(max(round((self.y + self.h) * height), top + 1), height)
        return left, top, right, bottom

    def grown(self, part: float) -> "Box":
        """By this part of its width and height on each side; may reach over the picture's edge."""
        more = 1 + 2 * part
        return Box(self.x - part * self.w, self.y - part * self.h, self.w * more, self.h * more)


WHOLE = Box(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """`width` and `height` are the upright original's; `pixels` (RGB, rows x columns x 3) may be a reduced copy."""

    width: int
    height: int
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Detection:
    label: str
    score: float
    box: Box
