"""Composes scenes with exact boxes out of cut-out products and garments, for the classes street photos lack.

Deterministic for a seed and the same data; the scenes are written where the caller says and never committed.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike as Image

from workers.training import cutout, ground
from workers.training.split import LABELS, PRODUCT, streetstyle

GARMENT_LABELS = {
    "dress": "dress",
    "hat": "headwear",
    "longsleeve": "top",
    "outwear": "outerwear",
    "pants": "pants",
    "shirt": "top",
    "shoes": "footwear",
    "shorts": "shorts",
    "skirt": "skirt",
    "t-shirt": "top",
}
GARMENTS_PER_CATEGORY = 24
CANVASES = ((480, 480), (640, 480), (480, 640), (560, 420))
MAX_OVERLAP = 0.15
JPEG_QUALITY = 88


@dataclass(frozen=True)
class Thing:
    """A cut-out (BGRA) and the index of its label."""

    picture: Image
    label: int


@dataclass(frozen=True)
class Stock:
    """What scenes are made of."""

    products: list[Thing]
    garments: list[Thing]
    photos: list[Path]


@dataclass(frozen=True)
class Placed:
    """Where a thing ended up, in pixels, and its label's index."""

    label: int
    x: int
    y: int
    w: int
    h: int

    def overlap(self, other: "Placed") -> float:
        """Shared area as a part of the smaller one."""
        width = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        height = min(self.y + self.h, other.y + other.h) - max(self.y, other.y)
        if width <= 0 or height <= 0:
            return 0.0
        return width * height / min(self.w * self.h, other.w * other.h)


def compose(shared: Path, out: Path, *, scenes: int = 300, seed: int = 7) -> Path:
    """Write images/*.jpg and labels/*.txt (YOLO form) under `out`; return `out`."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    products, garments = product_things(shared), garment_things(shared, rng)
    photos = streetstyle(shared)[0]
    for folder in ("images", "labels"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for number in range(scenes):
        picture, placed = _scene(number, rng, Stock(products, garments, photos))
        height, width = picture.shape[:2]
        name = f"scene-{number:04d}"
        cv2.imwrite(str(out / "images" / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        lines = (
            f"{p.label} {(p.x + p.w / 2) / width:.5f} {(p.y + p.h / 2) / height:.5f} "
            f"{p.w / width:.5f} {p.h / height:.5f}\n"
            for p in placed
        )
        (out / "labels" / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    return out


def product_things(shared: Path) -> list[Thing]:
    cuts = (cutout.studio(path) for path in sorted((shared / "grocery" / "catalog").glob("*.jpg")))
    return [Thing(cut, PRODUCT) for cut in cuts if cut is not None]


def garment_things(shared: Path, rng: np.random.Generator) -> list[Thing]:
    things = []
    for category, label in sorted(GARMENT_LABELS.items()):
        paths = sorted((shared / "clothing" / "train" / category).glob("*.jpg"))
        chosen = rng.permutation(len(paths))[:GARMENTS_PER_CATEGORY]
        cuts = (cutout.garment(paths[index]) for index in chosen)
        things += [Thing(cut, LABELS.index(label)) for cut in cuts if cut is not None]
    return things


Scene = tuple[Image, list[Placed]]


def _scene(number: int, rng: np.random.Generator, stock: Stock) -> Scene:
    return (_single, _table, _scatter, _scatter)[number % 4](rng, stock)


def _single(rng: np.random.Generator, stock: Stock) -> Scene:
    """One thing, large, on a plain ground: what a shopper's search picture often is."""
    canvas = ground.plain(rng, _size(rng)) if rng.random() < 0.7 else ground.blurred(rng, _size(rng), stock.photos)
    placed: list[Placed] = []
    thing = _pick(rng, stock.products if rng.random() < 0.7 else stock.garments)
    _place(rng, canvas, thing, placed, share=rng.uniform(0.35, 0.9))
    return canvas, placed


def _table(rng: np.random.Generator, stock: Stock) -> Scene:
    """Products that stand in a row on a table or shelf."""
    canvas, floor = ground.table(rng, _size(rng), stock.photos)
    placed: list[Placed] = []
    for _ in range(rng.integers(2, 7)):
        bottom = floor + int(rng.uniform(0, 0.8) * (canvas.shape[0] - floor))
        _place(rng, canvas, _pick(rng, stock.products), placed, share=rng.uniform(0.15, 0.45), bottom=bottom)
    return canvas, placed


def _scatter(rng: np.random.Generator, stock: Stock) -> Scene:
    """Products and garments anywhere, on plain or blurred grounds."""
    canvas = ground.plain(rng, _size(rng)) if rng.random() < 0.4 else ground.blurred(rng, _size(rng), stock.photos)
    placed: list[Placed] = []
    for _ in range(rng.integers(2, 8)):
        thing = _pick(rng, stock.products if rng.random() < 0.5 else stock.garments)
        _place(rng, canvas, thing, placed, share=rng.uniform(0.12, 0.5))
    return canvas, placed


def _size(rng: np.random.Generator) -> tuple[int, int]:
    return CANVASES[rng.integers(len(CANVASES))]


def _pick(rng: np.random.Generator, things: list[Thing]) -> Thing:
    return things[rng.integers(len(things))]


def _place(
    rng: np.random.Generator,
    canvas: Image,
    thing: Thing,
    placed: list[Placed],
    *,
    share: float,
    bottom: int | None = None,
) -> None:
    """Paste `thing`, longest side `share` of the canvas's shorter, where it covers nothing; else leave it out."""
    picture = _vary(rng, thing.picture, upright=bottom is not None)
    scale = share * min(canvas.shape[:2]) / max(picture.shape[:2])
    mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=mode)
    height, width = picture.shape[:2]
    if height >= canvas.shape[0] or width >= canvas.shape[1]:
        return
    for _ in range(12):
        x = int(rng.integers(0, canvas.shape[1] - width))
        y = int(rng.integers(0, canvas.shape[0] - height)) if bottom is None else bottom - height
        spot = Placed(thing.label, x, y, width, height)
        if y >= 0 and all(spot.overlap(other) < MAX_OVERLAP for other in placed):
            ground.shadow(canvas, x, y, width, height, strength=rng.uniform(0, 0.5))
            alpha = picture[..., 3:].astype(np.float32) / 255
            region = canvas[y : y + height, x : x + width]
            region[:] = (picture[..., :3] * alpha + region * (1 - alpha)).astype(np.uint8)
            placed.append(spot)
            return


def _vary(rng: np.random.Generator, picture: Image, *, upright: bool) -> Image:
    """Mirror, tilt and relight; trimmed again so that the box stays exact."""
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    if not upright and rng.random() < 0.5:
        picture = _rotate(picture, rng.uniform(-35, 35))
    light = rng.uniform(0.7, 1.2) * rng.uniform(0.94, 1.06, 3)
    colour = np.clip(picture[..., :3] * light, 0, 255).astype(np.uint8)
    x, y, w, h = cv2.boundingRect((picture[..., 3] > 100).astype(np.uint8))
    return np.dstack([colour, picture[..., 3]])[y : y + h, x : x + w]


def _rotate(picture: Image, degrees: float) -> Image:
    height, width = picture.shape[:2]
    side = math.ceil(math.hypot(height, width))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    turn[:, 2] += ((side - width) / 2, (side - height) / 2)
    return cv2.warpAffine(picture, turn, (side, side), flags=cv2.INTER_LINEAR)
