"""The distinct values of the index's text columns, numbered: what filters compare instead of text."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

NO_TERM = 0
MOST_BITS = 64


class Terms:
    """Numbers count from 1; 0 stands for none. `note` is told of each new one before it counts."""

    def __init__(self, key: Callable[[str], str], note: Callable[[str], None]) -> None:
        self._key = key
        self._note = note
        self._codes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._codes)

    def take(self, keys: Iterable[str]) -> None:
        """Begin with these, in the order of their numbers, as `note` was told of them."""
        for key in keys:
            self._codes.setdefault(key, len(self._codes) + 1)

    def code(self, value: str | None) -> int:
        """The number of a value, a new one where it has none yet."""
        if value is None:
            return NO_TERM
        key = self._key(value)
        found = self._codes.get(key)
        if found is None:
            self._note(key)
            found = self._codes[key] = len(self._codes) + 1
        return found

    def passing(self, column: NDArray[np.int32], wanted: Iterable[str], *, below: bool = False) -> NDArray[np.bool_]:
        """Where a column of numbers holds one of `wanted` (or, with `below`, a category under one of them)."""
        codes: set[int] = set()
        for key in map(self._key, wanted):
            if below:
                codes.update(code for term, code in self._codes.items() if term.startswith(key + " > "))
            codes.add(self._codes.get(key, NO_TERM))
        codes.discard(NO_TERM)
        if len(codes) == 1:  # many times as fast
            same: NDArray[np.bool_] = column == codes.pop()
            return same
        table = np.zeros(len(self._codes) + 1, np.bool_)
        table[list(codes)] = True
        return table[column]

    def bits(self, values: Sequence[str]) -> int:
        """A set of values as a mask, for columns of few distinct ones; those beyond the 64th are not held."""
        codes = map(self.code, values)
        return sum(1 << (code - 1) for code in set(codes) if code <= MOST_BITS)

    def mask(self, wanted: Iterable[str]) -> int:
        """The bits of those of `wanted` that are known."""
        codes = (self._codes.get(self._key(value), MOST_BITS + 1) for value in wanted)
        return sum(1 << (code - 1) for code in set(codes) if code <= MOST_BITS)
