"""Small JPEGs of a report, as data: URLs; pictures are read as the service decodes them."""

import base64
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from api.vision.errors import PictureError
from api.vision.picture import WHOLE, Box
from api.vision.service import Eyes

QUALITY = 72


class Thumbnails:
    """Each picture is decoded once; a picture that cannot be read has an empty URL."""

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes
        self._made: dict[tuple[Path, Box, int], tuple[str, int, int]] = {}

    def url(self, path: Path, side: int, box: Box = WHOLE) -> tuple[str, int, int]:
        """The URL, width and height; the longer side is at most `side`."""
        key = (path, box, side)
        if key not in self._made:
            self._made[key] = self._make(path, side, box)
        return self._made[key]

    def _make(self, path: Path, side: int, box: Box) -> tuple[str, int, int]:
        try:
            pixels = self._eyes.decode(path.read_bytes()).pixels
        except (PictureError, OSError):
            return "", side, side
        left, top, right, bottom = box.within(pixels.shape[1], pixels.shape[0])
        return encode(pixels[top:bottom, left:right], side)


def encode(pixels: NDArray[np.uint8], side: int) -> tuple[str, int, int]:
    height, width = pixels.shape[:2]
    scale = min(side / max(height, width), 1.0)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode(), *size
