"""Batches for metric learning: rows drawn so that each has company, and which of them may repel each other."""

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
import torch

from workers.training.pictures import Picture

PRODUCTS, STUDIO_EACH, PHOTOS_EACH = 20, 2, 3
CATEGORIES, GARMENTS_EACH = 10, 5
GARMENT_PAIRS, STREET_PAIRS = 12, 14
# Garment categories are coarse: pulled weakly, so that garments of one category stay apart.
CATEGORY_WEIGHT = 0.6


class Kind(IntEnum):
    """What a row's label names."""

    product = 0
    category = 1
    garment = 2
    street = 3


@dataclass(frozen=True)
class Batch:
    """Rows of the cache; `labels` tell who belongs together, `classes` number products or categories."""

    rows: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    kinds: torch.Tensor
    classes: torch.Tensor

    def rows_of(self, chosen: torch.Tensor) -> "Batch":
        """The chosen rows (a mask) alone."""
        return Batch(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def apart(self) -> torch.Tensor:
        """Pairs that say nothing of each other: a garment as itself and the categories it may be of."""
        category, garment = self.kinds == Kind.category, self.kinds == Kind.garment
        return (category[:, None] & garment[None, :]) | (garment[:, None] & category[None, :])


class Sampler:
    """Draws products with studio views and photos, garments by category, and garments and street crops with their
    other view."""

    def __init__(self, chosen: list[Picture], owner: np.ndarray, rng: np.random.Generator):
        self._rng = rng
        self._studio: dict[str, list[int]] = {}
        self._photos: dict[str, list[int]] = {}
        self._categories: dict[str, list[int]] = {}
        self._garments: dict[str, list[int]] = {}
        self._street: dict[str, list[int]] = {}
        by_name = {"studio": self._studio, "photo-train": self._photos, "garment-train": self._categories}
        alone = {"garment-train": self._garments, "street": self._street}
        for row, index in enumerate(owner):
            picture = chosen[index]
            if (group := by_name.get(picture.source)) is not None:
                group.setdefault(picture.name, []).append(row)
            if (group := alone.get(picture.source)) is not None:
                group.setdefault(str(index), []).append(row)
        self.products, self.categories = sorted(self._photos), sorted(self._categories)

    def rows_of(self, kind: Kind, number: int, most: int) -> list[int]:
        """Some rows of a product (its photos) or a category."""
        if kind is Kind.product:
            return self._some(self._photos[self.products[number]], most)
        return self._some(self._categories[self.categories[number]], most)

    def draw(self) -> Batch:
        rows: list[int] = []
        told: list[tuple[int, float, int, int]] = []

        def add(found: list[int], weight: float, kind: Kind, number: int = 0) -> None:
            label = told[-1][0] + 1 if told else 0
            rows.extend(found)
            told.extend([(label, weight, int(kind), number)] * len(found))

        for number in self._numbers(len(self.products), PRODUCTS):
            studio = self._some(self._studio[self.products[number]], STUDIO_EACH)
            add(studio + self.rows_of(Kind.product, number, PHOTOS_EACH), 1.0, Kind.product, number)
        for number in self._numbers(len(self.categories), CATEGORIES):
            add(self.rows_of(Kind.category, number, GARMENTS_EACH), CATEGORY_WEIGHT, Kind.category, number)
        for group, kind, count in (
            (self._garments, Kind.garment, GARMENT_PAIRS),
            (self._street, Kind.street, STREET_PAIRS),
        ):
            names = sorted(group)
            for number in self._numbers(len(names), count):
                add(group[names[number]], 1.0, kind)
        labels, weights, kinds, classes = zip(*told, strict=True)
        return Batch(
            torch.tensor(rows),
            torch.tensor(labels),
            torch.tensor(weights),
            torch.tensor(kinds),
            torch.tensor(classes),
        )

    def _numbers(self, among: int, count: int) -> list[int]:
        return [int(number) for number in self._rng.permutation(among)[:count]]

    def _some(self, rows: list[int], count: int) -> list[int]:
        return [rows[i] for i in self._numbers(len(rows), count)]
