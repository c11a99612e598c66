"""The detector's network: EfficientNet-Lite0 stages under a YOLO11 neck and head of nano width.

Random weights took 78 minutes of two cores to mAP50 0.43 on this data; on ImageNet's, ten minutes passed that.
"""

# PyTorch is only installed for training; where it is not, its classes have no type.
# mypy: allow-subclassing-any

from typing import Any

import torch
from torch import nn
from ultralytics.nn import tasks

from workers.training.backbone import LiteFeatures, imagenet_features

# Stages up to here (strides 2 and 4: edges and colours) stay as ImageNet left them: the largest maps need no gradient.
FROZEN_STAGES = 2
# Output stages at strides 8, 16 and 32, and their channels.
LEVELS = (2, 4, 6)
CHANNELS = (40, 112, 320)


class LiteBackbone(nn.Module):
    """Layer 0 of the detector: pixels to the maps of three strides. Weights are loaded by `load_imagenet`."""

    def __init__(self, frozen: int = FROZEN_STAGES):
        super().__init__()
        self.features = LiteFeatures(frozen)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = self.features(x)
        return [maps[level] for level in LEVELS]

    def load_imagenet(self) -> None:
        self.features = imagenet_features(self.features.frozen)

    def train(self, mode: bool = True) -> "LiteBackbone":
        super().train(mode)
        self.features.eval_frozen()
        return self


def architecture(classes: int) -> dict[str, Any]:
    """The layers in the form Ultralytics parses. Widths are YOLO11n's."""
    backbone: list[list[Any]] = [
        [-1, 1, "LiteBackbone", []],
        [0, 1, "Index", [CHANNELS[0], 0]],
        [0, 1, "Index", [CHANNELS[1], 1]],
        [0, 1, "Index", [CHANNELS[2], 2]],
        [-1, 1, "SPPF", [256, 5]],
        [-1, 1, "C2PSA", [256]],
    ]
    head: list[list[Any]] = [
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 2], 1, "Concat", [1]],
        [-1, 1, "C3k2", [128, False]],
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 1], 1, "Concat", [1]],
        [-1, 1, "C3k2", [64, False]],
        [-1, 1, "Conv", [64, 3, 2]],
        [[-1, 8], 1, "Concat", [1]],
        [-1, 1, "C3k2", [128, False]],
        [-1, 1, "Conv", [128, 3, 2]],
        [[-1, 5], 1, "Concat", [1]],
        [-1, 1, "C3k2", [256, True]],
        [[11, 14, 17], 1, "Detect", ["nc"]],
    ]
    return {"nc": classes, "backbone": backbone, "head": head}


def register() -> None:
    """Let Ultralytics' parser find our layer by name: it looks names up among its own globals."""
    tasks.LiteBackbone = LiteBackbone


def build(classes: int) -> tasks.DetectionModel:
    """The untrained detector on its ImageNet backbone."""
    register()
    model = tasks.DetectionModel(architecture(classes), ch=3, nc=classes, verbose=False)
    model.model[0].load_imagenet()
    return model
