"""From pixels to objects with vectors: which detections are worth a tag."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from api.media.boxes import Xywh, clamp
from api.media.objects import SeenObject, without_duplicates
from api.media.tracks import Seen, Vectors
from api.vision.picture import Box, Picture
from api.vision.service import Eyes

MIN_SCORE = 0.3  # of a detection
MAX_OBJECTS = 10
MAX_DETECTIONS = 40
MIN_SIDE = 0.02  # of the picture: nothing smaller can be recognised or pointed at
WEAK_SCORE, MAX_WEAK = 0.12, 10  # what may continue a track though it would not begin one
SHARPNESS_SIDE, HALF_SHARP = 96, 250.0  # the variance of the Laplacian, at this side, of something fairly sharp
POSTER_SIDE, POSTER_MARGIN, POSTER_QUALITY = 320, 0.1, 82


def objects_on(eyes: Eyes, picture: Picture) -> list[SeenObject]:
    """What is on a picture, best first, one entry an object."""
    found = [
        (item, clamp((item.box.x, item.box.y, item.box.w, item.box.h)))
        for item in eyes.detect(picture, MIN_SCORE, MAX_DETECTIONS)
    ]
    found = [(item, box) for item, box in found if min(box[2], box[3]) >= MIN_SIDE]
    found = [found[index] for index in without_duplicates([box for _, box in found])][:MAX_OBJECTS]
    vectors = eyes.embed(picture, [item.box for item, _ in found])
    return [
        SeenObject(item.label, item.score, box, vector[None])
        for (item, box), vector in zip(found, vectors, strict=True)
    ]


class Look:
    """A frame of a film that is looked at. Boxes are embedded only when asked for."""

    def __init__(self, eyes: Eyes, pixels: NDArray[np.uint8]) -> None:
        self._eyes = eyes
        self._picture = Picture(pixels.shape[1], pixels.shape[0], pixels)

    def found(self) -> list[Seen]:
        """What is in it, the surest first; weak ones too."""
        seen = [
            Seen(item.label, item.score, clamp((item.box.x, item.box.y, item.box.w, item.box.h)))
            for item in self._eyes.detect(self._picture, WEAK_SCORE, MAX_DETECTIONS)
        ]
        seen = [item for item in seen if min(item.box[2], item.box[3]) >= MIN_SIDE]
        kept = [seen[index] for index in without_duplicates([item.box for item in seen])]
        weak = [item for item in kept if item.score < MIN_SCORE]
        return [item for item in kept if item.score >= MIN_SCORE][:MAX_OBJECTS] + weak[:MAX_WEAK]

    def embed(self, boxes: Sequence[Xywh]) -> Vectors:
        """A unit vector a box."""
        return self._eyes.embed(self._picture, [Box(*box) for box in boxes])

    def worth(self, seen: Seen) -> float:
        """How well a detection shows its object: sure, sharp and large is best."""
        return seen.score * (0.1 + sharpness(self._part(seen.box))) * math.sqrt(math.sqrt(seen.box[2] * seen.box[3]))

    def poster(self, box: Xywh | None = None) -> bytes:
        """A small JPEG of the box with some of what is around it, or of the whole frame."""
        if box is None:
            return _jpeg(self._picture.pixels, max(self._picture.pixels.shape))
        dx, dy = box[2] * POSTER_MARGIN, box[3] * POSTER_MARGIN
        return _jpeg(self._part(clamp((box[0] - dx, box[1] - dy, box[2] + 2 * dx, box[3] + 2 * dy))), POSTER_SIDE)

    def _part(self, box: Xywh) -> NDArray[np.uint8]:
        left, top, right, bottom = Box(*box).within(self._picture.width, self._picture.height)
        return self._picture.pixels[top:bottom, left:right]


def sharpness(pixels: NDArray[np.uint8]) -> float:
    """0 (blurred) to 1, at a size at which large and small things compare."""
    grey = _fitted(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8), SHARPNESS_SIDE)
    variance = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    return variance / (variance + HALF_SHARP)


def _fitted(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    scale = side / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(pixels: NDArray[np.uint8], side: int) -> bytes:
    small = cv2.cvtColor(_fitted(pixels, side), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, POSTER_QUALITY])
    return bytes(data)
