"""The folder in which the embedded index keeps its rows between two starts: one process at a time, one kind of rows at
a time (those of another embedder compare with nothing), a folder a catalog."""

import fcntl
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


class FolderTaken(OSError):
    """Another process has it."""


class IndexFolder:
    """`path` changes when a folder takes over from another. Opening raises OSError."""

    def __init__(self, root: Path, kind: str) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for other in root.iterdir():  # of another embedder, or from a replacement that broke off
                if other.is_dir() and other.name != kind:
                    shutil.rmtree(other)
            self.path = root / kind
            self.path.mkdir(mode=0o700, exist_ok=True)
        except BlockingIOError as error:
            os.close(self._lock)
            raise FolderTaken(f"another process uses {root}") from error
        except OSError:
            os.close(self._lock)
            raise

    def holds(self, catalog_id: str) -> bool:
        """Whether a catalog of this name can be kept here."""
        return PLAIN_NAME.fullmatch(catalog_id) is not None

    def catalog_ids(self) -> list[str]:
        """What is here."""
        return sorted(item.name for item in self.path.iterdir() if item.is_dir() and self.holds(item.name))

    def erase(self, catalog_id: str) -> None:
        """Whatever remains is found to be too much at the next start."""
        with suppress(OSError):
            shutil.rmtree(self.path / catalog_id)

    def beside(self) -> "Beside":
        """An empty folder that may take this one's place. Raises OSError."""
        return Beside(self.path.with_suffix(".new"))

    def replace_by(self, other: "Beside") -> None:
        """The other's rows are this folder's from now on. Killed in between, there are none at the next start."""
        old = self.path.with_suffix(".old")
        self.path.rename(old)
        other.path.rename(self.path)
        other.path = self.path
        shutil.rmtree(old, ignore_errors=True)

    def close(self) -> None:
        """Another process may have it."""
        os.close(self._lock)


class Beside(IndexFolder):
    """A folder under the lock of the one that it is to replace."""

    def __init__(self, path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        self.path = path

    def close(self) -> None:
        """It broke off."""
        shutil.rmtree(self.path, ignore_errors=True)
