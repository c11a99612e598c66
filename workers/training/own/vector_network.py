"""One network for both tasks: a backbone, a linear map to a unit vector, and a proxy vector a class to learn against.

A classifier's probability of a class is the softmax over the cosines with the proxies; an embedder drops the proxies.
"""

# PyTorch is only installed for training; where it is not, its classes have no type.
# mypy: allow-subclassing-any

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from workers.training import losses
from workers.training.own.zoo import Backbone

DIMENSIONS = 256
# NormFace (Wang et al., 2017): cosines span 2, too little for a softmax over many classes.
SCALE = 16.0
SMOOTHING = 0.05
DEPTH_GROUPS = 5


class VectorNetwork(nn.Module):
    """Pixels (RGB, 0..1) to unit vectors of DIMENSIONS numbers; statistics of batch norm stay as trained."""

    def __init__(self, backbone: Backbone, classes: int, *, still_statistics: bool):
        super().__init__()
        self.backbone = backbone.module
        self.project = nn.Linear(backbone.width, DIMENSIONS)
        self.proxies = nn.Parameter(functional.normalize(torch.randn(classes, DIMENSIONS), dim=1))
        self.still_statistics = still_statistics

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return functional.normalize(self.project(self.backbone(images)), dim=1)

    def logits(self, vectors: torch.Tensor) -> torch.Tensor:
        return SCALE * vectors @ functional.normalize(self.proxies, dim=1).T

    def train(self, mode: bool = True) -> "VectorNetwork":
        """Small batches would spoil the statistics of pre-trained weights; random ones have none to spoil."""
        super().train(mode)
        if mode and self.still_statistics:
            for module in self.backbone.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


Loss = Callable[[VectorNetwork, torch.Tensor, torch.Tensor], torch.Tensor]


def _proxy(network: VectorNetwork, vectors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(network.logits(vectors), labels, label_smoothing=SMOOTHING)


def _triplet(_network: VectorNetwork, vectors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return losses.triplet(vectors, labels, losses.in_company(labels))


def _contrastive(_network: VectorNetwork, vectors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return losses.contrast(vectors, labels, losses.in_company(labels))


# By their name on the command line; each takes unit vectors and the numbers of their classes.
LOSSES: dict[str, Loss] = {"proxy": _proxy, "triplet": _triplet, "contrastive": _contrastive}


class ClassifierGraph(nn.Module):
    """What is exported: vectors first, so that the file also serves as an embedder; then a probability a class."""

    def __init__(self, network: VectorNetwork):
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        vectors = self.network(images)
        return vectors, self.network.logits(vectors).softmax(1)


def layer_rates(network: VectorNetwork, rate: float, decay: float) -> list[dict[str, object]]:
    """Groups for an optimiser: the deeper in the backbone's beginning, the slower (Howard and Ruder, 2018)."""
    blocks = _blocks(network.backbone)
    groups: list[dict[str, object]] = []
    for number in range(DEPTH_GROUPS):
        low, high = (len(blocks) * edge // DEPTH_GROUPS for edge in (number, number + 1))
        parameters = [parameter for block in blocks[low:high] for parameter in block.parameters()]
        if parameters:
            groups.append({"params": parameters, "lr": rate * decay ** (DEPTH_GROUPS - number)})
    return [*groups, {"params": [*network.project.parameters(), network.proxies], "lr": rate}]


def _blocks(module: nn.Module) -> list[nn.Module]:
    """The parts of a network in the order of its definition, containers opened, parts without parameters left out."""
    children = [child for child in module.children() if any(True for _ in child.parameters())]
    if not children:
        return [module]
    if len(children) == 1:
        return _blocks(children[0])
    parts: list[nn.Module] = []
    for child in children:
        parts += _blocks(child) if isinstance(child, nn.ModuleList | nn.Sequential) else [child]
    return parts
