"""What on a crop is the object, and what its ground, other things and skin: a weight from 0 to 1 for each pixel. Colour
statistics of the surroundings against those of the middle; no model, no graph cut (10 ms a crop against 0.5)."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from api.vision.colours import AB_BINS, L_BINS, Lab, bins_of, planes_of

Weights = NDArray[np.float32]
Rectangle = tuple[int, int, int, int]  # left, top, right, bottom in pixels
ROUNDS = 3
UNIFORM_SHARE = 0.92  # of the surroundings near one colour: a studio's ground
UNIFORM_GAP, GROUND_GAP = 8.0, 7.0
BEND = 25.0  # how far a ground's colour may change over a picture
LEAST_NEAR = 0.85  # of the surroundings within that: with less there is no such ground
LEAST_OBJECT = 0.03  # less than this beside a uniform ground: the object has the ground's colour
STRIPE = np.ones((7, 7), np.uint8)
SKIN_MOST = 0.45  # more than this of the object: it is not skin but a garment of that colour
SKIN_WEIGHT = np.float32(0.06)
COVERED_WEIGHT = np.float32(0.12)  # under the box of a smaller thing, which seldom fills it


def object_weights(lab: Lab, inner: Rectangle, others: Sequence[Rectangle] = (), *, worn: bool) -> Weights:
    """`inner` is the object's box on the crop, what lies around it are surroundings, `others` are boxes of things that
    lie over it. What is `worn` has skin beside it, which is left out."""
    around = np.ones(lab.shape[:2], bool)
    left, top, right, bottom = inner
    around[top:bottom, left:right] = False
    free = np.ones(lab.shape[:2], np.float32)
    for left, top, right, bottom in others:
        free[top:bottom, left:right] = COVERED_WEIGHT
    found = _beside_uniform(lab, around) if around.any() else None
    if found is None:
        found = _by_colours(lab, around, free * _prior(lab.shape[0], lab.shape[1], inner))
    weights = np.asarray(found * free, np.float32)
    return _without_skin(lab, weights) if worn else weights


def _prior(rows: int, columns: int, inner: Rectangle) -> Weights:
    """High in the middle of the box, low at its corners, nothing outside."""
    left, top, right, bottom = inner
    y = (np.arange(rows, dtype=np.float32) + 0.5 - top) / max(bottom - top, 1) * 2 - 1
    x = (np.arange(columns, dtype=np.float32) + 0.5 - left) / max(right - left, 1) * 2 - 1
    prior = np.exp(-1.2 * (y[:, None] ** 2 + 1.6 * x[None] ** 2)).astype(np.float32)
    prior[np.abs(y) > 1] = 0
    prior[:, np.abs(x) > 1] = 0
    return np.asarray(prior, np.float32)


def _beside_uniform(lab: Lab, around: NDArray[np.bool_]) -> Weights | None:
    """For studio pictures: all that is not connected with the edge through the ground's colour. None without one."""
    ground = _ground(lab, around)
    if ground is None:
        return None
    off = lab - ground
    squared = cv2.transform(off * off, np.ones((1, 3), np.float32))
    if np.count_nonzero((squared < UNIFORM_GAP**2) & around) < UNIFORM_SHARE * np.count_nonzero(around):
        return None
    like = (squared < GROUND_GAP**2).astype(np.uint8)
    count, regions = cv2.connectedComponents(like, connectivity=4)
    outside = np.zeros(count, bool)
    outside[regions[around & (like > 0)]] = True
    found = ~outside[regions] & ~around
    if found.mean() < LEAST_OBJECT:
        return None
    # white stripes on a white ground are open to it at their ends
    closed = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, STRIPE)
    eroded = cv2.erode(closed, np.ones((3, 3), np.uint8))  # the edge mixes both colours
    return np.asarray(eroded if eroded.mean() > LEAST_OBJECT / 2 else found, np.float32)


