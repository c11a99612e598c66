"""The ways of metric learning, for the shipped embedder and for a user's own (figures: infra/decisions/0014).

Each takes unit vectors and says who belongs together; the answer is one number."""

# PyTorch is only installed for training; where it is not, its classes have no type.
# mypy: allow-subclassing-any

import torch
from torch import nn
from torch.nn import functional

from workers.training.sampling import Batch, Kind

TEMPERATURE, MARGIN = 0.1, 0.2
PRODUCT_SCALE, CATEGORY_SCALE, PRODUCT_MARGIN = 16, 10, 0.1
CATEGORY_SHARE, REST_SHARE = 0.3, 0.6
TRIPLET_SCALE = 5


def contrast(
    vectors: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, apart: torch.Tensor | None = None
) -> torch.Tensor:
    """Supervised contrastive (Khosla et al., 2020): each row against all others of its label, by its weight. `apart`:
    pairs that say nothing of each other."""
    scores = vectors @ vectors.T / TEMPERATURE
    same, itself = _pairs(labels)
    left_out = itself if apart is None else itself | apart
    logs = scores - torch.logsumexp(scores.masked_fill(left_out, -1e9), 1, keepdim=True)
    each = -(logs * same).sum(1) / same.sum(1).clamp(min=1)
    return functional.normalize(weights, p=1, dim=0) @ each


def triplet(
    vectors: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, apart: torch.Tensor | None = None
) -> torch.Tensor:
    """Batch-hard (Hermans et al., 2017): the farthest of one's own against the nearest of the others."""
    scores = vectors @ vectors.T
    same, itself = _pairs(labels)
    farthest = scores.masked_fill(~same, 9).amin(1)
    nearest = scores.masked_fill(same | itself if apart is None else same | itself | apart, -9).amax(1)
    return functional.normalize(weights, p=1, dim=0) @ functional.relu(nearest - farthest + MARGIN)


def in_company(labels: torch.Tensor) -> torch.Tensor:
    """Weights that count each row alike, but for those that are alone of their label."""
    return _pairs(labels)[0].any(1).float()


def _pairs(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which rows are another of the same label, and which are the row itself."""
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return (labels[:, None] == labels[None, :]) & ~itself, itself


class Proxies(nn.Module):
    """One learnt unit vector a class: softmax over cosines (Movshovitz-Attias et al., 2017; Wang et al., 2018)."""

    def __init__(self, start: torch.Tensor):
        super().__init__()
        self.centres = nn.Parameter(start.clone())

    def forward(self, vectors: torch.Tensor, classes: torch.Tensor, scale: float, margin: float = 0.0) -> torch.Tensor:
        cosines = vectors @ functional.normalize(self.centres, dim=1).T
        cosines = cosines - margin * functional.one_hot(classes, len(self.centres))
        return functional.cross_entropy(cosines * scale, classes)


class Losses(nn.Module):
    """`name` is proxy, contrast or triplet: how products are learned. With proxies no photo is pulled to its studio
    picture itself, and known products draw fewer photos of new ones: those are found at 54 instead of 42 of 100.
    Everything else is contrast in the first two, and categories have a softmax besides."""

    def __init__(self, name: str, products: torch.Tensor, categories: torch.Tensor):
        super().__init__()
        self.name = name
        self.products, self.categories = Proxies(products), Proxies(categories)

    def forward(self, vectors: torch.Tensor, batch: Batch) -> torch.Tensor:
        if self.name == "triplet":
            return TRIPLET_SCALE * triplet(vectors, batch.labels, batch.weights, batch.apart())
        of_category = batch.kinds == Kind.category
        categories = self.categories(vectors[of_category], batch.classes[of_category], CATEGORY_SCALE)
        if self.name == "contrast":
            return _contrast(vectors, batch) + CATEGORY_SHARE * categories
        known = batch.kinds == Kind.product
        products = self.products(vectors[known], batch.classes[known], PRODUCT_SCALE, PRODUCT_MARGIN)
        rest = _contrast(vectors[~known], batch.rows_of(~known))
        total: torch.Tensor = products + REST_SHARE * rest + CATEGORY_SHARE * categories
        return total


def _contrast(vectors: torch.Tensor, batch: Batch) -> torch.Tensor:
    return contrast(vectors, batch.labels, batch.weights, batch.apart())
