"""The embedder's network: EfficientNet-Lite2, three depths pooled, one linear map to a unit vector."""

# PyTorch is only installed for training; where it is not, its classes have no type.
# mypy: allow-subclassing-any

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from workers.training.backbone import (
    TOP_CHANNELS,
    LiteFeatures,
    conv_bn,
    imagenet_weights,
    load_in_order,
    stages_of,
)

DIMENSIONS = 256
# Half again as much work as Lite0; its untrained features find 70 of 100 new products where Lite0's find 63.
VARIANT = "lite2"
# The trunk ends at the first map of stride 16; only what comes after it is ever trained.
TRUNK_STAGES = 4
CHANNELS = tuple(stage[3] for stage in stages_of(VARIANT))
MIDDLE_CHANNELS, LAST_CHANNELS = CHANNELS[TRUNK_STAGES], CHANNELS[-1]
# How much each depth says: texture, parts, meaning. Measured on ImageNet features, nearest product.
DEPTH_WEIGHTS = (0.5, 0.7, 1.0)


class Trunk(nn.Module):
    """Pixels (RGB, 0..1) to the first map of stride 16, as ImageNet left it."""

    def __init__(self, features: LiteFeatures):
        super().__init__()
        self.features = features
        del self.features.stages[TRUNK_STAGES:]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.features(images)[-1]


class Head(nn.Module):
    """The map of stride 16 to a unit vector."""

    def __init__(self, stages: nn.Sequential, top: nn.Sequential):
        super().__init__()
        self.stages, self.top = stages, top
        self.project = nn.Linear(MIDDLE_CHANNELS + LAST_CHANNELS + TOP_CHANNELS, DIMENSIONS)

    def pooled(self, trunk: torch.Tensor) -> torch.Tensor:
        middle = self.stages[0](trunk)
        last = self.stages[1:](middle)
        depths = (middle, last, self.top(last))
        parts = [
            functional.normalize(depth.mean((2, 3)), dim=1) * weight
            for depth, weight in zip(depths, DEPTH_WEIGHTS, strict=True)
        ]
        return functional.normalize(torch.cat(parts, 1), dim=1)

    def forward(self, trunk: torch.Tensor) -> torch.Tensor:
        return functional.normalize(self.project(self.pooled(trunk)), dim=1)

    def fit_projection(self, pooled: torch.Tensor) -> None:
        """Principal axes of `pooled`, half whitened: loud directions are damped, faint ones not blown up."""
        mean = pooled.mean(0)
        _, spread, axes = torch.linalg.svd(pooled - mean, full_matrices=False)
        weight = axes[:DIMENSIONS] / spread[:DIMENSIONS, None].sqrt()
        # Scaled so that training starts with outputs of about unit length.
        weight = weight / (weight @ (pooled - mean).T).norm(dim=0).mean()
        with torch.no_grad():
            self.project.weight.copy_(weight)
            self.project.bias.copy_(-weight @ mean)


class Embedder(nn.Module):
    """Pixels to a unit vector of DIMENSIONS numbers."""

    def __init__(self) -> None:
        super().__init__()
        features = LiteFeatures(variant=VARIANT)
        top = conv_bn(LAST_CHANNELS, TOP_CHANNELS, 1)
        load_in_order(top, load_in_order(features, imagenet_weights(VARIANT)))
        self.head = Head(nn.Sequential(*features.stages[TRUNK_STAGES:]), top)
        self.trunk = Trunk(features)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self.head(self.trunk(images))
        return vectors


def load_embedder(checkpoint: Path) -> Embedder:
    """The network with the weights that `train_embedder` wrote."""
    embedder = Embedder()
    embedder.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
    embedder.eval()
    return embedder
