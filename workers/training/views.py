"""Altered views of a picture, for training: what a shop's light, a phone and a detector's box do to it."""

import cv2
import numpy as np
from cv2.typing import MatLike as Image

from workers.training import cutout, ground
from workers.training.pictures import Picture, pad, read

# Of a studio picture's views the first few stay as a catalog shows it, the last of them cropped closer.
AS_SHOWN, CROPPED_FROM = 8, 4


def view(picture: Picture, number: int, rng: np.random.Generator) -> Image:
    """Altered view `number` of a picture as a padded square. A garment's second is cut out and laid elsewhere, as shops
    show the same thing that people photograph on their floor."""
    if picture.source == "studio":
        return _of_studio(picture, number, rng)
    pixels = read(picture)
    if picture.source == "garment-train" and number:
        pixels = _laid_elsewhere(picture, rng)
    else:
        smallest = 0.5 if picture.source == "photo-train" and number else 0.7
        pixels = _crop(pixels, rng, smallest=smallest)
        if picture.source != "street" and rng.random() < 0.35:
            pixels = _turn(pixels, rng)
    return _finished(pixels, rng)


def _of_studio(picture: Picture, number: int, rng: np.random.Generator) -> Image:
    if number >= AS_SHOWN:
        return _finished(_elsewhere(picture, rng), rng)
    pixels = np.clip(read(picture) * rng.uniform(0.92, 1.03), 0, 255).astype(np.uint8)
    return pad(_crop(pixels, rng, smallest=0.75) if number >= CROPPED_FROM else pixels)


def _finished(pixels: Image, rng: np.random.Generator) -> Image:
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    return pad(_soften(_relight(pixels, rng), rng))


def _laid_elsewhere(picture: Picture, rng: np.random.Generator) -> Image:
    """A garment off its floor or hanger, mostly on white as catalogs have it; the photo where the cut fails."""
    cut = cutout.garment(picture.path) if rng.random() < 0.6 else None
    if cut is None:
        return _turn(_crop(read(picture), rng, smallest=0.6), rng)
    height, width = cut.shape[:2]
    margin = int(max(height, width) * rng.uniform(0.02, 0.2))
    size = (height + 2 * margin, width + 2 * margin)
    white = np.full((*size, 3), int(rng.uniform(240, 255)), np.uint8)
    canvas = white if rng.random() < 0.6 else ground.plain(rng, size)
    _lay(canvas, cut, margin)
    return (_tilt(canvas, rng) if rng.random() < 0.5 else canvas)[..., ::-1]


def _lay(canvas: Image, cut: Image, margin: int) -> None:
    height, width = cut.shape[:2]
    alpha = cut[..., 3:].astype(np.float32) / 255
    region = canvas[margin : margin + height, margin : margin + width]
    region[:] = (cut[..., :3] * alpha + region * (1 - alpha)).astype(np.uint8)


def _turn(pixels: Image, rng: np.random.Generator, most: float = 25) -> Image:
    """By up to `most` degrees about its middle."""
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-most, most), 1)
    return cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REFLECT)


def _elsewhere(picture: Picture, rng: np.random.Generator) -> Image:
    """The studio product on another ground, cropped as loosely as a detector's box."""
    cut = cutout.studio(picture.path)
    if cut is None:
        return read(picture)
    height, width = cut.shape[:2]
    if rng.random() < 0.4:
        return _crop(_heap(cut, rng)[..., ::-1], rng, smallest=0.7)
    margin = int(max(height, width) * rng.uniform(0.02, 0.35))
    canvas = ground.plain(rng, (height + 2 * margin, width + 2 * margin))
    if rng.random() < 0.6:
        # A shelf holds more of the same: the product's own picture, shifted, is the ground.
        tiled = cv2.resize(cut[..., :3], canvas.shape[1::-1])
        canvas = np.roll(tiled, int(rng.integers(width)), axis=1)
    _lay(canvas, cut, margin)
    return _crop(_tilt(canvas, rng)[..., ::-1], rng, smallest=0.7)


def _heap(cut: Image, rng: np.random.Generator, side: int = 256) -> Image:
    """Many of the same over one another, as shops pile fruit and line up cartons."""
    canvas = ground.plain(rng, (side, side))
    size = rng.uniform(0.3, 0.6) * side
    for _ in range(round(2.2 * (side / size) ** 2)):
        scale = size * rng.uniform(0.85, 1.15) / max(cut.shape[:2])
        one = cv2.resize(_tilt(cut, rng), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = one.shape[:2]
        y, x = int(rng.integers(0, side - height)), int(rng.integers(0, side - width))
        alpha = one[..., 3:].astype(np.float32) / 255
        region = canvas[y : y + height, x : x + width]
        region[:] = (one[..., :3] * rng.uniform(0.7, 1) * alpha + region * (1 - alpha)).astype(np.uint8)
    return canvas


def _tilt(pixels: Image, rng: np.random.Generator) -> Image:
    height, width = pixels.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + (rng.uniform(-0.12, 0.12, (4, 2)) * (width, height)).astype(np.float32)
    # A cut-out has nothing beyond its rim; a picture is continued.
    border = cv2.BORDER_CONSTANT if pixels.shape[2] == 4 else cv2.BORDER_REFLECT
    warp = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    return cv2.warpPerspective(pixels, warp, (width, height), borderMode=border)


def _crop(pixels: Image, rng: np.random.Generator, *, smallest: float) -> Image:
    height, width = pixels.shape[:2]
    h, w = (max(int(side * rng.uniform(smallest, 1)), 8) for side in (height, width))
    y, x = int(rng.integers(0, max(height - h, 0) + 1)), int(rng.integers(0, max(width - w, 0) + 1))
    return pixels[y : y + h, x : x + w]


def _relight(pixels: Image, rng: np.random.Generator) -> Image:
    gain = rng.uniform(0.65, 1.25) * rng.uniform(0.92, 1.08, 3)
    return np.clip((pixels - 128.0) * rng.uniform(0.75, 1.15) + 128 * gain, 0, 255).astype(np.uint8)


def _soften(pixels: Image, rng: np.random.Generator) -> Image:
    if rng.random() < 0.3:
        return cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 1.6))
    return pixels