def _ground(lab: Lab, around: NDArray[np.bool_]) -> Lab | None:
    """The ground as it would be without the object: its colour bends from edge to edge as light falls on it. None where
    the surroundings are too many colours for one."""
    places = np.flatnonzero(around)[::3]
    seen = lab.reshape(-1, 3)[places]
    middle = np.partition(seen.T, len(seen) // 2, axis=1)[:, len(seen) // 2]
    near = ((seen - middle) ** 2).sum(axis=1) < BEND**2  # what reaches over the edge is no ground
    if np.count_nonzero(near) < LEAST_NEAR * len(near):
        return None
    seen = seen[near]
    down, across = np.divmod(places[near], lab.shape[1])
    y, x = (np.linspace(-1, 1, length, dtype=np.float32) for length in lab.shape[:2])
    along_y, along_x = np.stack([y, y * y], axis=1), np.stack([x, x * x], axis=1)
    known = np.concatenate([np.ones((len(seen), 1), np.float32), along_y[down], along_x[across]], axis=1)
    bent = np.linalg.solve(known.T @ known + 1e-2 * np.eye(5, dtype=np.float32), known.T @ seen).astype(np.float32)
    return np.asarray((bent[0] + along_y @ bent[1:3])[:, None] + (along_x @ bent[3:])[None], np.float32)


def _by_colours(lab: Lab, around: NDArray[np.bool_], prior: Weights) -> Weights:
    """Colours that are common in the middle and rare around it are the object's; asked anew with what was found."""
    if not around.any():
        return prior
    cells = bins_of(*planes_of(lab))
    outside = _histogram(cells[around], None)
    weights, root = prior, cv2.sqrt(prior)
    for _ in range(ROUNDS):
        inside = _histogram(cells, weights)
        odds = (inside / (inside + outside + np.float32(1e-6)))[cells]
        weights = cv2.blur(odds, (5, 5)) * root
    return np.asarray(weights * weights, np.float32)


def _histogram(cells: NDArray[np.intp], weights: Weights | None) -> NDArray[np.float32]:
    """The share of each Lab cell, spread over its neighbours."""
    given = None if weights is None else weights.ravel()
    found = np.bincount(cells.ravel(), given, L_BINS * AB_BINS * AB_BINS).astype(np.float32)
    spread = SPREAD_L @ found.reshape(L_BINS, AB_BINS * AB_BINS)
    spread = SPREAD_AB @ (spread.reshape(L_BINS, AB_BINS, AB_BINS) @ SPREAD_AB)
    return np.asarray(spread.ravel() / max(float(spread.sum()), 1e-6), np.float32)


def _spreading(length: int) -> NDArray[np.float32]:
    """A matrix that leaves half of a cell where it is and gives a quarter to each neighbour."""
    half, quarter = np.float32(0.5), np.float32(0.25)
    beside = np.eye(length, k=1, dtype=np.float32) + np.eye(length, k=-1, dtype=np.float32)
    return half * np.eye(length, dtype=np.float32) + quarter * beside


SPREAD_L, SPREAD_AB = _spreading(L_BINS), _spreading(AB_BINS)


def _without_skin(lab: Lab, weights: Weights) -> Weights:
    skin = skin_like(lab)
    total = float(weights.sum())
    if total <= 0 or float(weights[skin].sum()) > SKIN_MOST * total:
        return weights
    return np.where(skin, weights * SKIN_WEIGHT, weights)


def skin_like(lab: Lab) -> NDArray[np.bool_]:
    """The colours of human skin from dark to pale. Wood, leather and sand have them too."""
    lightness, a, b = planes_of(lab)
    chroma = cv2.magnitude(a, b)
    hue = b / np.maximum(a, np.float32(1e-3))
    tests = ((lightness > 22), (lightness < 92), (a > 4), (chroma > 11), (chroma < 42), (hue > 0.45), (hue < 2.6))
    return np.asarray(np.logical_and.reduce(tests), np.bool_)
