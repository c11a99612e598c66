"""Decodes and embeds pictures for judging with the very code that serves; networks that do not serve give raw vectors,
for other distances' sake."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from api.search.exactness import ColourShares
from api.settings import VisionSettings
from api.vision.embedder import EmbedderCard, squared
from api.vision.errors import PictureError
from api.vision.picture import WHOLE, Box, Picture
from api.vision.runtime import description, session
from api.vision.service import Eyes

MAX_PICTURE_BYTES = 100_000_000

Tick = Callable[[int], None]
Precision = Literal["default", "fp32", "int8"]
Look = Callable[[Picture, Box], NDArray[np.float32]]


@dataclass(frozen=True)
class Item:
    """A picture, or a box of it, and what it shows."""

    path: Path
    name: str
    box: Box = WHOLE


@dataclass(frozen=True)
class Seen:
    """A row of `vectors` for each item that could be read; the others with their reason. `colours` where they were
    asked for."""

    items: list[Item]
    vectors: NDArray[np.float32]
    unread: list[tuple[Item, str]]
    colours: list[ColourShares] = field(default_factory=list)


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


def see(eyes: Eyes, items: Sequence[Item], look: Look, tick: Tick | None = None, *, colours: bool = False) -> Seen:
    """Decoded as an upload is; what cannot be is left out."""
    seen = Seen([], np.empty((0, 0), np.float32), [])
    rows: list[NDArray[np.float32]] = []
    for done, item in enumerate(items, 1):
        try:
            picture = eyes.decode(item.path.read_bytes())
        except (PictureError, OSError) as error:
            seen.unread.append((item, str(error)))
            continue
        seen.items.append(item)
        rows.append(look(picture, item.box))
        if colours:
            found = eyes.attributes(picture, _boxes(item.box))[0].colours
            seen.colours.append(tuple((colour.name, colour.share) for colour in found))
        if tick:
            tick(done)
    return replace(seen, vectors=np.stack(rows)) if rows else seen


def as_served(eyes: Eyes) -> Look:
    """Unit vectors, through all that the service does with a picture."""
    return lambda picture, box: eyes.embed(picture, _boxes(box))[0]


def as_it_comes(model: Path, threads: int) -> Look:
    """What the network in a file answers to the crop: vectors of any length."""
    card, network = description(model, EmbedderCard), session(model, threads)

    def look(picture: Picture, box: Box) -> NDArray[np.float32]:
        rows, columns = picture.pixels.shape[:2]
        left, top, right, bottom = box.within(columns, rows)
        batch = card.input.batch(1, card.input.side, card.input.side)
        card.input.put(batch[0], squared(picture.pixels[top:bottom, left:right], card.input.side, card.input.padding))
        return np.asarray(network.run(None, {card.input.name: batch})[0][0], np.float32)

    return look


def _boxes(box: Box) -> list[Box] | None:
    """A picture as a whole is looked at in another way than a box of it."""
    return None if box == WHOLE else [box]
