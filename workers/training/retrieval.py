"""Retrieval figures of vectors: how often the right product or category comes first.

Takes unit vectors and names; knows no network.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.training.pictures import Picture

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Ranking:
    """Shares of queries, 0..1, and how many queries they rest on."""

    queries: int
    top1: float
    top5: float
    precision10: float


@dataclass(frozen=True)
class RetrievalFigures:
    """Seen products were trained on (other photos of them); new ones were held out, None where none were."""

    studio_seen: Ranking
    studio_new: Ranking | None
    photo_seen: Ranking
    photo_new: Ranking | None
    garment: Ranking


def judge(pictures: list[Picture], vectors: Vectors, *, hold_out: bool = True) -> RetrievalFigures:
    """The figures of `vectors` (unit length, a row a picture); `hold_out` as the embedder was trained."""
    names = np.array([picture.name for picture in pictures])
    source = np.array([picture.source for picture in pictures])
    held = np.array([hold_out and picture.held_out for picture in pictures])
    photo = np.char.startswith(source, "photo")
    seen = (source == "photo-val") & ~held
    new = photo & held

    def ranked(queries: NDArray[np.bool_], gallery: NDArray[np.bool_]) -> Ranking:
        return rank(vectors, names, np.flatnonzero(queries), np.flatnonzero(gallery))

    return RetrievalFigures(
        studio_seen=ranked(seen, source == "studio"),
        studio_new=ranked(new, source == "studio") if hold_out else None,
        photo_seen=ranked(seen, source == "photo-train"),
        photo_new=ranked(new, photo & ~seen) if hold_out else None,
        garment=ranked(source == "garment-val", source == "garment-train"),
    )


def rank(vectors: Vectors, names: NDArray[np.str_], queries: NDArray[np.intp], gallery: NDArray[np.intp]) -> Ranking:
    """Nearest neighbours by cosine; a query that is in the gallery does not find itself."""
    scores = vectors[queries] @ vectors[gallery].T
    scores[queries[:, None] == gallery[None, :]] = -2
    order = np.argsort(-scores, axis=1)[:, :10]
    hits = names[gallery][order] == names[queries][:, None]
    return Ranking(
        queries=len(queries),
        top1=float(hits[:, 0].mean()),
        top5=float(hits[:, :5].any(1).mean()),
        precision10=float(hits.mean()),
    )


@dataclass(frozen=True)
class Threshold:
    """The least cosine at which best matches are right often enough, and how many matches clear it."""

    cosine: float
    precision: float
    coverage: float
    queries: int


def exact_threshold(scores: NDArray[np.float32], right: NDArray[np.bool_], precision: float = 0.95) -> Threshold:
    """From each query's best match: its cosine, and whether it is the very product."""
    order = np.argsort(-scores)
    running = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(running >= precision)
    if not len(enough):
        return Threshold(1.0, 0.0, 0.0, len(order))
    last = int(enough[-1])
    return Threshold(float(scores[order[last]]), float(running[last]), (last + 1) / len(order), len(order))
