"""The product index port: what an index holds and answers. It can be thrown away and rebuilt from stored vectors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

CATEGORY_SEPARATOR = ">"


@dataclass(frozen=True, slots=True, eq=False)
class IndexRow:
    """One product: its unit vector and what it can be filtered by. `price_micros` is what it costs today."""

    product_id: str
    vector: NDArray[np.float32]
    brand: str | None = None
    category: str | None = None
    price_micros: int | None = None
    currency: str | None = None
    in_stock: bool = True
    audience: str | None = None


@dataclass(frozen=True, slots=True)
class IndexFilter:
    """Which products may be found. `catalog_ids` is the caller's scope and has no default; an empty set elsewhere means
    any. Text is compared without case, and a category also matches everything below it ("Shoes" finds "Shoes > Boots").
    Products without a price are outside every price bound."""

    catalog_ids: frozenset[str]
    brand: frozenset[str] = frozenset()
    category: frozenset[str] = frozenset()
    price_min_micros: int | None = None
    price_max_micros: int | None = None
    currency: str | None = None
    in_stock: bool | None = None
    audience: frozenset[str] = frozenset()
    exclude_product_ids: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True, slots=True)
class Hit:
    """`score` is the cosine of the two vectors."""

    product_id: str
    catalog_id: str
    score: float


class ProductIndex(Protocol):
    """Thread-safe. Whatever returned is visible to the next search."""

    def put(self, catalog_id: str, rows: Sequence[IndexRow]) -> None:
        """Add rows, or replace those with the same product id. ValueError for a wrong length or a NaN."""

    def remove(self, catalog_id: str, product_ids: Sequence[str]) -> None:
        """Unknown ids are no error."""

    def drop_catalog(self, catalog_id: str) -> None:
        """Unknown catalogs are no error."""

    def clear(self) -> None:
        """Forget everything: the stored vectors are the truth, see rebuild.py."""

    def search(self, vectors: NDArray[np.float32], k: int, where: IndexFilter) -> list[list[Hit]]:
        """For each row of `vectors` (n, dim) the k best hits, best first, equal scores by product id."""

    def vector(self, catalog_id: str, product_id: str) -> NDArray[np.float32] | None:
        """A copy of the stored vector; None when the product is not indexed."""

    def categories(self, catalog_ids: frozenset[str]) -> frozenset[str]:
        """The distinct categories of the catalogs' products, in the form of `category_key`; possibly some gone ones."""

    def count(self, catalog_id: str) -> int:
        """Products of the catalog in the index."""


def category_key(category: str) -> str:
    """The form in which categories are compared: no case, one spelling of the path."""
    return " > ".join(part.strip() for part in category.casefold().split(CATEGORY_SEPARATOR))
