"""What is worn together, learnt from street photos by workers/training/outfits.py: how often two parts of an outfit are
seen on one person, and which looks of the one go with which of the other.

The second is a low-rank bilinear form over the embedder's vectors, so what goes best with a vector is found by an
ordinary search of the index with another vector."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api.search.outfits import Slot

log = logging.getLogger(__name__)
FILE = Path(__file__).with_name("worn_together.npz")
LEAST_TOGETHER = 0.02  # where the photos say nothing: jewellery is too small on them to be seen


@dataclass(frozen=True, eq=False)
class WornTogether:
    """`together[a, b]`: of those who wear a, the share that wears b. `means` (slots, dim), `axes` (dim, rank) and
    `weights` (rank) belong to one embedder; None where the file was made for another."""

    slots: tuple[str, ...]
    together: NDArray[np.float32]
    means: NDArray[np.float32] | None = None
    axes: NDArray[np.float32] | None = None
    weights: NDArray[np.float32] | None = None

    def share(self, own: Slot, other: Slot) -> float:
        """How usual `other` is beside `own`, 0..1."""
        if own not in self.slots or other not in self.slots:
            return LEAST_TOGETHER
        return max(LEAST_TOGETHER, float(self.together[self.slots.index(own), self.slots.index(other)]))

    def beside(self, vector: NDArray[np.float32], own: Slot) -> NDArray[np.float32]:
        """The unit vector whose neighbours go with a thing of slot `own` that looks like `vector`; the vector itself
        where nothing was learnt: then what looks alike goes together."""
        if self.means is None or self.axes is None or self.weights is None or own not in self.slots:
            return vector
        place = (vector - self.means[self.slots.index(own)]) @ self.axes
        found = self.axes @ (self.weights * place)
        length = float(np.linalg.norm(found))
        return np.asarray(found / length, np.float32) if length > 0 else vector


def load_worn_together(embedder_version: str, dim: int, file: Path = FILE) -> WornTogether:
    """What the file says to this embedder. Without a file the slots' order is that of outfits.py."""
    if not file.is_file():
        return WornTogether((), np.zeros((0, 0), np.float32))
    with np.load(file, allow_pickle=False) as held:
        slots = tuple(str(name) for name in held["slots"])
        together = held["together"].astype(np.float32)
        means, axes, weights = (held[name].astype(np.float32) for name in ("means", "axes", "weights"))
        version = str(held["embedder_version"])
    if version != embedder_version or means.shape != (len(slots), dim):
        log.info("%s was learnt with another embedder (%s): looks decide what goes together", file.name, version)
        return WornTogether(slots, together)
    return WornTogether(slots, together, means, axes, weights)
