"""Detection figures of an exported detector: decode, suppress, match, average precision."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from cv2.typing import MatLike
from numpy.typing import NDArray

MIN_SCORE, LIMIT = 0.001, 300
IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
Array = NDArray[np.float32]


@dataclass(frozen=True)
class DetectionFigures:
    """Averages over the labels that occur; `per_label` maps a label to (AP50, AP50-95, objects)."""

    pictures: int
    objects: int
    map50: float
    map50_95: float
    per_label: dict[str, tuple[float, float, int]]


def judge(model: onnxruntime.InferenceSession, contract: Path, photos: Sequence[tuple[Path, Path]]) -> DetectionFigures:
    """Figures over (picture, YOLO label file) pairs."""
    terms = json.loads(contract.read_text(encoding="utf-8"))
    judged = []
    for picture, label_file in photos:
        pixels = cv2.imread(str(picture))
        if pixels is None:
            raise ValueError(f"{picture.name} is no picture")
        truth = read_truth(label_file, pixels.shape[1], pixels.shape[0])
        judged.append(Judged.of(detect(model, terms, pixels), truth))
    return figures(judged, terms["labels"])


@dataclass(frozen=True)
class Judged:
    """One picture: what was found, which of it is right at each of IOUS, and the labels that are there."""

    hits: NDArray[np.bool_]
    scores: Array
    labels: Array
    wanted: Array

    @classmethod
    def of(cls, found: Array, truth: Array) -> "Judged":
        """Both as rows of x1, y1, x2, y2, (score,) label."""
        return cls(match(found, truth), found[:, 4], found[:, 5], truth[:, 4])


def figures(judged: Sequence[Judged], labels: Sequence[str]) -> DetectionFigures:
    """Averages over the labels that occur in the truth."""
    precision = precisions(judged)
    wanted = np.concatenate([picture.wanted for picture in judged]) if judged else np.zeros(0)
    rows = np.array(list(precision.values())) if precision else np.zeros((1, len(IOUS)))
    per_label = {
        labels[label]: (float(row[0]), float(row.mean()), int((wanted == label).sum()))
        for label, row in precision.items()
    }
    return DetectionFigures(len(judged), len(wanted), float(rows[:, 0].mean()), float(rows.mean()), per_label)


def precisions(judged: Sequence[Judged]) -> dict[int, NDArray[np.float64]]:
    """Average precision of each label that occurs, at each of IOUS."""
    if not judged:
        return {}
    hits = np.concatenate([picture.hits for picture in judged])
    scores = np.concatenate([picture.scores for picture in judged])
    labels = np.concatenate([picture.labels for picture in judged])
    order = np.argsort(-scores, kind="stable")
    hits, labels = hits[order], labels[order]
    names, counts = np.unique(np.concatenate([picture.wanted for picture in judged]), return_counts=True)
    return {
        int(name): np.array([average_precision(column, int(count)) for column in hits[labels == name].T])
        for name, count in zip(names, counts, strict=True)
    }


def average_precision(hits: NDArray[np.bool_], objects: int) -> float:
    """Of detections of one label, best first: the area under the precision envelope, read at 101 recalls as COCO does,
    joined by straight lines as Ultralytics does."""
    if not len(hits):
        return 0.0
    right = hits.cumsum()
    recall = np.concatenate([[0.0], right / objects, [right[-1] / objects, 1.0]])
    precision = np.concatenate([[1.0], right / np.arange(1, len(hits) + 1), [0.0, 0.0]])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.trapezoid(np.interp(RECALLS, recall, envelope), RECALLS))


def detect(model: onnxruntime.InferenceSession, terms: dict[str, dict[str, float]], pixels: MatLike) -> Array:
    """Rows of x1, y1, x2, y2 (pixels of the picture), score, label; best first. `pixels` is BGR as OpenCV reads."""
    batch, scale = letterbox(pixels, int(terms["input"]["longest_side"]), terms["input"]["padding_value"])
    rows = model.run(None, {"images": batch})[0][0]
    # A candidate may stand for several labels: boxes of a dress and a skirt compete at equal places.
    candidate, label = np.nonzero(rows[:, 4:] >= MIN_SCORE)
    boxes, score = rows[candidate, :4] / scale, rows[candidate, 4 + label]
    corners = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    survivors = cv2.dnn.NMSBoxesBatched(
        corners.tolist(), score.tolist(), label.tolist(), MIN_SCORE, float(terms["output"]["iou_threshold"])
    )
    kept = np.asarray(survivors, np.intp).ravel()
    kept = kept[np.argsort(-score[kept], kind="stable")][:LIMIT]
    return np.column_stack([boxes[kept], score[kept], label[kept]]).astype(np.float32)


def letterbox(pixels: MatLike, side: int, padding: float, stride: int = 32) -> tuple[Array, float]:
    """The detector's input as detector.json describes it, and its scale."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    h, w = (max(round(edge * scale), 1) for edge in (height, width))
    mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(pixels, (w, h), interpolation=mode)[..., ::-1].astype(np.float32) / 255
    canvas = np.full((-(-h // stride) * stride, -(-w // stride) * stride, 3), padding, np.float32)
    canvas[:h, :w] = small
    return np.ascontiguousarray(canvas.transpose(2, 0, 1))[None], scale


def read_truth(path: Path, width: int, height: int) -> Array:
    """Rows of x1, y1, x2, y2, label in pixels."""
    lines = [[float(field) for field in line.split()] for line in path.read_text().splitlines()]
    if not lines:
        return np.zeros((0, 5), np.float32)
    label, x, y, w, h = np.array(lines, np.float32).T
    edges = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height]
    return np.column_stack([*edges, label])


def match(found: Array, truth: Array) -> NDArray[np.bool_]:
    """Which detections are right at each of IOUS, as COCO counts: best scores choose first, one detection an object."""
    right = np.zeros((len(found), len(IOUS)), bool)
    if not len(found) or not len(truth):
        return right
    overlap = iou(found[:, :4], truth[:, :4]) * (found[:, 5:6] == truth[:, 4])
    for column, least in enumerate(IOUS):
        free = np.ones(len(truth), bool)
        for row in np.flatnonzero(overlap.max(1) >= least):
            target = int(np.argmax(overlap[row] * free))
            if free[target] and overlap[row, target] >= least:
                right[row, column] = True
                free[target] = False
    return right


def iou(one: Array, other: Array) -> Array:
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    area, other_area = ((boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (one, other))
    result: Array = shared / (area[:, None] + other_area - shared + 1e-9)
    return result
