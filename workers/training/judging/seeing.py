"""Decodes and embeds pictures for judging with the very code that serves; raw vectors, for other distances' sake."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from api.settings import VisionSettings
from api.vision.embedder import EmbedderCard, EmbedderInput, squared
from api.vision.errors import PictureError
from api.vision.picture import WHOLE, Box, Picture
from api.vision.runtime import description, served, session
from api.vision.service import Eyes

MAX_PICTURE_BYTES = 100_000_000
AT_ONCE = 8

Tick = Callable[[int], None]
Precision = Literal["default", "fp32", "int8"]


@dataclass(frozen=True)
class Item:
    """A picture, or a box of it, and what it shows."""

    path: Path
    name: str
    box: Box = WHOLE


@dataclass(frozen=True)
class Seen:
    """Vectors as the network gives them, a row for each item that could be read; the others with their reason."""

    items: list[Item]
    vectors: NDArray[np.float32]
    unread: list[tuple[Item, str]]


@dataclass(frozen=True)
class Models:
    """The files that are judged, as the settings name them; cards lie beside them."""

    detector: Path
    embedder: Path
    threads: int = 2
    precision: Precision = "default"

    def eyes(self) -> Eyes:
        """The service on these files. Raises ModelUnusable where one of them is not what its card says."""
        settings = VisionSettings(
            detector=self.detector, embedder=self.embedder, threads=self.threads, precision=self.precision
        )
        return Eyes(settings, MAX_PICTURE_BYTES)


def see(eyes: Eyes, model: Path, items: Sequence[Item], terms: Models, tick: Tick | None = None) -> Seen:
    """Decoded as an upload is, cropped and scaled as a detection is. `model` may be another than the eyes' own."""
    card = description(model, EmbedderCard)
    file = served(model, card, terms.precision if model == terms.embedder else "default")
    good: list[Item] = []
    unread: list[tuple[Item, str]] = []
    waiting: list[NDArray[np.uint8]] = []
    rows: list[NDArray[np.float32]] = []

    def flush() -> None:
        if waiting:
            rows.append(_run(file, card.input, waiting, terms.threads))
            waiting.clear()

    for done, item in enumerate(items, 1):
        try:
            picture = eyes.decode(item.path.read_bytes())
        except (PictureError, OSError) as error:
            unread.append((item, str(error)))
            continue
        good.append(item)
        waiting.append(crop(picture, item.box, card))
        if len(waiting) == AT_ONCE:
            flush()
        if tick:
            tick(done)
    flush()
    return Seen(good, np.concatenate(rows) if rows else np.empty((0, card.output.dimensions), np.float32), unread)


def crop(picture: Picture, box: Box, card: EmbedderCard) -> NDArray[np.uint8]:
    rows, columns = picture.pixels.shape[:2]
    left, top, right, bottom = box.within(columns, rows)
    return squared(picture.pixels[top:bottom, left:right], card.input.side, card.input.padding)


def _run(file: Path, fed: EmbedderInput, crops: Sequence[NDArray[np.uint8]], threads: int) -> NDArray[np.float32]:
    batch = fed.batch(len(crops), fed.side, fed.side)
    for line, pixels in zip(batch, crops, strict=True):
        fed.put(line, pixels)
    return np.asarray(session(file, threads).run(None, {fed.name: batch})[0], np.float32)
