"""Judges the exported embedder through the code that serves it: what is measured is what is served."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from api.vision.embedder import Embedder
from api.vision.picture import Box
from api.vision.picture import Picture as Decoded
from workers.training import pictures, retrieval
from workers.training.pictures import Picture
from workers.training.split import streetstyle


def neighbours(
    shared: Path, embedder: Embedder, *, hold_out: bool
) -> tuple[retrieval.RetrievalFigures, retrieval.Threshold | None]:
    """Retrieval figures, and the exact threshold where products were held out to calibrate it on."""
    judged = [picture for picture in pictures.gather(shared) if picture.source != "street"]
    vectors = embed(embedder, judged)
    found = retrieval.judge(judged, vectors, hold_out=hold_out)
    return found, calibrate(judged, vectors) if hold_out else None


def embed(embedder: Embedder, judged: Sequence[Picture]) -> NDArray[np.float32]:
    return np.concatenate([_vector(embedder, picture) for picture in judged])


def _vector(embedder: Embedder, picture: Picture) -> NDArray[np.float32]:
    """A box of a picture is embedded in another way than a picture as a whole."""
    pixels = cv2.imread(str(picture.path))
    if pixels is None:
        raise ValueError(f"{picture.path.name} is no picture")
    rgb = np.ascontiguousarray(pixels[..., ::-1], np.uint8)
    decoded = Decoded(rgb.shape[1], rgb.shape[0], rgb)
    if picture.box is None:
        return embedder.embed(decoded, None)
    x1, y1, x2, y2 = picture.box
    return embedder.embed(decoded, [Box(x1, y1, x2 - x1, y2 - y1)])


def calibrate(judged: list[Picture], vectors: NDArray[np.float32]) -> retrieval.Threshold:
    """The exact threshold, on shop photos of held-out products against every studio picture."""
    names = np.array([picture.name for picture in judged])
    studio = np.flatnonzero([picture.source == "studio" for picture in judged])
    queries = np.flatnonzero([picture.held_out and picture.source != "studio" for picture in judged])
    scores = vectors[queries] @ vectors[studio].T
    right = names[studio][scores.argmax(1)] == names[queries]
    return retrieval.exact_threshold(scores.max(1), right)


def likeness_floor(shared: Path, embedder: Embedder, share: float = 0.05) -> float:
    """The cosine that all but `share` of the things on street photos reach with their best like on other photos: what
    lies under it looks like nothing that is there."""
    crops = [crop for path in streetstyle(shared)[1] for crop in pictures.street_crops(path)]
    vectors = embed(embedder, crops)
    photo = np.array([crop.path.stem for crop in crops])
    scores = vectors @ vectors.T
    scores[photo[:, None] == photo[None, :]] = -1
    return float(np.quantile(scores.max(1), share))
