"""The rows of one catalog in contiguous columns: what a search multiplies and filters. exact.py guards it."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from api.search.index import IndexFilter, IndexRow, category_key

FIRST_CAPACITY = 64
NO_PRICE = -1
NO_TERM = 0
# Gathering the rows that pass beats multiplying all of them up to about this share of the block.
GATHER_BELOW = 0.3


class Terms:
    """The distinct values of a text column, numbered; 0 stands for none."""

    def __init__(self, key: Callable[[str], str] = str.casefold) -> None:
        self._key = key
        self._codes: dict[str, int] = {}

    def code(self, value: str | None) -> int:
        return NO_TERM if value is None else self._codes.setdefault(self._key(value), len(self._codes) + 1)

    def accepted(self, wanted: Iterable[str], *, below: bool = False) -> NDArray[np.bool_]:
        """By code, whether a value is one of `wanted` (or, with `below`, a category under one of them)."""
        table = np.zeros(len(self._codes) + 1, np.bool_)
        for key in map(self._key, wanted):
            if below:
                table[[code for term, code in self._codes.items() if term.startswith(key + " > ")]] = True
            table[self._codes.get(key, NO_TERM)] = True
        table[NO_TERM] = False
        return table


class CatalogBlock:
    def __init__(self, dim: int) -> None:
        self.ids: list[str] = []
        self._rows: dict[str, int] = {}
        self._brands, self._categories = Terms(), Terms(category_key)
        self._currencies, self._audiences = Terms(), Terms()
        self._vectors = np.empty((FIRST_CAPACITY, dim), np.float32)
        self._codes = np.empty((4, FIRST_CAPACITY), np.int32)  # brand, category, currency, audience
        self._prices = np.empty(FIRST_CAPACITY, np.int64)
        self._in_stock = np.empty(FIRST_CAPACITY, np.bool_)

    def __len__(self) -> int:
        return len(self.ids)

    def put(self, row: IndexRow) -> None:
        at = self._rows.get(row.product_id)
        if at is None:
            at = len(self.ids)
            if at == len(self._vectors):
                self._grow()
            self.ids.append(row.product_id)
            self._rows[row.product_id] = at
        self._vectors[at] = row.vector
        self._codes[:, at] = (
            self._brands.code(row.brand),
            self._categories.code(row.category),
            self._currencies.code(row.currency),
            self._audiences.code(row.audience),
        )
        self._prices[at] = NO_PRICE if row.price_micros is None else row.price_micros
        self._in_stock[at] = row.in_stock

    def remove(self, product_id: str) -> None:
        """The last row moves into the hole, so that the rows stay contiguous."""
        at = self._rows.pop(product_id, None)
        if at is None:
            return
        last = len(self.ids) - 1
        if at != last:
            for column in (self._vectors, self._prices, self._in_stock):
                column[at] = column[last]
            self._codes[:, at] = self._codes[:, last]
            self.ids[at] = self.ids[last]
            self._rows[self.ids[at]] = at
        self.ids.pop()

    def vector(self, product_id: str) -> NDArray[np.float32] | None:
        at = self._rows.get(product_id)
        return None if at is None else self._vectors[at].copy()

    def scores(self, vectors: NDArray[np.float32], where: IndexFilter) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Row numbers that pass the filter and their scores, one line a query vector."""
        count = len(self.ids)
        mask = self._mask(where)
        if mask is None:
            return np.arange(count), vectors @ self._vectors[:count].T
        rows = np.flatnonzero(mask)
        if len(rows) < count * GATHER_BELOW:
            return rows, vectors @ self._vectors[rows].T
        return rows, (vectors @ self._vectors[:count].T)[:, rows]

    def _mask(self, where: IndexFilter) -> NDArray[np.bool_] | None:
        """Which rows pass; None for all."""
        count = len(self.ids)
        tests: list[NDArray[np.bool_]] = []
        brand, category, currency, audience = self._codes[:, :count]
        if where.brand:
            tests.append(self._brands.accepted(where.brand)[brand])
        if where.category:
            tests.append(self._categories.accepted(where.category, below=True)[category])
        if where.currency is not None:
            tests.append(self._currencies.accepted([where.currency])[currency])
        if where.audience:
            tests.append(self._audiences.accepted(where.audience)[audience])
        if where.in_stock is not None:
            tests.append(self._in_stock[:count] == where.in_stock)
        prices = self._prices[:count]
        if where.price_min_micros is not None:
            tests.append(prices >= max(where.price_min_micros, NO_PRICE + 1))
        if where.price_max_micros is not None:
            tests.append((prices <= where.price_max_micros) & (prices != NO_PRICE))
        excluded = [self._rows[item] for item in where.exclude_product_ids if item in self._rows]
        if not tests and not excluded:
            return None
        mask: NDArray[np.bool_] = np.logical_and.reduce(tests) if tests else np.ones(count, np.bool_)
        mask[excluded] = False
        return mask

    def _grow(self) -> None:
        # numpy leaves the new half untouched: it costs address space, not memory, until rows fill it
        for name in ("_vectors", "_prices", "_in_stock"):
            old = getattr(self, name)
            new = np.empty((2 * len(old), *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)
        old = self._codes
        self._codes = np.empty((4, 2 * old.shape[1]), old.dtype)
        self._codes[:, : old.shape[1]] = old
