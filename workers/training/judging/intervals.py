"""95 % intervals: Wilson's for a share of yes and no, the bootstrap over queries for a mean of anything else."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z = 1.959964
ROUNDS = 1000
CHUNK = 50


@dataclass(frozen=True)
class Measured:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(hits: int, tries: int) -> Measured:
    """Wilson's score interval (1927): right at the ends, where the usual one leaves 0..1. (0, 0, 1) without tries."""
    if tries == 0:
        return Measured(0.0, 0.0, 1.0)
    share = hits / tries
    scale = 1 + Z**2 / tries
    centre = (share + Z**2 / (2 * tries)) / scale
    spread = Z * math.sqrt(share * (1 - share) / tries + Z**2 / (4 * tries**2)) / scale
    return Measured(share, max(centre - spread, 0.0), min(centre + spread, 1.0))


def bootstrap(values: NDArray[np.float64], seed: int = 0, rounds: int = ROUNDS) -> Measured:
    """The mean of `values` (one a query), and what the mean of as many drawn again with replacement does."""
    if len(values) == 0:
        return Measured(0.0, 0.0, 1.0)
    rng = np.random.default_rng(seed)
    means = [
        values[rng.integers(0, len(values), (min(CHUNK, rounds - start), len(values)))].mean(1)
        for start in range(0, rounds, CHUNK)
    ]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return Measured(float(values.mean()), float(low), float(high))
