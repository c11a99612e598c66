"""Bytes by key: uploaded feeds and videos, product pictures, resized copies. The port and its folder side; the bucket
side is s3_blobs.py."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from api.errors import Unavailable

LEFTOVER = ".part"  # a blob on its way; no key ends like this
MAX_KEY_BYTES = 1024  # S3's own limit
LEAST_FREE_BYTES = 64 * 1024**2


class BlobNotFound(KeyError):
    """No blob of that key."""


class BlobsUnavailable(Unavailable):
    """The store cannot be reached, refuses us, or is full. An endpoint that meets it answers 503 with Retry-After."""

    code = "blobs_unavailable"

    def __init__(self, reason: str, *, retry_after_s: int = 5) -> None:
        super().__init__("Stored files cannot be reached now; try again soon.", retry_after_s=retry_after_s)
        self.reason = reason  # names buckets, addresses and paths: for the log, not for callers

    def __str__(self) -> str:
        return self.reason


class BlobStore(Protocol):
    """What every store of blobs can do. A blob appears whole or not at all. Each call raises BlobsUnavailable when the
    store cannot serve, and ValueError for a key that is no plain relative path."""

    def put(self, key: str, data: bytes) -> None:
        """Store `data` under `key`, replacing what was there."""
        ...

    def put_file(self, key: str, path: Path) -> None:
        """Store the file's bytes under `key`; the file may be moved away."""
        ...

    def get(self, key: str) -> bytes:
        """The bytes; raises BlobNotFound."""
        ...

    def open(self, key: str) -> BinaryIO:
        """A readable, seekable stream; raises BlobNotFound."""
        ...

    def path(self, key: str) -> AbstractContextManager[Path]:
        """A local path that holds the bytes while the context lasts; raises BlobNotFound."""
        ...

    def delete(self, key: str) -> None:
        """Remove; nothing happens when it is not there."""
        ...

    def exists(self, key: str) -> bool:
        """Whether `get` would find it."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Every key that begins with `prefix`, in no order; what comes or goes meanwhile may be in it or not."""
        ...

    def check(self) -> None:
        """Raises BlobsUnavailable when blobs could not be read and written now."""
        ...


def checked_key(key: str) -> str:
    """The key, when it is a plain relative path on either side; else ValueError."""
    plain = all(part not in {"", ".", ".."} for part in key.split("/"))
    if not plain or "\0" in key or key.endswith(LEFTOVER) or len(key.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"blob key leaves the store: {key!r}")
    return key


class FolderBlobs:
    """Blobs as files under one folder."""

    def __init__(self, root: Path, *, least_free_bytes: int = LEAST_FREE_BYTES) -> None:
        self._root = root
        self._least_free = least_free_bytes
        root.mkdir(parents=True, exist_ok=True)

    def _file(self, key: str) -> Path:
        path = (self._root / checked_key(key)).resolve()
        if not path.is_relative_to(self._root.resolve()):  # a link inside the folder that leads out of it
            raise ValueError(f"blob key leaves the store: {key!r}")
        return path

    def put(self, key: str, data: bytes) -> None:
        """Store `data` under `key`, replacing what was there."""
        with self._landing(key) as partial:
            partial.write_bytes(data)

    def put_file(self, key: str, path: Path) -> None:
        """Move the file under `key`."""
        with self._landing(key) as partial:
            shutil.move(path, partial)

    @contextmanager
    def _landing(self, key: str) -> Iterator[Path]:
        """A file beside the blob's place that takes it once its bytes are on the disk."""
        target = self._file(key)
        partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}{LEFTOVER}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            _sync(partial)
            partial.replace(target)
            _sync(target.parent)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise BlobsUnavailable(f"{key} cannot be written to {self._root}: {error.strerror or error}") from error

    def get(self, key: str) -> bytes:
        """The bytes; raises BlobNotFound."""
        with self.open(key) as file:
            return file.read()

    def open(self, key: str) -> BinaryIO:
        """A readable, seekable stream; raises BlobNotFound."""
        try:
            return self._file(key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise BlobNotFound(key) from error
        except OSError as error:
            raise BlobsUnavailable(f"{key} cannot be read: {error.strerror or error}") from error

    @contextmanager
    def path(self, key: str) -> Iterator[Path]:
        """The file itself."""
        file = self._file(key)
        if not file.is_file():
            raise BlobNotFound(key)
        yield file

    def delete(self, key: str) -> None:
        """Remove; nothing happens when it is not there."""
        file = self._file(key)
        try:
            if file.is_file():
                file.unlink(missing_ok=True)
        except OSError as error:
            raise BlobsUnavailable(f"{key} cannot be removed: {error.strerror or error}") from error

    def exists(self, key: str) -> bool:
        """Whether `get` would find it."""
        return self._file(key).is_file()

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Every key that begins with `prefix`; blobs on their way are none yet."""
        start = self._root / prefix.rpartition("/")[0]
        if ".." in Path(prefix).parts or prefix.startswith("/"):
            return
        for folder, _, names in os.walk(start):
            for name in names:
                key = (Path(folder) / name).relative_to(self._root).as_posix()
                if key.startswith(prefix) and not key.endswith(LEFTOVER):
                    yield key

    def check(self) -> None:
        """Raises BlobsUnavailable when the folder cannot be written or its disk is all but full."""
        probe = self._root / f"check.{secrets.token_hex(4)}{LEFTOVER}"
        try:
            probe.write_bytes(b"\0" * 4096)
            free = shutil.disk_usage(self._root).free
        except OSError as error:
            raise BlobsUnavailable(f"{self._root} cannot be written: {error.strerror or error}") from error
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)
        if free < self._least_free:
            raise BlobsUnavailable(f"the disk of {self._root} has only {free // 1024**2} MiB left")


def _sync(path: Path) -> None:
    """Have a file's bytes, or a folder's names, on the disk: what is answered with 202 survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
