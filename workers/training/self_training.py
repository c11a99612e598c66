"""Boxes of our own making on garment photos that have a category and no box (self-training: Rosenberg et al., 2005).

Where the detector so far is sure, its box is taken; where it is not, GrabCut's, if the two agree or the detector sees
nothing. Photos that are clear to neither are left out.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike as Image

from workers.training import cutout, detection
from workers.training.compose import GARMENT_LABELS
from workers.training.detection import Array
from workers.training.split import LABELS

# How many photos of a category: mostly of those that street photos are short of.
MOST = {"skirt": 140, "dress": 80, "shorts": 90, "hat": 90, "outwear": 20, "pants": 20, "shoes": 20}
# Scores of the detector, and the overlap at which it agrees with GrabCut.
SURE, SEEN, AGREEING = 0.5, 0.08, 0.6
# Of the picture: less is a crumb of the garment, more the ground besides.
LEAST_AREA, MOST_AREA = 0.1, 0.75
LEAST_CUT, MOST_CUT, CUT_SIDE = 0.08, 0.8, 256
LONGEST_SIDE = 640

Detect = Callable[[Image], Array]


def box_garments(shared: Path, detect: Detect, out: Path, *, most: Mapping[str, int] = MOST, seed: int = 1) -> Path:
    """Write images/*.jpg and labels/*.txt (YOLO form) of training photos under `out`; return `out`.

    `detect`: a BGR picture to rows of x1, y1, x2, y2 (pixels), score, label; best first.
    """
    rng = np.random.default_rng(seed)
    for folder in ("images", "labels"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for category, wanted in most.items():
        label = LABELS.index(GARMENT_LABELS[category])
        paths = sorted((shared / "clothing" / "train" / category).glob("*.jpg"))
        shuffled = [paths[index] for index in rng.permutation(len(paths))]
        for path, picture, (x1, y1, x2, y2) in islice(_boxed(shuffled, detect, label), wanted):
            name = f"{category}-{path.stem}"
            cv2.imwrite(str(out / "images" / f"{name}.jpg"), _at_most(picture, LONGEST_SIDE))
            line = f"{label} {(x1 + x2) / 2:.5f} {(y1 + y2) / 2:.5f} {x2 - x1:.5f} {y2 - y1:.5f}\n"
            (out / "labels" / f"{name}.txt").write_text(line, encoding="utf-8")
    return out


def _boxed(paths: list[Path], detect: Detect, label: int) -> Iterator[tuple[Path, Image, Array]]:
    for path in paths:
        picture = cv2.imread(str(path))
        if picture is not None and (box := own_box(picture, detect(picture), label)) is not None:
            yield path, picture, box


def own_box(picture: Image, found: Array, label: int) -> Array | None:
    """x1, y1, x2, y2 in 0..1 of the garment, which is known to be of `label`."""
    height, width = picture.shape[:2]
    best = found[found[:, 5] == label][:1]
    score = float(best[0, 4]) if len(best) else 0.0
    seen = np.clip(best[:, :4] / (width, height, width, height), 0, 1).astype(np.float32)
    if score >= SURE:
        return np.asarray(seen[0])
    cut = _cut_out(picture)
    if cut is None:
        return None
    if score >= SEEN:
        agree = detection.iou(cut[None], seen)[0, 0] >= AGREEING
        return np.asarray((cut + seen[0]) / 2) if agree else None
    area = (cut[2] - cut[0]) * (cut[3] - cut[1])
    return cut if LEAST_AREA < area < MOST_AREA else None


def _cut_out(picture: Image) -> Array | None:
    mask = cutout.largest(cutout.foreground(_at_most(picture, CUT_SIDE)))
    if not LEAST_CUT < (mask > 0).mean() < MOST_CUT:
        return None
    height, width = mask.shape
    x, y, w, h = cv2.boundingRect(mask)
    return np.array([x / width, y / height, (x + w) / width, (y + h) / height], np.float32)


def _at_most(picture: Image, side: int) -> Image:
    scale = side / max(picture.shape[:2])
    return picture if scale >= 1 else cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
