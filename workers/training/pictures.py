"""The pictures an embedder learns from and is judged on: which there are, how each becomes a square of pixels.

Owns no network; split.py decides who is held out.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike as Image

from api.vision.embedder import squared
from workers.training import split

SIDE = 224
PADDING = 255


@dataclass(frozen=True)
class Picture:
    """One picture, or one box (x1, y1, x2, y2 in 0..1) of it, and what it shows."""

    path: Path
    source: str
    name: str
    box: tuple[float, float, float, float] | None = None

    @property
    def held_out(self) -> bool:
        return self.source.startswith(("photo", "studio")) and split.is_held_out(self.name)


def gather(shared: Path) -> list[Picture]:
    """Every picture, by source: studio, photo-train, photo-val, garment-train, garment-val, street."""
    found: list[Picture] = []
    grocery, clothing = shared / "grocery", shared / "clothing"
    found += [Picture(path, "studio", path.stem) for path in sorted((grocery / "catalog").glob("*.jpg"))]
    for part in ("train", "val"):
        photos = sorted((grocery / part).glob("*/*.jpg"))
        found += [Picture(path, f"photo-{part}", path.parent.name) for path in photos]
    for folder, part in (("train", "train"), ("validation", "val")):
        photos = sorted((clothing / folder).glob("*/*.jpg"))
        found += [Picture(path, f"garment-{part}", path.parent.name) for path in photos]
    for path in split.streetstyle(shared)[0]:
        found += street_crops(path)
    return found


def street_crops(path: Path, smallest: float = 0.09) -> list[Picture]:
    """The labelled boxes of a street photo that are large enough to show a product."""
    crops = []
    label_file = path.parent.parent / "labels" / f"{path.stem}.txt"
    for line in label_file.read_text(encoding="utf-8").splitlines():
        label, x, y, w, h = (float(field) for field in line.split())
        if w >= smallest and h >= smallest:
            box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
            crops.append(Picture(path, "street", split.LABELS[int(label)], box))
    return crops


def read(picture: Picture) -> Image:
    """Pixels, RGB; the box alone where there is one."""
    pixels = cv2.imread(str(picture.path))
    if pixels is None:
        raise ValueError(f"{picture.path.name} is no picture")
    if picture.box is not None:
        height, width = pixels.shape[:2]
        x1, y1, x2, y2 = (max(value, 0) for value in picture.box)
        pixels = pixels[int(y1 * height) : int(y2 * height) + 1, int(x1 * width) : int(x2 * width) + 1]
    return np.ascontiguousarray(pixels[..., ::-1])


def pad(pixels: Image, side: int = SIDE) -> Image:
    """To a square by a white margin, as the embedder is fed when it serves."""
    return squared(np.asarray(pixels, np.uint8), side, PADDING)
