"""Turning pictures and parts of them into vectors: one ONNX model. Its JSON description says how it is fed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from api.vision.calibration import ExactCard
from api.vision.crops import Pixels
from api.vision.feeding import Feeding
from api.vision.glances import glances
from api.vision.picture import WHOLE, Box, Picture
from api.vision.runtime import Card, ModelUnusable, description, served, session

# A box gets a little more on each side: detectors cut things off, and what lies around harms less (decision 0015).
AROUND = 0.15
# how boxes and whole pictures are looked at is part of what vectors mean
GLANCING = f"glances 1 {AROUND}".encode()


class EmbedderInput(Feeding, frozen=True, kw_only=True):
    side: int


class EmbedderOutput(msgspec.Struct, frozen=True):
    dimensions: int


class EmbedderCard(Card, frozen=True, kw_only=True):
    """What embedder.json must say; further fields are for people."""

    exact_threshold: float
    input: EmbedderInput
    output: EmbedderOutput
    similar_floor: float = 0.0  # the cosine under which two things no longer look alike; 0: not calibrated
    exact: ExactCard | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture for the embedder: which box it is of, and how much it weighs in that one's vector."""

    box: int
    pixels: Pixels
    weight: float


def squared(pixels: NDArray[np.uint8], side: int, padding: int) -> NDArray[np.uint8]:
    """Centred on a square and scaled to `side`, exactly as the embedder's training did it."""
    height, width = pixels.shape[:2]
    longest = max(height, width)
    top, left = (longest - height) // 2, (longest - width) // 2
    bottom, right = longest - height - top, longest - width - left
    framed = cv2.copyMakeBorder(
        pixels, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(padding, padding, padding)
    )
    sampling = cv2.INTER_AREA if longest > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(framed, (side, side), interpolation=sampling), np.uint8)


def content_version(path: Path, fed: bytes) -> str:
    """Names the vectors that this file makes when it is fed so: another model or another crop, another version."""
    try:
        digest = hashlib.sha256(path.read_bytes() + fed).hexdigest()
    except OSError as error:
        raise ModelUnusable(f"{path}: {error}") from error
    return f"{path.stem}-{digest[:16]}"


class Embedder:
    """Thread-safe."""

    def __init__(self, path: Path, threads: int, precision: str = "default") -> None:
        self._threads = threads
        self.card = description(path, EmbedderCard)
        self._path = served(path, self.card, precision)
        self.version = content_version(self._path, msgspec.json.encode(self.card.input) + GLANCING)

    def load(self) -> None:
        """Now instead of at first use."""
        session(self._path, self._threads)

    def embed(self, picture: Picture, boxes: Sequence[Box] | None) -> NDArray[np.float32]:
        """One unit vector a box, shape (n, dim); None means the whole picture, which gets several glances."""
        looks = self.looks(picture, boxes)
        return self.joined(looks, [self.seen(look) for look in looks])

    def looks(self, picture: Picture, boxes: Sequence[Box] | None) -> list[Look]:
        """What is to be seen for the vectors of these boxes."""
        rows, columns = picture.pixels.shape[:2]
        found = []
        for number, box in enumerate([WHOLE] if boxes is None else boxes):
            left, top, right, bottom = box.grown(AROUND).within(columns, rows)
            crop = picture.pixels[top:bottom, left:right]
            parts = glances(crop) if box == WHOLE else [(crop, 1.0)]
            found += [Look(number, pixels, weight) for pixels, weight in parts]
        return found

    def seen(self, look: Look) -> NDArray[np.float32]:
        """The vector of one look, shape (dim). One a run: more at once need 20 MB each and are no faster."""
        wanted = self.card.input
        tensor = wanted.batch(1, wanted.side, wanted.side)
        wanted.put(tensor[0], squared(look.pixels, wanted.side, wanted.padding))
        [vector] = session(self._path, self._threads).run(None, {wanted.name: tensor})[0]
        return _unit(np.asarray(vector, np.float32))

    def joined(self, looks: Sequence[Look], vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The unit vectors of the boxes from those of the looks."""
        found = np.zeros((looks[-1].box + 1 if looks else 0, self.card.output.dimensions), np.float32)
        for look, vector in zip(looks, vectors, strict=True):
            found[look.box] += look.weight * vector
        return _unit(found)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
