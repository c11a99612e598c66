"""Finding products: one ONNX model that turns a picture into scored boxes. Its JSON description says how it is fed."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from api.vision import ultralytics_export
from api.vision.detector_card import BOX_COLUMNS, DetectorCard
from api.vision.picture import Box, Detection, Picture
from api.vision.runtime import ModelUnusable, card_beside, description, served, session
from api.vision.suppression import best_candidates, suppress

AREA_FROM = 0.5  # below this factor bilinear sampling skips pixels


def resized(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    shrinks = width < pixels.shape[1] * AREA_FROM
    result = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(result, np.uint8)


def read_detections(
    output: NDArray[np.float32], size: tuple[int, int], card: DetectorCard, min_score: float, limit: int
) -> list[Detection]:
    """From the model's lines (x1 y1 x2 y2 in fed pixels, a score a label) to detections on a picture fed at `size`."""
    candidates, labels, scores = best_candidates(output[:, BOX_COLUMNS:], min_score)
    boxes = output[candidates, :BOX_COLUMNS]
    kept = suppress(boxes, labels, card.output.iou_threshold, limit)
    corners = np.clip(boxes[kept] / np.array([*size, *size], np.float32), 0, 1).astype(np.float64)
    found = zip(labels[kept].tolist(), scores[kept].tolist(), corners.tolist(), strict=True)
    return [
        Detection(card.labels[label], score, Box(x1, y1, x2 - x1, y2 - y1))
        for label, score, (x1, y1, x2, y2) in found
        if x2 > x1 and y2 > y1
    ]


class Detector:
    """Thread-safe. A file without a card beside it is read as an export of Ultralytics, which carries its own."""

    def __init__(self, path: Path, threads: int, precision: str = "default", cache: Path | None = None) -> None:
        self._threads = threads
        self._foreign = not card_beside(path).is_file()
        if self._foreign:
            self._path = ultralytics_export.onnx_of(path, cache)
            self._card = ultralytics_export.card_of(self._path, session(self._path, threads))
        else:
            self._card = description(path, DetectorCard)
            self._path = served(path, self._card, precision)

    def load(self) -> None:
        """Now instead of at first use."""
        columns = session(self._path, self._threads).get_outputs()[0].shape[-1]
        wrong = isinstance(columns, int) and columns != BOX_COLUMNS + len(self._card.labels)
        if wrong and not self._foreign:
            labels = len(self._card.labels)
            raise ModelUnusable(f"{self._path}: {columns - BOX_COLUMNS} scores a candidate, {labels} labels")

    @property
    def labels(self) -> list[str]:
        return list(self._card.labels)

    def detect(self, picture: Picture, min_score: float, limit: int) -> list[Detection]:
        """At most `limit` detections with a score of at least `min_score`, best first."""
        fed, width, height = self._fed(picture.pixels)
        output = session(self._path, self._threads).run(None, {self._card.input.name: fed})[0][0]
        if self._foreign:
            output = ultralytics_export.candidates(output, len(self._card.labels))
        return read_detections(output, (width, height), self._card, min_score, limit)

    def _fed(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[Any], int, int]:
        """The tensor, and the width and height of the picture inside it (top left, the rest padded)."""
        wanted = self._card.input
        rows, columns = pixels.shape[:2]
        room = wanted.fixed or (wanted.longest_side, wanted.longest_side)
        scale = min(room[0] / rows, room[1] / columns)
        width, height = max(1, round(columns * scale)), max(1, round(rows * scale))
        padded = wanted.fixed or tuple(-(-side // wanted.stride) * wanted.stride for side in (height, width))
        tensor = wanted.batch(1, *padded)
        wanted.put(tensor[0], resized(pixels, width, height))
        return tensor, width, height
