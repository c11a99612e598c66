"""The product index port: what an index holds and answers. It can be thrown away and rebuilt from stored vectors."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from api.errors import Unavailable

CATEGORY_SEPARATOR = ">"
RETRY_AFTER_S = 5


class IndexUnavailable(Unavailable):
    """The index does not answer, or not yet. Nothing is lost by it: whatever could not be put is put later."""

    code = "index_unavailable"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after_s=RETRY_AFTER_S)


class IndexMissing(IndexUnavailable):
    """The index answers, but what it held is gone (or never was): it must be rebuilt, see rebuild.py."""


@dataclass(frozen=True, slots=True, eq=False)
class IndexRow:
    """One product: its unit vector and what it can be filtered by. `price_micros` is what it costs today, `colours` are
    names of those that make up much of it, `stamp` changes when the product does."""

    product_id: str
    vector: NDArray[np.float32]
    brand: str | None = None
    category: str | None = None
    price_micros: int | None = None
    currency: str | None = None
    in_stock: bool = True
    audience: str | None = None
    colours: tuple[str, ...] = ()
    pattern: str | None = None
    stamp: int = 0


@dataclass(frozen=True, slots=True)
class IndexFilter:
    """Which products may be found. `catalog_ids` is the caller's scope and has no default; an empty set elsewhere means
    any. Text is compared without case, and a category also matches everything below it ("Shoes" finds "Shoes > Boots").
    Of several colours one is enough. Products without a price are outside every price bound."""

    catalog_ids: frozenset[str]
    brand: frozenset[str] = frozenset()
    category: frozenset[str] = frozenset()
    price_min_micros: int | None = None
    price_max_micros: int | None = None
    currency: str | None = None
    in_stock: bool | None = None
    audience: frozenset[str] = frozenset()
    colour: frozenset[str] = frozenset()
    pattern: frozenset[str] = frozenset()
    exclude_product_ids: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True, slots=True)
class Hit:
    """`score` is the cosine of the two vectors."""

    product_id: str
    catalog_id: str
    score: float


class IndexFilling(Protocol):
    """What a rebuild needs of an index."""

    def put(self, catalog_id: str, rows: Sequence[IndexRow]) -> None:
        """Add rows, or replace those with the same product id. ValueError for a wrong length or a NaN."""


class ProductIndex(IndexFilling, Protocol):
    """Thread-safe. Whatever returned is visible to this process's next search, and to any other's within five seconds.
    Every call may raise IndexUnavailable, within a bounded time; what was under way may then be half done, and is done
    again by whoever asked for it. `durable` tells whether it keeps what it holds when the process ends."""

    @property
    def durable(self) -> bool: ...

    def remove(self, catalog_id: str, product_ids: Sequence[str]) -> None:
        """Unknown ids are no error."""

    def drop_catalog(self, catalog_id: str) -> None:
        """Unknown catalogs are no error."""

    def clear(self) -> None:
        """Forget everything: the stored vectors are the truth, see rebuild.py."""

    def replacement(self) -> AbstractContextManager[IndexFilling]:
        """An empty index to put into; when the block ends well it takes this one's place at once, and until then
        searches find the old one. What is put elsewhere meanwhile is not in it."""

    def search(self, vectors: NDArray[np.float32], k: int, where: IndexFilter) -> list[list[Hit]]:
        """For each row of `vectors` (n, dim) the k best hits, best first, equal scores by product id."""

    def vector(self, catalog_id: str, product_id: str) -> NDArray[np.float32] | None:
        """A copy of the stored vector; None when the product is not indexed."""

    def vectors(self, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], NDArray[np.float32]]:
        """The stored vectors of many (catalog id, product id) at once; without those that are not indexed."""

    def count(self, catalog_id: str) -> int:
        """Products of the catalog in the index."""

    def total(self, catalog_ids: frozenset[str]) -> int:
        """Products of all these catalogs together."""

    def product_ids(self, catalog_id: str) -> list[str]:
        """What the index holds of a catalog, for comparing with what it should."""

    def check(self) -> None:
        """Raises IndexUnavailable when a search could not be answered now."""

    def close(self) -> None:
        """Let go of the connection, if there is one."""


@runtime_checkable
class KeptIndex(ProductIndex, Protocol):
    """An index of one process that keeps its rows from one start to the next, possibly without the last changes."""

    def catalog_ids(self) -> list[str]:
        """Every catalog of which it may hold something."""

    def stamps(self, catalog_id: str) -> dict[str, int]:
        """By product the stamp of the row that it holds."""


def category_key(category: str) -> str:
    """The form in which categories are compared: no case, one spelling of the path."""
    return " > ".join(part.strip() for part in category.casefold().split(CATEGORY_SEPARATOR))
