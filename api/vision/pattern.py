"""The pattern of an object's surface, told by a small linear model from classical measures of its edges: how strong
they are, whether they run one way (stripes) or two (checks), and what the spots on it are like (dots, prints)."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from api.vision.colours import Lab
from api.vision.pattern_model import LEAST_CERTAINTY, MEANS, SPREADS, WEIGHTS

Plane = NDArray[np.float32]
LEAST_PIXELS = 400  # of the surface: with less, no pattern can be told
NEIGHBOURHOOD = 31  # within which edges are asked whether they agree: a sleeve turns the stripes of a shirt
LEAST_SPOT = 4


class Pattern(StrEnum):
    """`print` is anything irregular: flowers, figures, lettering. `unknown` is said when it cannot be told."""

    plain = "plain"
    striped = "striped"
    checked = "checked"
    dotted = "dotted"
    print = "print"
    unknown = "unknown"


NAMED = (Pattern.plain, Pattern.striped, Pattern.checked, Pattern.dotted, Pattern.print)


def pattern_of(lab: Lab, weights: Plane) -> Pattern:
    """Of a surface (rows x columns x 3), where `weights` (0..1) says what belongs to the object."""
    measures = measures_of(lab, weights)
    if measures is None:
        return Pattern.unknown
    certainty = _certainty(measures)
    best = int(certainty.argmax())
    return NAMED[best] if certainty[best] >= LEAST_CERTAINTY else Pattern.unknown


def _certainty(measures: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each of NAMED, together 1."""
    scaled = np.clip((measures - MEANS) / SPREADS, -4, 4)
    scores = np.append(scaled, 1.0) @ WEIGHTS
    raised = np.exp(scores - scores.max())
    return np.asarray(raised / raised.sum(), np.float64)


def measures_of(lab: Lab, weights: Plane) -> NDArray[np.float64] | None:
    """What the model judges by, in the order of pattern_model.MEASURES; None where too little is seen."""
    found = (weights > 0.25 * max(float(weights.max()), 1e-6)).astype(np.uint8)
    mask = cv2.erode(found, np.ones((7, 7), np.uint8)).astype(np.float32)  # its outline is no pattern
    count = float(mask.sum())
    if count < LEAST_PIXELS:
        return None
    smooth = cv2.GaussianBlur(lab, (5, 5), 0.8)
    across = planes_of(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8))
    down = planes_of(cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8))
    lightness, a, b = planes_of(lab)
    light, chroma = (
        float(np.vdot(mask, sum(across[at] ** 2 + down[at] ** 2 for at in channels))) / count
        for channels in ((0,), (1, 2))
    )
    detail = (lightness - cv2.GaussianBlur(lightness, (7, 7), 1.0)) * mask
    edges = np.log1p(np.sqrt([light, chroma, float(np.vdot(detail, detail)) / count]))
    means = float(np.vdot(a, mask)) / count, float(np.vdot(b, mask)) / count
    spread = float(np.vdot(mask, (a - means[0]) ** 2 + (b - means[1]) ** 2)) / count
    colour = [np.hypot(*means), np.log1p(np.sqrt(spread))]
    return np.array([*edges, *colour, *_directions(across, down, mask), *_spots(lightness, mask)], np.float64)


def _directions(across: Sequence[Plane], down: Sequence[Plane], mask: Plane) -> list[float]:
    """From the slopes of the three channels: how far their edges together (Di Zenzo's tensor) agree on one direction,
    and on two at a right angle: with doubled angles both sides of a stripe agree, with fourfold ones all of a check.
    Then how far an edge comes back (0) or stays a step (1), and how much of all is in few strong edges."""
    xx = sum(each * each for each in across) * mask
    yy = sum(each * each for each in down) * mask
    real, imaginary = xx - yy, 2 * mask * sum(x * y for x, y in zip(across, down, strict=True))
    length = cv2.magnitude(real, imaginary)
    safe, every = np.maximum(length, 1e-6), max(float(_around(length).sum()), 1e-6)
    one = cv2.magnitude(_around(real), _around(imaginary)).sum() / every
    fourfold = (real * real - imaginary * imaginary) / safe, 2 * real * imaginary / safe
    two = cv2.magnitude(_around(fourfold[0]), _around(fourfold[1])).sum() / every
    light = across[0] * mask, down[0] * mask
    steps = cv2.magnitude(_around(light[0], 15), _around(light[1], 15)).sum()
    steps /= max(float(cv2.magnitude(*light).sum()), 1e-6)
    size, count = np.sqrt(xx + yy), float(mask.sum())
    peaks = np.sqrt(float(np.vdot(size, size)) / count) / max(float(size.sum()) / count, 1e-3)
    return [float(one), float(two), float(steps), float(peaks)]


def planes_of(values: NDArray[Any]) -> list[Plane]:
    """The channels, each by itself: sums over them are several times as fast."""
    return [np.asarray(plane, np.float32) for plane in cv2.split(values)]


def _around(values: Any, side: int = NEIGHBOURHOOD) -> Plane:
    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_CONSTANT), np.float32)


def _thrice(values: Plane, side: int = 17) -> Plane:
    return _around(_around(_around(values, side), side), side)


def _spots(lightness: Plane, mask: Plane) -> list[float]:
    """The surface in two tones (Otsu), after shades wider than a pattern are taken away: how far these are apart and
    how cleanly, the share of the rarer tone, and its spots: how many, how alike in size, how round, the biggest."""
    # three boxes are a Gaussian of 8 pixels, at a third of its cost
    near = _thrice(lightness * mask) / (_thrice(mask) + np.float32(1e-3))
    level = (cv2.GaussianBlur(lightness, (5, 5), 1.0) - near)[mask > 0]
    tones = np.clip(level * 2 + 128, 0, 255).astype(np.uint8).reshape(-1, 1)
    cut, _ = cv2.threshold(tones, 0, 255, cv2.THRESH_OTSU)
    upper = tones.ravel() > cut
    share = float(upper.mean())
    if not 0 < share < 1:
        return [0.0] * 7
    gap = float(level[upper].mean() - level[~upper].mean())
    clean = share * (1 - share) * gap**2 / max(float(level.var()), 1e-6)
    rarer = np.zeros(mask.shape, np.uint8)
    rarer[mask > 0] = upper if share < 0.5 else ~upper
    _, _, stats, _ = cv2.connectedComponentsWithStats(rarer, connectivity=4)
    stats = stats[1:][stats[1:, cv2.CC_STAT_AREA] >= LEAST_SPOT].astype(np.float64)
    told = [np.log1p(gap), clean, min(share, 1 - share)]
    if not len(stats):
        return [*told, 0.0, 0.0, 0.0, 0.0]
    area, wide, high = stats[:, cv2.CC_STAT_AREA], stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    full = np.minimum(area / (wide * high) / 0.7, 1)
    roundness = float(np.median(np.minimum(wide, high) / np.maximum(wide, high) * full))
    count = float(mask.sum())
    return [*told, np.log1p(1000 * len(area) / count), area.std() / area.mean(), roundness, area.max() / count]
