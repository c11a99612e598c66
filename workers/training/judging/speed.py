"""How long exported models take, in ms: the median of a few rounds, fastest and slowest; decode is not counted."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from api.vision.embedder import Embedder
from api.vision.picture import Box, Picture
from api.vision.service import Eyes
from workers.training.judging.intervals import Measured

ROUNDS = 8
CROPS = 5
# Of a part of the photo, as objects are: a picture as a whole is looked at in another way.
CROP = Box(0.2, 0.1, 0.6, 0.5)
# A street photo's shape.
WIDTH, HEIGHT = 427, 640


def detector_ms(eyes: Eyes) -> Measured:
    """A whole photo, suppression counted."""
    photo = _noise()
    return _median(lambda: eyes.detect(photo, 0.25, 20))


def embedder_ms(model: Path, threads: int, precision: str = "default") -> Measured:
    """CROPS crops of a photo, cropping and scaling counted."""
    embedder, photo = Embedder(model, threads, precision), _noise()
    return _median(lambda: embedder.embed(photo, [CROP] * CROPS))


def _noise() -> Picture:
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    return Picture(WIDTH, HEIGHT, pixels)


def _median(once: Callable[[], object]) -> Measured:
    once()
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        once()
        taken.append((time.perf_counter() - start) * 1000)
    return Measured(float(np.median(taken)), min(taken), max(taken))
