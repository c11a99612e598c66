"""A detector on labelled photos, through the service: average precision, sizes, what is taken for what, pictures."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from api.vision.errors import PictureError
from api.vision.picture import Box
from api.vision.service import Eyes
from workers.training import detection
from workers.training.detection import Array, DetectionFigures
from workers.training.judging.intervals import Measured, wilson

MIN_SCORE, LIMIT = 0.001, 300
SERVED_SCORE, SERVED_LIMIT = 0.25, 20
RIGHT_IOU = 0.5
ROUNDS = 200
SIZES = (0, 16, 32, 64, 128)
PICTURES = 8
PAIRS = 12


@dataclass(frozen=True)
class Mark:
    """A box on a picture: `kind` is hit, missed or false; `taken_for` names a wrong label at the same place."""

    kind: str
    label: str
    box: Box
    score: float = 0.0
    taken_for: str = ""


@dataclass(frozen=True)
class Photo:
    path: Path
    marks: list[Mark]

    @property
    def errors(self) -> int:
        return sum(mark.kind != "hit" for mark in self.marks)


@dataclass(frozen=True)
class PerLabel:
    """`served_recall` and `served_precision` are at the score and limit that callers get by default."""

    label: str
    objects: int
    ap50: float
    ap50_95: float
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
        marked.append(Photo(path, marks(served, truth, names)))
        scale = longest_side / max(picture.width, picture.height)
        sides = np.stack([(truth[:, 2] - truth[:, 0]) * picture.width, (truth[:, 3] - truth[:, 1]) * picture.height])
        shorts.append(sides.min(0) * scale)
        if tick:
            tick(done)
    figures = detection.figures(judged, names)
    map50, map50_95 = _intervals(judged, figures, seed)
    hits = np.array([mark.kind == "hit" for photo in marked for mark in photo.marks if mark.kind != "false"], bool)
    worst = sorted(marked, key=lambda photo: -photo.errors)[:PICTURES]
    return JudgedDetector(
        figures=figures,
        map50=map50,
        map50_95=map50_95,
        labels=_per_label(figures, marked),
        sizes=_per_size(np.concatenate(shorts) if shorts else np.zeros(0), hits),
        confused=_confusions(marked),
        worst=worst,
        drawn=_drawn(marked, worst, seed),
        unread=unread,
    )


def _drawn(photos: Sequence[Photo], worst: Sequence[Photo], seed: int) -> list[Photo]:
    """By chance among the others: no photo is shown twice."""
    others = [photo for photo in photos if photo not in worst]
    return [others[index] for index in np.random.default_rng(seed).permutation(len(others))[:PICTURES]]


def marks(found: Array, truth: Array, names: Sequence[str]) -> list[Mark]:
    """Every object once, in the order of `truth`, as hit or missed; then what was found where nothing is."""
    column = detection.match(found, truth)[:, :1]
    overlap = (
        detection.iou(found[:, :4], truth[:, :4]) if len(found) and len(truth) else np.zeros((len(found), len(truth)))
    )
    owner: dict[int, int] = {}
    for row in np.flatnonzero(column[:, 0]):
        # As match() chose: the free object of its label that it covers best.
        free = [t for t in range(len(truth)) if t not in owner and truth[t, 4] == found[row, 5]]
        owner[max(free, key=lambda t: overlap[row, t])] = int(row)
    drawn = []
    for number, line in enumerate(truth):
        label, box = names[int(line[4])], _box(line)
        if number in owner:
            drawn.append(Mark("hit", label, box, float(found[owner[number], 4])))
            continue
        others = [r for r in range(len(found)) if overlap[r, number] >= RIGHT_IOU and found[r, 5] != line[4]]
        best = max(others, key=lambda r: found[r, 4], default=None)
        taken = names[int(found[best, 5])] if best is not None else ""
        drawn.append(Mark("missed", label, box, taken_for=taken))
    false = [row for row in range(len(found)) if not column[row, 0]]
    return drawn + [Mark("false", names[int(found[r, 5])], _box(found[r]), float(found[r, 4])) for r in false]


def _box(line: Array) -> Box:
    x1, y1, x2, y2 = (float(edge) for edge in line[:4])
    return Box(x1, y1, x2 - x1, y2 - y1)


def _intervals(judged: Sequence[detection.Judged], figures: DetectionFigures, seed: int) -> tuple[Measured, Measured]:
    """Pictures drawn again with replacement: what other photographs of the same kind might have given."""
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(ROUNDS if judged else 0):
        rows = list(detection.precisions([judged[i] for i in rng.integers(0, len(judged), len(judged))]).values())
        if rows:
            means.append((np.mean([row[0] for row in rows]), np.mean(rows)))
    if not means:
        return Measured(0, 0, 1), Measured(0, 0, 1)
    low, high = np.quantile(np.array(means), [0.025, 0.975], axis=0)
    return (
        Measured(figures.map50, float(low[0]), float(high[0])),
        Measured(figures.map50_95, float(low[1]), float(high[1])),
    )


def _per_label(figures: DetectionFigures, photos: Sequence[Photo]) -> list[PerLabel]:
    counts = Counter((mark.kind, mark.label) for photo in photos for mark in photo.marks)
    lines = []
    for label, (ap50, ap50_95, objects) in figures.per_label.items():
        hits, false = counts["hit", label], counts["false", label]
        lines.append(PerLabel(label, objects, ap50, ap50_95, wilson(hits, objects), wilson(hits, hits + false)))
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


def _confusions(photos: Sequence[Photo]) -> list[tuple[str, str, int]]:
    pairs = Counter((mark.label, mark.taken_for) for photo in photos for mark in photo.marks if mark.taken_for)
    return [(one, other, count) for (one, other), count in pairs.most_common(PAIRS)]
