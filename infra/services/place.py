"""Where services live: programs under `installed`, and a folder each for ports, log, pid file and data."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Place:
    """One set of services. Two places never meet: other ports, other data, other processes."""

    root: Path
    installed: Path

    @classmethod
    def default(cls) -> "Place":
        """`.services` of the repository, or SHOPLIGHT_SERVICES_DIR."""
        root = Path(os.environ.get("SHOPLIGHT_SERVICES_DIR") or REPO / ".services").resolve()
        return cls(root, root / "installed")

    @classmethod
    def beside(cls, root: Path) -> "Place":
        """A place of its own that shares the installed programs, for a test that kills servers."""
        return cls(root.resolve(), cls.default().installed)

    def of(self, name: str) -> Path:
        """The folder of one service, made when missing."""
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        ignore = self.root / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
        return folder

    @property
    def digest(self) -> str:
        """A short name of this place, for what has to live outside of it."""
        return hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
