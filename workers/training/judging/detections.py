"""A detector on labelled photos, through the service: average precision, sizes, what is taken for what, pictures."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api.vision.errors import PictureError
from api.vision.service import Eyes
from workers.training import detection
from workers.training.detection import DetectionFigures
from workers.training.judging.intervals import Measured, wilson
from workers.training.judging.marks import Errors, Photo, confusions, errors, marks

MIN_SCORE, LIMIT = 0.001, 300
SERVED_SCORE, SERVED_LIMIT = 0.25, 20
ROUNDS = 200
SIZES = (0, 16, 32, 64, 128)
PICTURES = 8
PAIRS = 12

Draws = NDArray[np.float64]


@dataclass(frozen=True)
class PerLabel:
    """`served_recall` and `served_precision` are at the score and limit that callers get by default."""

    label: str
    objects: int
    ap50: Measured
    ap50_95: Measured
    served_recall: Measured
    served_precision: Measured


@dataclass(frozen=True)
class PerSize:
    """Objects whose shorter side is `low` pixels or more (and under the next) in what the network is fed."""

    low: int
    high: int | None
    recall: Measured
    objects: int


@dataclass(frozen=True)
class JudgedDetector:
    figures: DetectionFigures
    map50: Measured
    map50_95: Measured
    labels: list[PerLabel]
    sizes: list[PerSize]
    errors: list[Errors]
    confused: list[tuple[str, str, int]]
    worst: list[Photo]
    drawn: list[Photo]
    unread: int


def judge(
    eyes: Eyes,
    photos: Sequence[tuple[Path, Path]],
    longest_side: int,
    tick: Callable[[int], None] | None = None,
    labels: Sequence[str] | None = None,
    seed: int = 0,
) -> JudgedDetector:
    """`photos`: pictures and their YOLO label files, whose numbers mean `labels` (the detector's own by default)."""
    names = list(labels or eyes.labels)
    known = {name: number for number, name in enumerate(names)}
    judged, marked, shorts, unread = [], [], [], 0
    for done, (path, label_file) in enumerate(photos, 1):
        try:
            picture = eyes.decode(path.read_bytes())
        except (PictureError, OSError):
            unread += 1
            continue
        truth = detection.read_truth(label_file, 1, 1)
        found = [d for d in eyes.detect(picture, MIN_SCORE, LIMIT) if d.label in known]
        rows = np.array(
            [(d.box.x, d.box.y, d.box.x + d.box.w, d.box.y + d.box.h, d.score, known[d.label]) for d in found],
            np.float32,
        ).reshape(-1, 6)
        judged.append(detection.Judged.of(rows, truth))
        served = rows[rows[:, 4] >= SERVED_SCORE][:SERVED_LIMIT]
        marked.append(Photo(path, marks(served, truth, names, rows[len(served) :])))
        scale = longest_side / max(picture.width, picture.height)
        sides = np.stack([(truth[:, 2] - truth[:, 0]) * picture.width, (truth[:, 3] - truth[:, 1]) * picture.height])
        shorts.append(sides.min(0) * scale)
        if tick:
            tick(done)
    figures = detection.figures(judged, names)
    draws = _resampled(judged, len(names), seed)
    means = np.nanmean(draws, axis=1)
    hits = np.array([mark.kind == "hit" for photo in marked for mark in photo.marks if mark.kind != "false"], bool)
    worst = sorted(marked, key=lambda photo: -photo.errors)[:PICTURES]
    return JudgedDetector(
        figures=figures,
        map50=_measured(figures.map50, means[:, 0]),
        map50_95=_measured(figures.map50_95, means[:, 1]),
        labels=_per_label(figures, marked, {name: draws[:, number] for name, number in known.items()}),
        sizes=_per_size(np.concatenate(shorts) if shorts else np.zeros(0), hits),
        errors=errors(marked, list(figures.per_label)),
        confused=confusions(marked, PAIRS),
        worst=worst,
        drawn=_drawn(marked, worst, seed),
        unread=unread,
    )


def _drawn(photos: Sequence[Photo], worst: Sequence[Photo], seed: int) -> list[Photo]:
    """By chance among the others: no photo is shown twice."""
    others = [photo for photo in photos if photo not in worst]
    return [others[index] for index in np.random.default_rng(seed).permutation(len(others))[:PICTURES]]


def _resampled(judged: Sequence[detection.Judged], labels: int, seed: int) -> Draws:
    """AP50 and AP50-95, a row a label, with pictures drawn again with replacement: what other photographs of the same
    kind might have given. NaN where a draw has none of a label; draws without any are left out."""
    rng = np.random.default_rng(seed)
    draws = np.full((ROUNDS if judged else 0, labels, 2), np.nan)
    for draw in draws:
        drawn = [judged[index] for index in rng.integers(0, len(judged), len(judged))]
        for label, row in detection.precisions(drawn).items():
            draw[label] = row[0], row.mean()
    return np.asarray(draws[~np.isnan(draws).all((1, 2))])


def _measured(value: float, draws: Draws) -> Measured:
    known = draws[~np.isnan(draws)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (0.0, 1.0)
    return Measured(value, float(low), float(high))


def _per_label(figures: DetectionFigures, photos: Sequence[Photo], draws: dict[str, Draws]) -> list[PerLabel]:
    counts = Counter((mark.kind, mark.label) for photo in photos for mark in photo.marks)
    lines = []
    for label, (ap50, ap50_95, objects) in figures.per_label.items():
        hits, false = counts["hit", label], counts["false", label]
        lines.append(
            PerLabel(
                label,
                objects,
                _measured(ap50, draws[label][:, 0]),
                _measured(ap50_95, draws[label][:, 1]),
                wilson(hits, objects),
                wilson(hits, hits + false),
            )
        )
    return sorted(lines, key=lambda line: -line.objects)


def _per_size(
    shorts: "np.ndarray[tuple[int], np.dtype[np.floating]]", hits: "np.ndarray[tuple[int], np.dtype[np.bool_]]"
) -> list[PerSize]:
    lines = []
    for number, low in enumerate(SIZES):
        high = SIZES[number + 1] if number + 1 < len(SIZES) else None
        chosen = (shorts >= low) & (shorts < (high if high is not None else np.inf))
        lines.append(PerSize(low, high, wilson(int(hits[chosen].sum()), int(chosen.sum())), int(chosen.sum())))
    return lines
