"""The three ways of metric learning that were compared for the shipped embedder (figures: its model card).

Each takes unit vectors and their batch and gives one number."""

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
            return TRIPLET_SCALE * triplet(vectors, batch)
        of_category = batch.kinds == Kind.category
        categories = self.categories(vectors[of_category], batch.classes[of_category], CATEGORY_SCALE)
        if self.name == "contrast":
            return contrast(vectors, batch) + CATEGORY_SHARE * categories
        known = batch.kinds == Kind.product
        products = self.products(vectors[known], batch.classes[known], PRODUCT_SCALE, PRODUCT_MARGIN)
        rest = contrast(vectors[~known], batch.rows_of(~known))
        total: torch.Tensor = products + REST_SHARE * rest + CATEGORY_SHARE * categories
        return total


def contrast(vectors: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Supervised contrastive (Khosla et al., 2020): each row against all others of its label."""
    scores = vectors @ vectors.T / TEMPERATURE
    itself = torch.eye(len(vectors), dtype=torch.bool)
    logs = scores - torch.logsumexp(scores.masked_fill(itself | batch.apart(), -1e9), 1, keepdim=True)
    same = (batch.labels[:, None] == batch.labels[None, :]) & ~itself
    each = -(logs * same).sum(1) / same.sum(1).clamp(min=1)
    return functional.normalize(batch.weights, p=1, dim=0) @ each


def triplet(vectors: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Batch-hard (Hermans et al., 2017): the farthest of one's own against the nearest of the others."""
    scores = vectors @ vectors.T
    itself = torch.eye(len(vectors), dtype=torch.bool)
    same = batch.labels[:, None] == batch.labels[None, :]
    farthest = scores.masked_fill(~same | itself, 9).amin(1)
    nearest = scores.masked_fill(same | batch.apart(), -9).amax(1)
    return functional.normalize(batch.weights, p=1, dim=0) @ functional.relu(nearest - farthest + MARGIN)
