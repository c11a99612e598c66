"""Writes detector.onnx and detector.json, the contract that the serving path decodes by."""

# PyTorch is only installed for training; where it is not, its classes have no type.
# mypy: allow-subclassing-any

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn
from ultralytics.nn import tasks

from workers.training import onnx_file, quantise
from workers.training.split import LABELS

STRIDE = 32
PADDING_VALUE = 114 / 255
# Measured on the validation photos: 0.5 to 0.6 are level, 0.7 costs a point of mAP50.
IOU_THRESHOLD = 0.6
LAYER = re.compile(r"model\.(\d+)/")


class RawDetector(nn.Module):
    """The network with boxes as corners, one row a candidate; suppression is left to the caller."""

    def __init__(self, model: tasks.DetectionModel):
        super().__init__()
        self.model = model
        head = model.model[-1]
        if getattr(head, "end2end", False):
            # Suppression is ours: the heads that need none are left, the usual ones taken.
            head.end2end = False
        head.export, head.format, head.dynamic, head.xyxy = True, "onnx", True, True

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = self.model(images).transpose(1, 2)
        return rows


def write_both(
    model: tasks.DetectionModel,
    out: Path,
    labels: Sequence[str],
    calibration: Iterable[NDArray[np.float32]],
    *,
    image_size: int,
    default: str = "fp32",
) -> Path:
    """Float32 and static int8 with one card that names both; returns the float32 file's path."""
    path, small = out / "detector.onnx", out / "detector-int8.onnx"
    traced = _traced(model, path, image_size)
    quantise.static_int8(traced, small, calibration, exclude=decoding_nodes(traced))
    onnx_file.save_compact(traced, path)
    card = contract(image_size, labels) | {"files": {"fp32": path.name, "int8": small.name}, "default": default}
    (out / "detector.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    return path


def lift(model: tasks.DetectionModel, label: int, log_odds: float) -> None:
    """Raise a label's scores. Their order, and so its average precision, stays; more of them reach a fixed score."""
    for branch in model.model[-1].cv3:
        branch[-1].bias.data[label] += log_odds


def decoding_nodes(model: onnx.ModelProto) -> list[str]:
    """What turns the head's maps into boxes and scores: boxes in pixels do not fit into 8 bits."""
    numbers = [int(found.group(1)) for node in model.graph.node if (found := LAYER.search(node.name))]
    head = f"model.{max(numbers, default=-1)}/"
    return [
        node.name
        for node in model.graph.node
        if head in node.name and (node.op_type not in {"Conv", "Mul", "Sigmoid"} or "dfl" in node.name)
    ]


def _traced(model: tasks.DetectionModel, path: Path, image_size: int) -> onnx.ModelProto:
    model = model.float().eval().fuse(verbose=False).to(memory_format=torch.contiguous_format)
    # The example is not square: a graph that mixes height and width up would not trace.
    example = torch.zeros(1, 3, image_size, image_size + STRIDE)
    return onnx_file.trace(
        RawDetector(model),
        example,
        path,
        inputs="images",
        outputs="candidates",
        dynamic={
            "images": {0: "batch", 2: "height", 3: "width"},
            "candidates": {0: "batch", 1: "candidates"},
        },
    )


def contract(image_size: int, labels: Sequence[str] = LABELS) -> dict[str, object]:
    return {
        "file": "detector.onnx",
        "input": {
            "name": "images",
            "layout": "NCHW",
            "dtype": "float32",
            "colour": "RGB",
            "range": [0, 1],
            "longest_side": image_size,
            "stride": STRIDE,
            "padding_value": PADDING_VALUE,
            "fit": "Scale the upright picture so that its longest side is longest_side (up or down), put it at the top "
            "left, pad right and below with padding_value to multiples of stride. Height, width and batch are "
            "dynamic; a square of longest_side works too.",
        },
        "output": {
            "name": "candidates",
            "shape": ["batch", "candidates", 4 + len(labels)],
            "columns": "x1, y1, x2, y2 in pixels of the padded input, then one probability a label (independent, "
            "already through the sigmoid, no objectness). Candidates = h*w*(1/64 + 1/256 + 1/1024).",
            "decode": "Every label of a candidate at or above min_score is a detection of its own, not the best label "
            "alone: that costs 5 points of mAP50.",
            "suppression": "None inside. Per label, greedy by score, at iou_threshold.",
            "iou_threshold": IOU_THRESHOLD,
        },
        "labels": list(labels),
    }
