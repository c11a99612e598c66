"""Bytes by key: uploaded feeds, product pictures, resized copies. The folder side; S3 joins it behind the same port."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol


class BlobNotFound(KeyError):
    """No blob of that key."""


class BlobStore(Protocol):
    """What every store of blobs can do. A blob appears whole or not at all."""

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


class FolderBlobs:
    """Blobs as files under one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def _file(self, key: str) -> Path:
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root.resolve()):
            raise ValueError(f"blob key leaves the store: {key!r}")
        return path

    def put(self, key: str, data: bytes) -> None:
        """Store `data` under `key`, replacing what was there."""
        target = self._file(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)

    def put_file(self, key: str, path: Path) -> None:
        """Move the file under `key`."""
        target = self._file(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
        shutil.move(path, partial)
        partial.replace(target)

    def get(self, key: str) -> bytes:
        """The bytes; raises BlobNotFound."""
        with self.open(key) as file:
            return file.read()

    def open(self, key: str) -> BinaryIO:
        """A readable, seekable stream; raises BlobNotFound."""
        try:
            return self._file(key).open("rb")
        except FileNotFoundError as error:
            raise BlobNotFound(key) from error

    @contextmanager
    def path(self, key: str) -> Iterator[Path]:
        """The file itself."""
        file = self._file(key)
        if not file.is_file():
            raise BlobNotFound(key)
        yield file

    def delete(self, key: str) -> None:
        """Remove; nothing happens when it is not there."""
        self._file(key).unlink(missing_ok=True)

    def exists(self, key: str) -> bool:
        """Whether `get` would find it."""
        return self._file(key).is_file()
