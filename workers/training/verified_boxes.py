"""Boxes on phone photos of products whose studio picture is known: what the detector found, judged by the embedder.

A detection is taken, as `product` and whatever it was called, if its crop looks at least as much like the product's
studio picture as the whole photo does, and more like it than like any other product's. Photos without one are left out.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike as Image

from api.vision.picture import Box, Picture
from workers.training.detection import Array
from workers.training.split import PRODUCT

# Photos of a product that are wanted, and that are looked at for them.
WANTED, LOOKED_AT = 7, 18
# The least score of the detector: the embedder has the last word.
SEEN = 0.06
# Parts of the picture: less is a crumb of the product, more is the photo itself.
LEAST_AREA, MOST_AREA, LEAST_SIDE = 0.1, 0.85, 0.2
# A second one beside the best: surely seen, almost as like, and apart from it.
SURE, ALMOST, APART = 0.3, 0.05, 0.2

Detect = Callable[[Image], Array]
Embed = Callable[[Picture, list[Box] | None], Array]


def box_products(shared: Path, detect: Detect, embed: Embed, out: Path, *, seed: int = 5) -> Path:
    """Write images/*.jpg and labels/*.txt (YOLO form) of training photos of groceries under `out`; return `out`.

    `detect`: a BGR picture to rows of x1, y1, x2, y2 (pixels), score, label; best first. `embed`: unit vectors of
    boxes, or of the whole (None).
    """
    rng = np.random.default_rng(seed)
    for folder in ("images", "labels"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    studio = sorted((shared / "grocery" / "catalog").glob("*.jpg"))
    catalog = np.concatenate([embed(_as_served(_read(path)), None) for path in studio])
    for place, path in enumerate(studio):
        photos = sorted((shared / "grocery" / "train" / path.stem).glob("*.jpg"))
        shuffled = [photos[index] for index in rng.permutation(len(photos))[:LOOKED_AT]]
        boxed = ((photo, own_boxes(_read(photo), detect, embed, catalog, place)) for photo in shuffled)
        for photo, boxes in islice(((photo, boxes) for photo, boxes in boxed if boxes), WANTED):
            name = f"{path.stem}-{photo.stem}"
            (out / "images" / f"{name}.jpg").write_bytes(photo.read_bytes())
            (out / "labels" / f"{name}.txt").write_text("".join(map(_line, boxes)), encoding="utf-8")
    return out


def own_boxes(picture: Image, detect: Detect, embed: Embed, catalog: Array, place: int) -> list[Box]:
    """Where the photo shows the product of this row of `catalog`, best first; often one, never two that overlap."""
    found = [(box, score) for box, score in _candidates(picture, detect(picture))]
    if not found:
        return []
    seen = _as_served(picture)
    likeness = embed(seen, [box for box, _ in found]) @ catalog.T
    own, its = likeness[:, place], likeness.argmax(axis=1) == place
    best = int(own.argmax())
    if not its[best] or own[best] < (embed(seen, None)[0] @ catalog[place]):
        return []
    kept = [found[best][0]]
    for row in np.argsort(-own):
        box, score = found[row]
        almost = its[row] and own[row] > own[best] - ALMOST and score > SURE
        if almost and all(_shared(box, other) < APART for other in kept):
            kept.append(box)
    return kept


def _candidates(picture: Image, rows: Array) -> Iterator[tuple[Box, float]]:
    height, width = picture.shape[:2]
    for x1, y1, x2, y2, score, _ in rows[rows[:, 4] >= SEEN]:
        left, top = max(float(x1) / width, 0.0), max(float(y1) / height, 0.0)
        box = Box(left, top, min(float(x2) / width, 1.0) - left, min(float(y2) / height, 1.0) - top)
        if LEAST_AREA <= box.w * box.h <= MOST_AREA and min(box.w, box.h) > LEAST_SIDE:
            yield box, float(score)


def _shared(one: Box, other: Box) -> float:
    """The part of the smaller that lies in the larger."""
    width = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    height = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    return max(width, 0.0) * max(height, 0.0) / min(one.w * one.h, other.w * other.h)


def _line(box: Box) -> str:
    return f"{PRODUCT} {box.x + box.w / 2:.5f} {box.y + box.h / 2:.5f} {box.w:.5f} {box.h:.5f}\n"


def _read(path: Path) -> Image:
    pixels = cv2.imread(str(path))
    if pixels is None:
        raise ValueError(f"{path.name} is no picture")
    return pixels


def _as_served(picture: Image) -> Picture:
    rows, columns = picture.shape[:2]
    return Picture(columns, rows, np.ascontiguousarray(picture[..., ::-1], np.uint8))
