"""Grounds for composed scenes: plain and graded colours, blurred photos, tables before walls, soft shadows."""

from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike as Image
from numpy.typing import NDArray


def plain(rng: np.random.Generator, size: tuple[int, int]) -> Image:
    """White half of the time, else a colour; graded from one corner, with a little grain."""
    height, width = size
    near = np.full(3, rng.uniform(235, 255)) if rng.random() < 0.5 else rng.uniform(20, 245, 3)
    far = np.clip(near + rng.uniform(-40, 10, 3), 0, 255)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:height, 0:width]
    slope = np.cos(angle) * x / width + np.sin(angle) * y / height
    slope = (slope - slope.min()) / (slope.max() - slope.min())
    return _grain(rng, near + slope[..., None] * (far - near))


def blurred(rng: np.random.Generator, size: tuple[int, int], photos: list[Path]) -> Image:
    """A street photo out of focus, so far that its own garments are no longer any."""
    height, width = size
    photo = cv2.imread(str(photos[rng.integers(len(photos))]))
    if photo is None:
        return plain(rng, size)
    strip = photo[: photo.shape[0] // 3] if rng.random() < 0.5 else photo
    sigma = rng.uniform(14, 24)
    return _grain(rng, cv2.GaussianBlur(cv2.resize(strip, (width, height)), (0, 0), sigma))


def table(rng: np.random.Generator, size: tuple[int, int], photos: list[Path]) -> tuple[Image, int]:
    """A table or floor before a wall; also the row where the table begins."""
    wall = plain(rng, size) if rng.random() < 0.6 else blurred(rng, size, photos)
    floor = int(size[0] * rng.uniform(0.45, 0.75))
    wood = plain(rng, (size[0] - floor, size[1])).astype(np.float32)
    # Streaks along the board: a plain table would make every edge a product's.
    streaks = rng.normal(0, rng.uniform(0, 14), (wood.shape[0], 1))
    wall[floor:] = np.clip(wood + cv2.GaussianBlur(streaks, (1, 5), 1)[..., None], 0, 255)
    return wall, floor


def shadow(canvas: Image, x: int, y: int, w: int, h: int, *, strength: float) -> None:
    """Darken an ellipse at the foot of the box, in place."""
    mask = np.zeros(canvas.shape[:2], np.float32)
    centre = (x + w // 2, y + int(h * 0.96))
    cv2.ellipse(mask, centre, (max(w // 2, 1), max(h // 10, 1)), 0, 0, 360, 1, cv2.FILLED)
    dark = 1 - strength * cv2.GaussianBlur(mask, (0, 0), max(w, h) / 30 + 1)
    canvas[:] = (canvas * dark[..., None]).astype(np.uint8)


def _grain(rng: np.random.Generator, picture: NDArray[np.floating] | Image) -> Image:
    noise = rng.normal(0, rng.uniform(0, 5), (*picture.shape[:2], 1))
    return np.clip(picture + noise, 0, 255).astype(np.uint8)
