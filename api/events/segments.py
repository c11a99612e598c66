"""The spool's files: framed records in append-only segments named by the offset of their first byte.

A frame is length (u32), CRC-32 over length and payload (u32), payload. A torn or rotten frame never parses.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from api.events.log import MAX_RECORD_BYTES

_HEAD = struct.Struct("<II")
_LENGTH = struct.Struct("<I")
CHUNK_BYTES = 16 * 1024**2
SUFFIX = ".seg"


def frame(payload: bytes) -> bytes:
    """A record as it lies in the file."""
    if len(payload) > MAX_RECORD_BYTES:
        raise ValueError(f"a record has at most {MAX_RECORD_BYTES} bytes")
    length = _LENGTH.pack(len(payload))
    return length + _LENGTH.pack(zlib.crc32(payload, zlib.crc32(length))) + payload


def frames(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(start, end, payload) of the whole and sound frames from the beginning of `data`; stops at the first other."""
    at = 0
    while at + _HEAD.size <= len(data):
        length, crc = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + length
        if length > MAX_RECORD_BYTES or end > len(data):
            return
        payload = data[at + _HEAD.size : end]
        if zlib.crc32(payload, zlib.crc32(data[at : at + 4])) != crc:
            return
        yield at, end, payload
        at = end


def path_of(folder: Path, base: int) -> Path:
    """Zero-padded, so that names sort as offsets do."""
    return folder / f"{base:020d}{SUFFIX}"


def bases_in(folder: Path) -> list[int]:
    """The first offsets of the segments, ascending."""
    return sorted(int(path.stem) for path in folder.glob(f"*{SUFFIX}"))


def read_chunk(folder: Path, base: int, offset: int, limit: int) -> bytes:
    """Up to CHUNK_BYTES of a segment from `offset`, not beyond `limit` (both are offsets of the log)."""
    with path_of(folder, base).open("rb") as file:
        file.seek(offset - base)
        return file.read(min(CHUNK_BYTES, limit - offset))


def cut_torn_tail(folder: Path, base: int) -> int:
    """Make a segment end with its last sound frame; the rest is kept beside it as `.torn`. Returns the end's offset."""
    path = path_of(folder, base)
    size, sound = path.stat().st_size, base
    while sound - base < size:
        chunk = read_chunk(folder, base, sound, base + size)
        last = max((end for _, end, _ in frames(chunk)), default=0)
        if last == 0:
            path.with_suffix(f".{sound}.torn").write_bytes(chunk)
            break
        sound += last
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.ftruncate(descriptor, sound - base)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return sound


def create(folder: Path, base: int) -> int:
    """A new, empty, durable segment; returns its descriptor, open for appending."""
    descriptor = os.open(path_of(folder, base), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fsync(descriptor)
    sync_folder(folder)
    return descriptor


def sync_folder(folder: Path) -> None:
    """Make names durable: a file's own fsync does not cover its directory entry."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
