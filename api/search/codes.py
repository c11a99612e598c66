"""Vectors as one signed byte a number, and a scan of them that leaves nothing out: a quarter of the memory read, and a
known bound on what rounding may have moved: whoever compares the candidates in full gets the exact answer."""

from typing import NamedTuple

import numpy as np
import simsimd
from numpy.typing import NDArray

TOP = 127
# float32 sums of a few hundred products are this wrong at most, as a share of the vectors' lengths
ROUNDING = 1e-5


class Coded(NamedTuple):
    """`values` (n, dim) times `scale` (n) is each vector but for a rest whose length is `slack` (n) at most."""

    values: NDArray[np.int8]
    scale: NDArray[np.float32]
    slack: NDArray[np.float32]


def coded(vectors: NDArray[np.float32]) -> Coded:
    """Each vector on a scale of its own."""
    with np.errstate(over="ignore", invalid="ignore"):
        top = np.abs(vectors).max(axis=1, initial=0)
        scale = np.where(top > 0, top / np.float32(TOP), np.float32(1)).astype(np.float32)
        values = np.rint(vectors / scale[:, None]).astype(np.int8)
        slack = np.linalg.norm(vectors - values * scale[:, None], axis=1) * np.float32(1 + ROUNDING)
    return Coded(values, scale, slack.astype(np.float32))


def candidates(
    query: NDArray[np.float32],
    rounded: NDArray[np.float32],
    slack: NDArray[np.float32],
    k: int,
    longest: float,
) -> NDArray[np.intp]:
    """Positions that hold the k rows with the highest products with `query`, and few others. `rounded` is `products` of
    these rows, `slack` theirs; no vector is longer than `longest`.

    |q·x - q'·x'| <= |q| |x - x'| + |q - q'| |x'|, by Cauchy and Schwarz, where q' and x' are what the codes stand for.
    """
    if len(rounded) <= k:
        return np.arange(len(rounded))
    length = float(np.linalg.norm(query))
    own = (float(coded(query[None]).slack[0]) + ROUNDING * length) * longest
    best = np.argpartition(rounded, -k)[-k:]
    # k rows reach this for certain, so a row that cannot is none of the best
    floor = float((rounded[best] - slack[best] * length).min()) - 2 * own
    if not np.isfinite(floor):  # numbers beyond all measure: nothing can be ruled out
        return np.arange(len(rounded))
    close = np.flatnonzero(rounded >= floor - float(slack.max()) * length)
    return close[rounded[close] + slack[close] * length >= floor]


def products(query: NDArray[np.float32], rows: Coded) -> NDArray[np.float32]:
    """The rounded products of the query with all rows."""
    asked = coded(query[None])
    # at most dim * 2^14, which float32 holds exactly to dim 1024
    found: NDArray[np.float32] = np.asarray(
        simsimd.cdist(asked.values, rows.values, metric="dot", out_dtype="float32")
    )[0]
    found *= rows.scale
    found *= asked.scale[0]
    return found
