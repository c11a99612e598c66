"""The rows of one catalog, contiguous: what a search multiplies and filters. exact.py guards it."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from api.search.block_files import RowsInFiles
from api.search.block_rows import COLUMNS, FIRST_CAPACITY, MAX_ID_BYTES, RECORD, TEXTS, BlockRows, RowsInMemory, grown
from api.search.codes import Coded, candidates, coded, products
from api.search.index import IndexFilter, IndexRow, category_key
from api.search.terms import MOST_BITS, Terms

NO_PRICE = -1
# Gathering the rows that pass beats going through all of them up to about this share of the block.
GATHER_BELOW = 0.3
FULL_BELOW = 32  # rows that are compared in full at once
FULL_AT_ONCE = 16_384
T = TypeVar("T")
Best = tuple[NDArray[np.intp], NDArray[np.float32]]  # row numbers and scores, in no order


class CatalogBlock:
    """`trouble` says why the rows are in memory alone when they were to be in files."""

    def __init__(self, dim: int, rows: BlockRows | None = None) -> None:
        self.ids: list[str] = []
        self.trouble = ""
        self._rows: dict[str, int] = {}
        self._store = rows or RowsInMemory(dim)
        self._terms = {name: Terms(_keys_of(name), partial(self._note, name)) for name in TEXTS}
        self._columns = {name: np.empty(FIRST_CAPACITY, RECORD[name]) for name in COLUMNS}
        self._longest = 0.0  # of all vectors that were ever here

    @classmethod
    def loaded(cls, dim: int, files: RowsInFiles) -> "CatalogBlock":
        """What files hold, without what is damaged. Raises OSError."""
        records, whole, terms, longest = files.load()
        made = cls(dim, files)
        for name, texts in terms.items():
            made._terms[name].take(texts)
            known = len(texts) if name != "colours" else (1 << min(len(texts), MOST_BITS)) - 1
            whole &= (records[name] >= 0) & (records[name] <= known)
        made.ids = [item.decode("utf-8", "replace") for item in records["id"].tolist()]
        made._rows = {made.ids[at]: at for at in np.flatnonzero(whole)[::-1].tolist()}  # of two the first one counts
        made._columns = {name: np.ascontiguousarray(records[name]) for name in COLUMNS}
        made._longest = longest
        lost = np.ones(len(records), np.bool_)
        lost[list(made._rows.values())] = False
        made._take_out(np.flatnonzero(lost))
        return made

    def __len__(self) -> int:
        return len(self.ids)

    def put(self, rows: Sequence[IndexRow]) -> None:
        """Of a product that comes twice the last one counts. Raises ValueError for an id that is none of ours."""
        fresh = list({row.product_id: row for row in rows}.values())
        if not fresh:
            return
        if bad := next((row.product_id for row in fresh if not _is_plain(row.product_id)), None):
            raise ValueError(f"{bad!r} is no id of ours")
        vectors = np.stack([row.vector for row in fresh]).astype(np.float32, copy=False)
        codes = coded(vectors)
        added = [row.product_id for row in fresh if row.product_id not in self._rows]
        new = dict(zip(added, range(len(self.ids), len(self.ids) + len(added)), strict=True))
        places = np.array([self._rows.get(row.product_id, new.get(row.product_id, 0)) for row in fresh], np.intp)
        records = self._stored(lambda store: self._written(store, fresh, places, vectors, codes))
        for name, column in self._columns.items():
            self._columns[name] = grown(column, int(places.max()))
            self._columns[name][places] = records[name]
        self.ids += added
        self._rows |= new
        with np.errstate(over="ignore"):
            self._longest = max(self._longest, float((np.linalg.norm(vectors, axis=1) + codes.slack).max()))

    def remove(self, product_ids: Iterable[str]) -> None:
        """Unknown ones are no error."""
        gone = [at for product_id in set(product_ids) if (at := self._rows.pop(product_id, None)) is not None]
        self._take_out(np.array(sorted(gone), np.intp))

    def erase(self) -> None:
        """Leave no files."""
        self._store.erase()

    def vector(self, product_id: str) -> NDArray[np.float32] | None:
        at = self._rows.get(product_id)
        return None if at is None else self._store.full(np.array([at]))[0]

    def stamps(self) -> dict[str, int]:
        """By product what its row came with."""
        return dict(zip(self.ids, self._columns["stamp"][: len(self.ids)].tolist(), strict=True))

    def search(self, vectors: NDArray[np.float32], k: int, where: IndexFilter) -> list[Best]:
        """The k best for each query vector, exactly."""
        count = len(self.ids)
        mask = self._mask(where)
        rows = None if mask is None else np.flatnonzero(mask)
        passing = count if rows is None else len(rows)
        if passing <= max(FULL_BELOW, k):
            rows = np.arange(count) if rows is None else rows
            return [_best(rows, scores, k) for scores in vectors @ self._store.full(rows).T]
        held = Coded(self._store.codes[:count], self._columns["scale"][:count], self._columns["slack"][:count])
        gather = rows if passing < count * GATHER_BELOW else None
        if gather is not None:  # `take` is twice as fast as an index of rows
            held = Coded(held.values.take(gather, axis=0), held.scale.take(gather), held.slack.take(gather))
        slack = held.slack if gather is not None or rows is None else held.slack.take(rows)
        found = []
        for query in vectors:
            rounded = products(query, held)
            rounded = rounded if gather is not None or rows is None else rounded.take(rows)
            close = candidates(query, rounded, slack, k, self._longest)
            close = close if rows is None else rows[close]
            found.append(_best(close, self._in_full(query, close), k))
        return found

    def _in_full(self, query: NDArray[np.float32], rows: NDArray[np.intp]) -> NDArray[np.float32]:
        parts = (rows[start : start + FULL_AT_ONCE] for start in range(0, len(rows), FULL_AT_ONCE))
        return np.concatenate([self._store.full(part) @ query for part in parts])

    def _records(self, rows: Sequence[IndexRow], codes: Coded) -> NDArray[np.void]:
        terms, records = self._terms, np.zeros(len(rows), RECORD)
        records["id"] = [row.product_id.encode() for row in rows]
        records["stamp"] = [row.stamp for row in rows]
        records["price"] = [NO_PRICE if row.price_micros is None else row.price_micros for row in rows]
        records["in_stock"] = [row.in_stock for row in rows]
        for name in TEXTS[:-1]:
            records[name] = [terms[name].code(getattr(row, name)) for row in rows]
        records["colours"] = np.array([terms["colours"].bits(row.colours) for row in rows], np.uint64)
        records["scale"], records["slack"] = codes.scale, codes.slack
        return records

    def _written(
        self,
        store: BlockRows,
        rows: Sequence[IndexRow],
        places: NDArray[np.intp],
        vectors: NDArray[np.float32],
        codes: Coded,
    ) -> NDArray[np.void]:
        records = self._records(rows, codes)  # notes new terms, before rows that have them
        store.write(places, vectors, codes.values, records)
        return records

    def _stored(self, work: Callable[[BlockRows], T]) -> T:
        """Done in the files; where they fail, everything goes on in memory."""
        try:
            return work(self._store)
        except OSError as error:
            files, self.trouble = self._store, str(error)
            self._store = RowsInMemory.copied(files, len(self.ids))
            files.erase()
            return work(self._store)

    def _note(self, column: str, text: str) -> None:
        self._store.note(column, text)

    def _take_out(self, gone: NDArray[np.intp]) -> None:
        """Rows from the end move into the holes, so that all stay contiguous. `_rows` knows nothing of the gone."""
        if not len(gone):
            return
        kept = len(self.ids) - len(gone)
        holes = gone[gone < kept]
        movers = np.setdiff1d(np.arange(kept, len(self.ids)), gone, assume_unique=True)
        records = np.zeros(len(movers), RECORD)
        for name, column in self._columns.items():
            records[name] = column[movers]
        records["id"] = [self.ids[at].encode() for at in movers.tolist()]

        def write(store: BlockRows) -> None:
            store.write(holes, store.full(movers), store.codes[movers], records)
            store.cut(kept)

        self._stored(write)
        for column in self._columns.values():
            column[holes] = column[movers]
        for hole, mover in zip(holes.tolist(), movers.tolist(), strict=True):
            self.ids[hole] = self.ids[mover]
            self._rows[self.ids[hole]] = hole
        del self.ids[kept:]

    def _mask(self, where: IndexFilter) -> NDArray[np.bool_] | None:
        """Which rows pass; None for all."""
        count = len(self.ids)
        column = {name: values[:count] for name, values in self._columns.items()}
        wanted = {
            "brand": where.brand,
            "category": where.category,
            "currency": () if where.currency is None else (where.currency,),
            "audience": where.audience,
            "pattern": where.pattern,
        }
        tests = [
            self._terms[name].passing(column[name], texts, below=name == "category")
            for name, texts in wanted.items()
            if texts
        ]
        if where.colour:
            tests.append((column["colours"] & np.uint64(self._terms["colours"].mask(where.colour))) != 0)
        if where.in_stock is not None:
            tests.append(column["in_stock"] == where.in_stock)
        if where.price_min_micros is not None:
            tests.append(column["price"] >= max(where.price_min_micros, NO_PRICE + 1))
        if where.price_max_micros is not None:
            tests.append((column["price"] <= where.price_max_micros) & (column["price"] != NO_PRICE))
        excluded = [self._rows[item] for item in where.exclude_product_ids if item in self._rows]
        if not tests and not excluded:
            return None
        mask: NDArray[np.bool_] = np.logical_and.reduce(tests) if tests else np.ones(count, np.bool_)
        mask[excluded] = False
        return mask


def _best(rows: NDArray[np.intp], scores: NDArray[np.float32], k: int) -> Best:
    if len(scores) <= k:
        return rows, scores
    best = np.argpartition(scores, -k)[-k:]
    return rows[best], scores[best]


def _keys_of(column: str) -> Callable[[str], str]:
    return category_key if column == "category" else str.casefold


def _is_plain(product_id: str) -> bool:
    """Files hold ids in places of one size."""
    return product_id.isascii() and product_id.isprintable() and 0 < len(product_id) <= MAX_ID_BYTES
