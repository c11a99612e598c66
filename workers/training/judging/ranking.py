"""How well nearest neighbours find what they should: precision, recall and average precision at k, top-n.

Takes vectors and names; knows no model and no pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workers.training.judging.intervals import Measured, bootstrap, wilson

Vectors = NDArray[np.float32]
Distance = Literal["cosine", "euclidean"]
DISTANCES: tuple[Distance, ...] = ("cosine", "euclidean")
TOPS = (1, 3, 5)
AT = (1, 5, 10)
QUERIES_AT_ONCE = 512


@dataclass(frozen=True)
class RankingFigures:
    """Shares 0..1. `queries` without a single right answer in the gallery are left out and counted in `without`."""

    queries: int
    without: int
    gallery: int
    top: dict[int, Measured]
    precision: dict[int, Measured]
    recall: dict[int, Measured]
    mean_average_precision: dict[int, Measured]


@dataclass(frozen=True)
class Neighbours:
    """Rows of the gallery, nearest first, and how near: (queries, k). A higher score is nearer."""

    order: NDArray[np.intp]
    scores: NDArray[np.float32]


def nearest(
    queries: Vectors, gallery: Vectors, k: int, *, distance: Distance, same: NDArray[np.intp] | None = None
) -> Neighbours:
    """`same[i]`: the row of the gallery that is query i itself (or -1); nothing finds itself."""
    if distance == "cosine":
        queries, gallery = unit(queries), unit(gallery)
    k = min(k, len(gallery) - (0 if same is None else 1))
    orders, scores = [], []
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        part = queries[start : start + QUERIES_AT_ONCE]
        near = part @ gallery.T
        if distance == "euclidean":
            # -|q - g|^2 without |q|^2, which is the same for every row of the gallery.
            near = 2 * near - np.square(gallery).sum(1)[None, :]
        if same is not None:
            own = same[start : start + QUERIES_AT_ONCE]
            near[np.flatnonzero(own >= 0), own[own >= 0]] = -np.inf
        best = np.argsort(-near, axis=1, kind="stable")[:, :k]
        orders.append(best)
        scores.append(np.take_along_axis(near, best, 1))
    return Neighbours(np.concatenate(orders), np.concatenate(scores))


def unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def figures(
    hits: NDArray[np.bool_], relevant: NDArray[np.intp], gallery: int, at: Sequence[int] = AT
) -> RankingFigures:
    """`hits` (queries, k): is the i-th neighbour right; `relevant`: how many right ones the gallery holds for each."""
    has = relevant > 0
    judged, wanted = hits[has], relevant[has]
    return RankingFigures(
        queries=int(has.sum()),
        without=int((~has).sum()),
        gallery=gallery,
        top={n: wilson(int(judged[:, :n].any(1).sum()), len(judged)) for n in TOPS},
        precision={k: bootstrap(judged[:, :k].sum(1) / k) for k in at},
        recall={k: bootstrap(judged[:, :k].sum(1) / wanted) for k in at},
        mean_average_precision={k: bootstrap(average_precisions(judged, wanted, k)) for k in at},
    )


def average_precisions(hits: NDArray[np.bool_], relevant: NDArray[np.intp], k: int) -> NDArray[np.float64]:
    """AP@k of each query: the mean, over the right ones that could stand in the first k, of the precision at each.

    Divided by min(k, relevant), so that a perfect list gives 1 however few right ones there are (Manning et al., 2008,
    cut at k).
    """
    shown = hits[:, :k]
    precision = shown.cumsum(1) / np.arange(1, shown.shape[1] + 1)
    return np.asarray((precision * shown).sum(1) / np.minimum(relevant, k), np.float64)
