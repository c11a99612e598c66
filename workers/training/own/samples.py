"""A labelled picture on the user's disk, how it is read, and which of many cannot be.

Knows nothing of folders or lists: those make samples. Pictures are read with Pillow: upright, RGB, alpha on white.
"""

import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from workers.training.own.problem import DataProblem

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
MOST_PIXELS = 100_000_000
LEAST_SIDE = 8
MOST_BYTES = 100_000_000
MOST_PICTURES = 1_000_000
CHECKED_AT = 64
READERS = 4

Part = Literal["train", "val", "test", ""]


@dataclass(frozen=True)
class Sample:
    """`part` is empty where the user split nothing; `box` (x1, y1, x2, y2) is in pixels as the file stores them."""

    path: Path
    label: str
    part: Part = ""
    box: tuple[int, int, int, int] | None = None
    studio: bool = False


@dataclass(frozen=True)
class Skipped:
    path: Path
    reason: str


class UnreadablePicture(Exception):
    """The reason, without the path."""


def is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def load(sample: Sample, side: int) -> NDArray[np.uint8]:
    """RGB, upright; large JPEGs come reduced, their shorter side still at least `side`. Raises UnreadablePicture."""
    try:
        if sample.path.stat().st_size > MOST_BYTES:
            raise UnreadablePicture(f"more than {MOST_BYTES // 1_000_000} MB")
        with Image.open(sample.path) as picture:
            return _pixels(picture, sample.box, side)
    except Image.DecompressionBombError as error:
        raise UnreadablePicture("too many pixels") from error
    except ImportError as error:
        # Ultralytics, once imported, puts an opener in Pillow's place that wants one more library for the unknown.
        raise UnreadablePicture("cannot identify what kind of picture it is") from error
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error) as error:
        # Pillow's readers raise any of these on bytes that are not what they claim.
        raise UnreadablePicture(str(error).partition("\n")[0][:200] or type(error).__name__) from error


def _pixels(picture: Image.Image, box: tuple[int, int, int, int] | None, side: int) -> NDArray[np.uint8]:
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise UnreadablePicture(f"{width} x {height} pixels")
    if box is not None:
        x1, y1, x2, y2 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
        if x2 - x1 < LEAST_SIDE or y2 - y1 < LEAST_SIDE:
            raise UnreadablePicture(f"the box {box} leaves nothing of {width} x {height} pixels")
        picture = picture.crop((x1, y1, x2, y2))
    else:
        if min(width, height) < LEAST_SIDE:
            raise UnreadablePicture(f"{width} x {height} pixels")
        picture.draft("RGB", (side, side))
    upright = ImageOps.exif_transpose(picture)
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        ground = Image.new("RGBA", upright.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(ground, upright)
    return np.asarray(upright.convert("RGB"), np.uint8)


def readable(
    samples: Sequence[Sample], tick: Callable[[int], None] | None = None
) -> tuple[list[Sample], list[Skipped]]:
    """Those that can be read, and why the others cannot: every file is decoded once before anything is trained."""
    if len(samples) > MOST_PICTURES:
        raise DataProblem(f"{len(samples):,} pictures; at most {MOST_PICTURES:,} are taken")

    def reason(sample: Sample) -> str:
        try:
            load(sample, CHECKED_AT)
        except UnreadablePicture as error:
            return str(error)
        return ""

    good, skipped = [], []
    with ThreadPoolExecutor(READERS) as pool:
        for done, (sample, why) in enumerate(zip(samples, pool.map(reason, samples), strict=True), 1):
            if why:
                skipped.append(Skipped(sample.path, why))
            else:
                good.append(sample)
            if tick:
                tick(done)
    return good, skipped
