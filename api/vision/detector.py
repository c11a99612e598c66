"""Finding products: one ONNX model that turns a picture into scored boxes. Its JSON description says how it is fed."""

from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from api.vision.picture import Box, Detection, Picture
from api.vision.runtime import ModelUnusable, description, session
from api.vision.suppression import best_candidates, suppress

BOX_COLUMNS = 4
AREA_FROM = 0.5  # below this factor bilinear sampling skips pixels


class DetectorInput(msgspec.Struct, frozen=True):
    longest_side: int
    stride: int
    padding_value: float
    name: str = "images"


class DetectorOutput(msgspec.Struct, frozen=True):
    iou_threshold: float


class DetectorCard(msgspec.Struct, frozen=True):
    """What detector.json must say; further fields are for people."""

    input: DetectorInput
    output: DetectorOutput
    labels: list[str]


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
    """Thread-safe."""

    def __init__(self, path: Path, threads: int) -> None:
        self._path, self._threads = path, threads
        self._card = description(path, DetectorCard)

    def load(self) -> None:
        """Now instead of at first use."""
        columns = session(self._path, self._threads).get_outputs()[0].shape[-1]
        if isinstance(columns, int) and columns != BOX_COLUMNS + len(self._card.labels):
            labels = len(self._card.labels)
            raise ModelUnusable(f"{self._path}: {columns - BOX_COLUMNS} scores a candidate, {labels} labels")

    @property
    def labels(self) -> list[str]:
        return list(self._card.labels)

    def detect(self, picture: Picture, min_score: float, limit: int) -> list[Detection]:
        """At most `limit` detections with a score of at least `min_score`, best first."""
        fed, width, height = self._fed(picture.pixels)
        output = session(self._path, self._threads).run(None, {self._card.input.name: fed})[0][0]
        return read_detections(output, (width, height), self._card, min_score, limit)

    def _fed(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], int, int]:
        """The tensor, and the width and height of the picture inside it (top left, padded to the stride)."""
        wanted = self._card.input
        rows, columns = pixels.shape[:2]
        scale = wanted.longest_side / max(rows, columns)
        width, height = max(1, round(columns * scale)), max(1, round(rows * scale))
        padded_width, padded_height = (-(-side // wanted.stride) * wanted.stride for side in (width, height))
        tensor = np.full((1, 3, padded_height, padded_width), wanted.padding_value, np.float32)
        small = resized(pixels, width, height)
        np.multiply(small.transpose(2, 0, 1), np.float32(1 / 255), out=tensor[0, :, :height, :width])
        return tensor, width, height
