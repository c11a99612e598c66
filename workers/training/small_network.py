"""A network of one hidden layer over a few dozen measures, fitted in NumPy: small enough to be kept as numbers in a
module, and to need no library where it is asked."""

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]
HIDDEN, SEED = 16, 0
TURNS, STEP, DECAY, JITTER = 800, 0.01, 0.002, 0.25
KEPT, KEPT_SQUARED = 0.9, 0.999  # of Adam's running means (Kingma and Ba, 2015)
MOST = 4.0  # spreads from the mean: what lies further out is no further news


def scaled(measures: Table, means: Table, spreads: Table) -> Table:
    """With a last column of ones."""
    inputs = np.clip((measures - means) / spreads, -MOST, MOST)
    return np.asarray(np.c_[inputs, np.ones(len(inputs))], np.float64)


def certainty(inputs: Table, layers: tuple[Table, Table]) -> Table:
    """For each kind, together 1, a row an example."""
    return _shares(_lifted(inputs, layers[0]) @ layers[1])


def fitted(inputs: Table, kinds: NDArray[np.intp], weights: Table) -> tuple[Table, Table]:
    """By Adam over all examples at once, the step falling to nothing; the inputs tremble a little each time."""
    random = np.random.default_rng(SEED)
    wanted, share = np.eye(int(kinds.max()) + 1)[kinds], (weights / weights.sum())[:, None]
    sizes = [(inputs.shape[1], HIDDEN), (HIDDEN + 1, wanted.shape[1])]
    layers = [random.normal(0, 1 / np.sqrt(size[0]), size) for size in sizes]
    for layer in layers:
        layer[-1] = 0
    means, squares = ([np.zeros_like(layer) for layer in layers] for _ in range(2))
    for turn in range(1, TURNS + 1):
        trembling = inputs + JITTER * random.normal(size=inputs.shape)
        trembling[:, -1] = 1
        step = STEP * 0.5 * (1 + np.cos(np.pi * turn / TURNS))
        for at, slope in enumerate(_slopes(trembling, layers, wanted, share)):
            means[at] += (1 - KEPT) * (slope - means[at])
            squares[at] += (1 - KEPT_SQUARED) * (slope**2 - squares[at])
            length = np.sqrt(squares[at] / (1 - KEPT_SQUARED**turn)) + 1e-8
            layers[at] -= step * means[at] / (1 - KEPT**turn) / length
    return layers[0], layers[1]


def _slopes(inputs: Table, layers: list[Table], wanted: Table, share: Table) -> tuple[Table, Table]:
    """Of the weighted cross entropy with L2 decay, from which each layer's last row, its offsets, is spared."""
    lifted = _lifted(inputs, layers[0])
    wrong = (_shares(lifted @ layers[1]) - wanted) * share
    below = (wrong @ layers[1][:-1].T) * (lifted[:, :-1] > 0)
    found = []
    for given, gone, layer in ((inputs, below, layers[0]), (lifted, wrong, layers[1])):
        slope = given.T @ gone
        slope[:-1] += DECAY * layer[:-1]
        found.append(slope)
    return found[0], found[1]


def _lifted(inputs: Table, layer: Table) -> Table:
    return np.asarray(np.c_[np.maximum(inputs @ layer, 0), np.ones(len(inputs))], np.float64)


def _shares(scores: Table) -> Table:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float64)
