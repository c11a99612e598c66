"""Blobs out and in, cut into pieces: a picture is one piece, a film many. Resized copies stay behind; they are made
again when somebody asks for them."""

import itertools
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import pyarrow as pa

from api.kit.blobs import BlobNotFound, BlobStore
from workers.moving.parts import BLOBS, Part

PIECE_BYTES = 4 * 1024**2
PIECES_A_BATCH = 256
AT_ONCE = 8  # a bucket answers one request in milliseconds, but many at a time
DERIVED = "resized/"
Piece = tuple[str, bool, bytes]
SCHEMA = pa.schema([("key", pa.string()), ("last", pa.bool_()), ("data", pa.binary())])


def part_of(blobs: BlobStore) -> Part:
    """Every blob that is not derived."""
    return Part(BLOBS, SCHEMA, _read(blobs))


def finished(batch: "pa.RecordBatch") -> int:
    """How many blobs end in this batch."""
    return int(pa.compute.sum(batch.column("last")).as_py() or 0)


def clear(blobs: BlobStore) -> None:
    """Every blob away."""
    for key in list(blobs.keys()):
        blobs.delete(key)


def _read(blobs: BlobStore) -> Iterator["pa.RecordBatch"]:
    batch: list[Piece] = []
    weight = 0
    for piece in _pieces(blobs):
        batch.append(piece)
        weight += len(piece[2])
        if weight >= PIECE_BYTES or len(batch) >= PIECES_A_BATCH:
            yield pa.record_batch([list(column) for column in zip(*batch, strict=True)], schema=SCHEMA)
            batch, weight = [], 0
    if batch:
        yield pa.record_batch([list(column) for column in zip(*batch, strict=True)], schema=SCHEMA)


def _pieces(blobs: BlobStore) -> Iterator[Piece]:
    keys = blobs.keys()
    wanted = (key for key in keys if not key.startswith(DERIVED))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while some := list(itertools.islice(wanted, AT_ONCE)):
            for key, stream, first in pool.map(lambda key: _opened(blobs, key), some):
                if stream is not None:
                    yield from _pieces_of(key, stream, first)


def _opened(blobs: BlobStore, key: str) -> tuple[str, BinaryIO | None, bytes]:
    try:
        stream = blobs.open(key)
        return key, stream, stream.read(PIECE_BYTES)
    except BlobNotFound:  # removed since it was listed: an import that is done needs its feed no more
        return key, None, b""


def _pieces_of(key: str, stream: BinaryIO, data: bytes) -> Iterator[Piece]:
    with stream:
        while True:
            following = stream.read(PIECE_BYTES) if len(data) == PIECE_BYTES else b""
            yield key, not following, data
            if not following:
                return
            data = following


class BlobTaker:
    """Puts pieces together again. A blob appears in the store when its last piece has come."""

    def __init__(self, blobs: BlobStore, scratch: Path) -> None:
        self._blobs = blobs
        self._folder = tempfile.TemporaryDirectory(prefix="moving-", dir=scratch)
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._partial: tuple[str, BinaryIO] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown()
        if self._partial is not None:
            self._partial[1].close()
        self._folder.cleanup()

    def add(self, batch: "pa.RecordBatch") -> None:
        """Take pieces, in order."""
        whole = []
        for piece in batch.to_pylist():
            if self._partial is None and piece["last"]:
                whole.append(self._pool.submit(self._blobs.put, piece["key"], piece["data"]))
            else:
                self._append(piece["key"], piece["data"], last=piece["last"])
        for put in whole:
            put.result()  # ValueError for a key that would leave the store

    def _append(self, key: str, data: bytes, *, last: bool) -> None:
        path = Path(self._folder.name) / "blob"
        if self._partial is None:
            self._partial = key, path.open("wb")
        started, file = self._partial
        if started != key:
            raise ValueError(f"the blob {started} has no end")
        file.write(data)
        if last:
            file.close()
            self._partial = None
            self._blobs.put_file(key, path)
