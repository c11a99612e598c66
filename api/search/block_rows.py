"""Where the rows of a catalog's block lie: in memory, or in files (block_files.py)."""

from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

MAX_ID_BYTES = 64
TEXTS = ("brand", "category", "currency", "audience", "pattern", "colours")  # columns whose values are numbered terms
# what a row has beside its vector; `check` is over all of it
RECORD = np.dtype(
    [
        ("id", f"S{MAX_ID_BYTES}"),
        ("check", "<u8"),
        ("stamp", "<i8"),
        ("price", "<i8"),
        ("colours", "<u8"),
        ("brand", "<i4"),
        ("category", "<i4"),
        ("currency", "<i4"),
        ("audience", "<i4"),
        ("pattern", "<i4"),
        ("scale", "<f4"),
        ("slack", "<f4"),
        ("in_stock", "?"),
        ("spare", "V3"),
    ]
)
COLUMNS = tuple(name for name in RECORD.names or () if name not in {"id", "check", "spare"})
FIRST_CAPACITY = 64
T = TypeVar("T", bound=np.generic)


class BlockRows(Protocol):
    """`codes` (n, dim) holds at least as many rows as were written. Everything may raise OSError; a write may then be
    half done."""

    codes: NDArray[np.int8]

    def full(self, places: NDArray[np.intp]) -> NDArray[np.float32]:
        """A copy of the vectors (n, dim) of these rows."""

    def write(
        self, places: NDArray[np.intp], vectors: NDArray[np.float32], codes: NDArray[np.int8], records: NDArray[np.void]
    ) -> None:
        """Put rows where others are or behind the last."""

    def cut(self, count: int) -> None:
        """Forget all rows from this one on."""

    def note(self, column: str, text: str) -> None:
        """Keep a new term of a column, before rows that have it are written."""

    def erase(self) -> None:
        """Let nothing remain."""


class RowsInMemory:
    def __init__(self, dim: int) -> None:
        self._vectors = np.empty((FIRST_CAPACITY, dim), np.float32)
        self.codes = np.empty((FIRST_CAPACITY, dim), np.int8)

    @classmethod
    def copied(cls, rows: BlockRows, count: int) -> "RowsInMemory":
        """The first `count` rows of others."""
        made = cls(rows.codes.shape[1])
        made._vectors, made.codes = rows.full(np.arange(count)), rows.codes[:count].copy()
        return made

    def full(self, places: NDArray[np.intp]) -> NDArray[np.float32]:
        return self._vectors.take(places, axis=0)

    def write(
        self, places: NDArray[np.intp], vectors: NDArray[np.float32], codes: NDArray[np.int8], records: NDArray[np.void]
    ) -> None:
        last = int(places.max(initial=-1))
        self._vectors, self.codes = grown(self._vectors, last), grown(self.codes, last)
        self._vectors[places], self.codes[places] = vectors, codes

    def cut(self, count: int) -> None:
        """Nothing but the count knows of them."""

    def note(self, column: str, text: str) -> None:
        """They are held by the block itself."""

    def erase(self) -> None:
        """They go with the block."""


def grown(array: NDArray[T], last: int) -> NDArray[T]:
    """The array, or one twice as long or more with the same beginning, if it has no place for `last`."""
    if last < len(array):
        return array
    # numpy leaves the rest untouched: it costs address space, not memory, until rows fill it
    new = np.empty((max(2 * len(array), last + 1), *array.shape[1:]), array.dtype)
    new[: len(array)] = array
    return new
