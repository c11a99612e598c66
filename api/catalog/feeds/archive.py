"""ZIP feeds: one feed and its pictures, read in place. Nothing is ever unpacked to disk, so no entry's name can lead
anywhere; sizes, counts and ratios are bounded before and while reading."""

import io
import lzma
import posixpath
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from api.catalog.feeds.rows import FeedUnreadable

MAX_ENTRIES = 200_000
_MAX_DIRECTORY_BYTES = 64 * 1024**2
_MAX_RATIO = 200
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".bmp", ".tif", ".tiff", ".heic")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENCRYPTED = 0x1
# what zipfile and the decompressors raise for made-up offsets, sizes and streams
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError, struct.error)


class PictureMissing(Exception):
    """A picture that the archive does not have or that cannot be taken from it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class FeedArchive:
    """An open ZIP: its candidates for the feed, and its pictures by path relative to the feed."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._zip = archive
        self._entries = {info.filename.replace("\\", "/"): info for info in archive.infolist() if not info.is_dir()}
        self._folder = ""

    def candidates(self) -> list[str]:
        """Names of entries that may be the feed: no pictures, nothing hidden."""
        return [name for name in self._entries if not name.lower().endswith(_PICTURES) and not _hidden(name)]

    def set_feed(self, name: str) -> None:
        """From now on picture paths are relative to this entry's folder."""
        self._folder = posixpath.dirname(name)

    @contextmanager
    def open(self, name: str, max_bytes: int) -> Iterator[BinaryIO]:
        """One entry's bytes as a stream; FeedUnreadable for links, encrypted and oversized ones."""
        info = self._entries[name]
        if problem := _problem(info, max_bytes):
            raise FeedUnreadable(f"{name[:100]} in the ZIP {problem}")
        try:
            stream = self._zip.open(info)
        except _DAMAGE as error:
            raise FeedUnreadable(f"{name[:100]} in the ZIP is damaged: {error}") from error
        with stream:
            yield io.BufferedReader(_ReadErrors(stream))

    def resolve(self, link: str) -> tuple[str, str]:
        """(entry name, fingerprint of its bytes) of a row's `image_link`; raises PictureMissing."""
        plain = link.replace("\\", "/").strip()
        for text in dict.fromkeys((plain, unquote(plain))):
            if text.startswith("/") or ":" in text.split("/")[0]:
                raise PictureMissing("is an absolute path; pictures in a ZIP are named relative to the feed")
            name = posixpath.normpath(posixpath.join(self._folder, text))
            if name.startswith("../") or name == "..":
                raise PictureMissing("leads out of the ZIP")
            if info := self._entries.get(name):
                return name, f"{info.CRC:08x}-{info.file_size}"
        raise PictureMissing("is not in the ZIP")

    def picture(self, name: str, max_bytes: int) -> bytes:
        """The bytes of a picture; raises PictureMissing."""
        info = self._entries.get(name)
        if info is None:
            raise PictureMissing("is not in the ZIP")
        if problem := _problem(info, max_bytes):
            raise PictureMissing(problem)
        try:
            return self._zip.read(info)
        except _DAMAGE as error:
            raise PictureMissing("is damaged in the ZIP") from error


class _ReadErrors(io.RawIOBase):
    """Turns what zipfile raises while reading into FeedUnreadable, where a plain reader would show a traceback."""

    def __init__(self, stream: object) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data: bytes = self._stream.read(len(buffer))  # type: ignore[attr-defined]
        except _DAMAGE as error:
            raise FeedUnreadable(f"the file is damaged: {error}") from error
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def open_archive(path: Path) -> Iterator[FeedArchive]:
    """Open a ZIP after a look at how much directory it claims to have."""
    _check_directory(path)
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise FeedUnreadable(f"the ZIP is damaged: {error}") from error
    with archive:
        yield FeedArchive(archive)


def _check_directory(path: Path) -> None:
    """zipfile loads the whole directory into memory, so its size is read from the end record first."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = max(0, size - 65_557 - 20)
        file.seek(start)
        tail = file.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) - at < _END.size:
            raise FeedUnreadable("the ZIP breaks off: its directory is missing")
        _, _, _, _, entries, directory_bytes, _, _ = _END.unpack_from(tail, at)
        locator = tail[at - 20 : at] if at >= 20 else b""
        if locator.startswith(b"PK\x06\x07"):
            file.seek(min(struct.unpack_from("<Q", locator, 8)[0], size))
            record = file.read(_END64.size)
            if len(record) < _END64.size:
                raise FeedUnreadable("the ZIP is damaged: its 64-bit directory is missing")
            *_, entries, directory_bytes, _ = _END64.unpack(record)
    if entries > MAX_ENTRIES or directory_bytes > _MAX_DIRECTORY_BYTES:
        raise FeedUnreadable(f"the ZIP has more than {MAX_ENTRIES} entries")


def _problem(info: zipfile.ZipInfo, max_bytes: int) -> str | None:
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link, not a file"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.file_size > max_bytes:
        return f"is larger than {max_bytes} bytes"
    if info.file_size > 1024**2 and info.file_size > _MAX_RATIO * max(info.compress_size, 1):
        return "is packed too tightly to be a feed or a picture"
    return None


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
