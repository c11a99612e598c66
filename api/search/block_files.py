"""One catalog's rows in files: codes mapped into memory, vectors read where they are needed (mapped, each would count
as 64 KiB of the process's memory), a record a row beside them, and the terms.

All of it can be had from the database again, so nothing here is ever flushed or locked on its way. Instead each row
carries a sum over all that it consists of: a write that a killed process left half done, a page that a power cut took,
or a disk that forgets, spoils single rows, which are found at the next start and read anew. Files are written with
`pwrite`, so that a full disk is an error and not the end of the process."""

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from api.search.block_rows import RECORD, TEXTS
from api.search.index_folder import IndexFolder
from api.search.mapping import mapped

LAYOUT = 1
READ_ROWS = 8192
FIRST_ROWS = 256
WEIGHT = 0x9E3779B97F4A7C15  # odd, as every weight must be: no single word can then change and the sum not
FILES = ("vectors", "codes", "rows")


class Loaded(NamedTuple):
    """What was found: records, whether each is whole, by column the terms in the order of their numbers, and what no
    vector is longer than."""

    records: NDArray[np.void]
    whole: NDArray[np.bool_]
    terms: dict[str, list[str]]
    longest: float


class RowsInFiles:
    """BlockRows. Made empty or `load`ed."""

    def __init__(self, folder: IndexFolder, catalog_id: str, dim: int) -> None:
        self._folder = folder
        self._catalog_id = catalog_id
        self._dim = dim
        self.codes = np.empty((0, dim), np.int8)

    @property
    def _path(self) -> Path:
        return self._folder.path / self._catalog_id  # the folder may be renamed

    def full(self, places: NDArray[np.intp]) -> NDArray[np.float32]:
        found = np.empty((len(places), self._dim), np.float32)
        if not len(places):
            return found
        octets, size = found.data.cast("B"), 4 * self._dim
        with (self._path / "vectors").open("rb", buffering=0) as file:
            for at, place in enumerate(places.tolist()):
                if os.preadv(file.fileno(), [octets[at * size : (at + 1) * size]], place * size) != size:
                    raise OSError("the index's vectors are cut short")
        return found

    def load(self) -> Loaded:
        """Everything, every byte looked at. Raises OSError."""
        terms = self._terms()
        with self._opened() as files:
            sizes = [os.fstat(file).st_size for file in files]
            count = min(sizes[0] // (4 * self._dim), sizes[1] // self._dim, sizes[2] // RECORD.itemsize)
            os.ftruncate(files[2], count * RECORD.itemsize)
            records, whole, longest = np.empty(count, RECORD), np.zeros(count, np.bool_), 0.0
            for start in range(0, count, READ_ROWS):
                part = slice(start, min(start + READ_ROWS, count))
                rows = part.stop - start
                # read, not mapped: what nobody searches need not stay in memory
                vectors = np.frombuffer(_read(files[0], start, rows, 4 * self._dim), "<f4").reshape(rows, self._dim)
                codes = np.frombuffer(_read(files[1], start, rows, self._dim), np.int8).reshape(rows, self._dim)
                records[part] = np.frombuffer(_read(files[2], start, rows, RECORD.itemsize), RECORD)
                whole[part] = records["check"][part] == _checks(vectors, codes, records[part])
                with np.errstate(all="ignore"):  # of rows that are not whole
                    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors)) + records["slack"][part]
                longest = max(longest, float(lengths[whole[part]].max(initial=0)))
            self._cover(files[1], count)
        return Loaded(records, whole & (records["id"] != b""), terms, longest)

    def write(
        self, places: NDArray[np.intp], vectors: NDArray[np.float32], codes: NDArray[np.int8], records: NDArray[np.void]
    ) -> None:
        if not len(places):
            return
        order = np.argsort(places)
        places, records = places[order], records[order]
        columns = (vectors[order].astype("<f4", copy=False), codes[order], records)
        records["check"] = _checks(*columns)
        with self._opened() as files:
            self._cover(files[1], int(places[-1]) + 1)
            breaks = np.flatnonzero(np.diff(places) != 1) + 1
            for run in np.split(np.arange(len(places)), breaks):
                for file, column in zip(files, columns, strict=True):  # the record last
                    part = column[run[0] : run[-1] + 1]
                    _write(file, part.tobytes(), int(places[run[0]]) * part[0].nbytes)

    def cut(self, count: int) -> None:
        os.truncate(self._path / "rows", count * RECORD.itemsize)

    def note(self, column: str, text: str) -> None:
        line = json.dumps([column, text]).encode()
        self._path.mkdir(mode=0o700, exist_ok=True)
        with (self._path / "terms").open("ab") as file:
            file.write(b"%08x %s\n" % (zlib.crc32(line), line))

    def erase(self) -> None:
        self._folder.erase(self._catalog_id)

    def _terms(self) -> dict[str, list[str]]:
        """Up to the first line that is not whole: rows that name a later one are found to be broken."""
        terms: dict[str, list[str]] = {column: [] for column in TEXTS}
        try:
            data = (self._path / "terms").read_bytes()
        except FileNotFoundError:
            return terms
        whole = 0
        for line in data.splitlines(keepends=True):
            if not line.endswith(b"\n") or line[:8] != b"%08x" % zlib.crc32(line[9:-1]):
                os.truncate(self._path / "terms", whole)
                break
            whole += len(line)
            column, text = json.loads(line[9:])
            terms[column].append(text)
        return terms

    @contextmanager
    def _opened(self) -> Iterator[list[int]]:
        files: list[int] = []
        self._path.mkdir(mode=0o700, exist_ok=True)
        try:
            for name in FILES:
                files.append(os.open(self._path / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # noqa: PERF401 - those opened are closed
            yield files
        finally:
            for file in files:
                os.close(file)

    def _cover(self, file: int, count: int) -> None:
        """Have the codes of at least `count` rows mapped. What lies behind the last one takes no place on the disk."""
        if count <= len(self.codes):
            return
        rows = max(count + count // 4, FIRST_ROWS)
        size = rows * self._dim
        if os.fstat(file).st_size < size:
            os.ftruncate(file, size)
        self.codes = mapped(file, size).view(np.int8).reshape(rows, self._dim)


def _checks(vectors: NDArray[np.float32], codes: NDArray[np.int8], records: NDArray[np.void]) -> NDArray[np.uint64]:
    """A weighted sum over the words of each row, its own place left out."""
    plain = records.copy()
    plain["check"] = 0
    total = np.full(len(records), WEIGHT, np.uint64)
    first = 0
    for part in (vectors, codes, plain):
        words = _words(part)
        weights = np.uint64(WEIGHT) * (2 * np.arange(first, first + words.shape[1], dtype=np.uint64) + np.uint64(1))
        total += np.einsum("ij,j->i", words, weights)
        first += words.shape[1]
    return total


def _words(rows: NDArray[np.generic]) -> NDArray[np.uint64]:
    octets = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    if octets.shape[1] % 8:
        octets = np.pad(octets, ((0, 0), (0, -octets.shape[1] % 8)))
    return octets.view("<u8")


def _read(file: int, start: int, rows: int, row_bytes: int) -> bytes:
    data, wanted = bytearray(), rows * row_bytes
    while len(data) < wanted:
        part = os.pread(file, wanted - len(data), start * row_bytes + len(data))
        if not part:
            raise OSError("a file of the index became shorter while it was read")
        data += part
    return bytes(data)


def _write(file: int, data: bytes, at: int) -> None:
    left = memoryview(data)
    while left:
        done = os.pwrite(file, left, at)
        left, at = left[done:], at + done
