"""The embedded product index: exact search in the process, one block of rows a catalog, kept in files from one start to
the next. They are derived: whoever opens the index compares them with the stored rows (rebuild.py)."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api.search.blas import use_one_thread
from api.search.block import CatalogBlock
from api.search.block_files import LAYOUT, RowsInFiles
from api.search.block_rows import RECORD
from api.search.gate import Gate
from api.search.index import Hit, IndexFilter, IndexRow, IndexUnavailable
from api.search.index_folder import Beside, IndexFolder

log = logging.getLogger(__name__)


class ExactIndex:
    """A ProductIndex. `dim` is the length of every vector, `space` names what made them. Without a folder, or where it
    cannot be used, everything is in memory alone; `status` says so in the latter case."""

    durable = False

    def __init__(self, dim: int, folder: Path | None = None, space: str = "") -> None:
        use_one_thread()
        self.dim = dim
        self._kind = "rows-" + _digest(f"{LAYOUT}/{dim}/{space}/{RECORD.descr}")
        self._root = folder
        self._folder: IndexFolder | None = None
        self._blocks: dict[str, CatalogBlock] = {}
        self._gate = Gate()
        self._trouble = ""
        self._open()
        self._load()

    def put(self, catalog_id: str, rows: Sequence[IndexRow]) -> None:
        for row in rows:
            if row.vector.shape != (self.dim,) or not np.isfinite(row.vector).all():
                raise ValueError(f"the vector of {row.product_id} is not {self.dim} finite numbers")
        with self._gate.writing():
            if catalog_id not in self._blocks:
                self._blocks[catalog_id] = self._new_block(catalog_id)
            self._blocks[catalog_id].put(rows)

    def remove(self, catalog_id: str, product_ids: Sequence[str]) -> None:
        with self._gate.writing():
            if block := self._blocks.get(catalog_id):
                block.remove(product_ids)

    def drop_catalog(self, catalog_id: str) -> None:
        with self._gate.writing():
            # an empty one is falsy, and has files nevertheless
            if (block := self._blocks.pop(catalog_id, None)) is not None:
                block.erase()

    def clear(self) -> None:
        for catalog_id in self.catalog_ids():
            self.drop_catalog(catalog_id)

    @contextmanager
    def replacement(self) -> Iterator["ExactIndex"]:
        self._open()  # where it could not be opened before; what it holds is what it held then, and is replaced
        fresh = ExactIndex(self.dim)
        fresh._folder = beside = self._beside()
        try:
            yield fresh
        except BaseException:
            fresh.close()
            raise
        with self._gate.writing():
            self._blocks = fresh._blocks
            if self._folder is not None and beside is not None:
                try:
                    self._folder.replace_by(beside)
                    self._trouble = ""
                except OSError as error:
                    self._trouble = str(error)

    def search(self, vectors: NDArray[np.float32], k: int, where: IndexFilter) -> list[list[Hit]]:
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise ValueError(f"query vectors must be (n, {self.dim})")
        found: list[list[Hit]] = [[] for _ in vectors]
        if k < 1 or not found:
            return found
        vectors = np.ascontiguousarray(vectors, np.float32)
        with self._reading():
            for catalog_id in where.catalog_ids:
                if block := self._blocks.get(catalog_id):
                    for hits, (rows, scores) in zip(found, block.search(vectors, k, where), strict=True):
                        hits.extend(map(Hit, (block.ids[at] for at in rows), repeat(catalog_id), scores.tolist()))
        return [sorted(hits, key=lambda hit: (-hit.score, hit.product_id))[:k] for hits in found]

    def vector(self, catalog_id: str, product_id: str) -> NDArray[np.float32] | None:
        with self._reading():
            block = self._blocks.get(catalog_id)
            return block.vector(product_id) if block else None

    def vectors(self, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], NDArray[np.float32]]:
        with self._reading():
            blocks = ((key, self._blocks.get(key[0])) for key in wanted)
            found = ((key, block.vector(key[1])) for key, block in blocks if block)
            return {key: vector for key, vector in found if vector is not None}

    def count(self, catalog_id: str) -> int:
        with self._gate.reading():
            return len(self._blocks.get(catalog_id, ()))

    def total(self, catalog_ids: frozenset[str]) -> int:
        return sum(map(self.count, catalog_ids))

    def product_ids(self, catalog_id: str) -> list[str]:
        with self._gate.reading():
            block = self._blocks.get(catalog_id)
            return list(block.ids) if block else []

    def catalog_ids(self) -> list[str]:
        """Of every catalog that has, or had, products here."""
        with self._gate.reading():
            return list(self._blocks)

    def stamps(self, catalog_id: str) -> dict[str, int]:
        """By product the stamp of its row."""
        with self._gate.reading():
            block = self._blocks.get(catalog_id)
            return block.stamps() if block else {}

    def check(self) -> None:
        """It is in the process: where there is an answer, there is an index."""

    def status(self) -> str | None:
        """Why the index must be read anew from the database at the next start; None when it need not."""
        trouble = self._trouble or next((block.trouble for block in list(self._blocks.values()) if block.trouble), "")
        return f"the index is in memory alone: {trouble}" if trouble else None

    def close(self) -> None:
        """The files are another process's to open."""
        with self._gate.writing():
            if self._folder is not None:
                self._folder.close()
            self._folder, self._blocks = None, {}

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Where files are read on the way."""
        with self._gate.reading():
            try:
                yield
            except OSError as error:
                log.exception("the files of the index cannot be read")
                raise IndexUnavailable("The product index cannot be read at the moment.") from error

    def _open(self) -> None:
        if self._root is None or self._folder is not None:
            return
        try:
            self._folder = IndexFolder(self._root, self._kind)
        except OSError as error:
            self._trouble = str(error)
            log.warning("the index is in memory alone: %s", error)

    def _load(self) -> None:
        if self._folder is None:
            return
        for catalog_id in self._folder.catalog_ids():
            files = RowsInFiles(self._folder, catalog_id, self.dim)
            try:
                self._blocks[catalog_id] = CatalogBlock.loaded(self.dim, files)
            except (OSError, ValueError) as error:
                log.warning("the index of catalog %s is read anew: %s", catalog_id, error)
                files.erase()

    def _beside(self) -> Beside | None:
        try:
            return None if self._folder is None else self._folder.beside()
        except OSError as error:
            self._trouble = str(error)
            return None

    def _new_block(self, catalog_id: str) -> CatalogBlock:
        if self._folder is None or not self._folder.holds(catalog_id):
            return CatalogBlock(self.dim)
        self._folder.erase(catalog_id)  # leftovers number their terms otherwise
        return CatalogBlock(self.dim, RowsInFiles(self._folder, catalog_id, self.dim))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
