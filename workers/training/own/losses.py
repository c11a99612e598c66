"""What vectors are pulled together and apart by; each takes unit vectors and their labels and gives one number."""

from collections.abc import Callable

import torch
from torch.nn import functional

from workers.training.own.vector_network import VectorNetwork

MARGIN = 0.2
TEMPERATURE = 0.1
SMOOTHING = 0.05

Loss = Callable[[VectorNetwork, torch.Tensor, torch.Tensor], torch.Tensor]


def proxy(network: VectorNetwork, vectors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Softmax over the cosines with a learnt vector a class (Movshovitz-Attias et al., 2017; Zhai and Wu, 2018)."""
    return functional.cross_entropy(network.logits(vectors), labels, label_smoothing=SMOOTHING)


def triplet(_network: VectorNetwork, vectors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Batch-hard (Hermans et al., 2017): the farthest of one's own against the nearest of the others."""
    scores = vectors @ vectors.T
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=vectors.device)
    hardest = scores.masked_fill(~same | itself, 2).amin(1)
    nearest = scores.masked_fill(same, -2).amax(1)
    usable = (hardest < 2) & (nearest > -2)
    each = functional.relu(nearest - hardest + MARGIN) * usable
    return each.sum() / usable.sum().clamp(min=1)


def contrastive(_network: VectorNetwork, vectors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Supervised contrastive (Khosla et al., 2020): each against all others of its label."""
    scores = vectors @ vectors.T / TEMPERATURE
    itself = torch.eye(len(labels), dtype=torch.bool, device=vectors.device)
    logs = scores - torch.logsumexp(scores.masked_fill(itself, -1e9), 1, keepdim=True)
    same = (labels[:, None] == labels[None, :]) & ~itself
    usable = same.any(1)
    each = -(logs * same).sum(1) / same.sum(1).clamp(min=1)
    return (each * usable).sum() / usable.sum().clamp(min=1)


LOSSES: dict[str, Loss] = {"proxy": proxy, "triplet": triplet, "contrastive": contrastive}
