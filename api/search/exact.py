"""The embedded product index: exact search in the process, one contiguous block a catalog, rebuilt at start."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from api.search.blas import use_one_thread
from api.search.block import CatalogBlock
from api.search.gate import Gate
from api.search.index import Hit, IndexFilter, IndexRow


class ExactIndex:
    """A ProductIndex. `dim` is the length of every vector."""

    durable = False

    def __init__(self, dim: int) -> None:
        use_one_thread()
        self.dim = dim
        self._blocks: dict[str, CatalogBlock] = {}
        self._gate = Gate()

    def put(self, catalog_id: str, rows: Sequence[IndexRow]) -> None:
        for row in rows:
            if row.vector.shape != (self.dim,) or not np.isfinite(row.vector).all():
                raise ValueError(f"the vector of {row.product_id} is not {self.dim} finite numbers")
        with self._gate.writing():
            block = self._blocks.setdefault(catalog_id, CatalogBlock(self.dim))
            for row in rows:
                block.put(row)

    def remove(self, catalog_id: str, product_ids: Sequence[str]) -> None:
        with self._gate.writing():
            if block := self._blocks.get(catalog_id):
                for product_id in product_ids:
                    block.remove(product_id)

    def drop_catalog(self, catalog_id: str) -> None:
        with self._gate.writing():
            self._blocks.pop(catalog_id, None)

    def clear(self) -> None:
        with self._gate.writing():
            self._blocks.clear()

    @contextmanager
    def replacement(self) -> Iterator["ExactIndex"]:
        fresh = ExactIndex(self.dim)
        yield fresh
        with self._gate.writing():
            self._blocks = fresh._blocks

    def search(self, vectors: NDArray[np.float32], k: int, where: IndexFilter) -> list[list[Hit]]:
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise ValueError(f"query vectors must be (n, {self.dim})")
        found: list[list[Hit]] = [[] for _ in vectors]
        with self._gate.reading():
            for catalog_id in where.catalog_ids:
                if block := self._blocks.get(catalog_id):
                    rows, scores = block.scores(vectors, where)
                    for hits, line in zip(found, scores, strict=True):
                        hits += [Hit(block.ids[rows[i]], catalog_id, float(line[i])) for i in _best(line, k)]
        return [sorted(hits, key=lambda hit: (-hit.score, hit.product_id))[:k] for hits in found]

    def vector(self, catalog_id: str, product_id: str) -> NDArray[np.float32] | None:
        with self._gate.reading():
            block = self._blocks.get(catalog_id)
            return block.vector(product_id) if block else None

    def count(self, catalog_id: str) -> int:
        with self._gate.reading():
            return len(self._blocks.get(catalog_id, ()))

    def total(self, catalog_ids: frozenset[str]) -> int:
        return sum(map(self.count, catalog_ids))

    def product_ids(self, catalog_id: str) -> list[str]:
        with self._gate.reading():
            block = self._blocks.get(catalog_id)
            return list(block.ids) if block else []

    def check(self) -> None:
        """It is in the process: where there is an answer, there is an index."""

    def close(self) -> None:
        """Nothing is held open."""


def _best(scores: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    """Positions of the k highest, in no order."""
    return np.argpartition(scores, -k)[-k:] if len(scores) > k else np.arange(len(scores))
