"""The pattern of an object's surface, told by a small network from classical measures: how strong its edges are and
whether they run one way (stripes) or two (checks), what the spots on it are like (dots, prints), how it repeats."""

from collections.abc import Sequence
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from api.vision.colours import Lab, planes_of
from api.vision.pattern_model import HIDDEN, LEAST_CERTAINTY, MEANS, SPREADS, WEIGHTS
from api.vision.spectrum import spectrum_of, strongest

Plane = NDArray[np.float32]
LEAST_PIXELS = 400  # of the surface: with less, no pattern can be told
NEIGHBOURHOOD = 32  # within which edges are asked whether they agree: a sleeve turns the stripes of a shirt
STEP_REACH, SHADE = 16, 20
BLOCK = 4  # of pixels, whose mean stands for them where wide neighbourhoods are averaged
OUTLINE = np.ones((7, 7), np.uint8)
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
    lifted = np.maximum(np.append(scaled, 1.0) @ HIDDEN, 0)
    scores = np.append(lifted, 1.0) @ WEIGHTS
    raised = np.exp(scores - scores.max())
    return np.asarray(raised / raised.sum(), np.float64)


def measures_of(lab: Lab, weights: Plane) -> NDArray[np.float64] | None:
    """What the model judges by, in the order of pattern_model.MEASURES; None where too little is seen."""
    rows, columns = (length - length % BLOCK for length in weights.shape)
    lab, weights = lab[:rows, :columns], weights[:rows, :columns]
    if not weights.size:
        return None
    found = (weights > 0.25 * max(float(weights.max()), 1e-6)).astype(np.uint8)
    inside = np.asarray(cv2.erode(found, OUTLINE), np.uint8)  # its outline is no pattern
    count = cv2.countNonZero(inside)
    if count < LEAST_PIXELS:
        return None
    mask = inside.astype(np.float32)
    planes = planes_of(lab)
    lightness = planes[0]
    smooth = [_blurred(plane, 5, 0.8) for plane in planes]
    across = [_slopes(plane, 1, 0) * mask for plane in smooth]
    down = [_slopes(plane, 0, 1) * mask for plane in smooth]
    light, *chroma = (_power(x) + _power(y) for x, y in zip(across, down, strict=True))
    detail = (lightness - smooth[0]) * mask
    edges = np.log1p(np.sqrt(np.array([light, sum(chroma), _power(detail)]) / count))
    means = [float(np.vdot(plane, mask)) / count for plane in planes]
    differing = [(plane - np.float32(mean)) * mask for plane, mean in zip(planes, means, strict=True)]
    chroma_spread = (_power(differing[1]) + _power(differing[2])) / count
    colour = [np.hypot(means[1], means[2]), np.log1p(np.sqrt(chroma_spread))]
    near = _shade(mask) + np.float32(1e-3)
    level = smooth[0] - _between(_shade(lightness * mask) / near, lightness)
    contrast = strongest(differing)
    repeating = spectrum_of(contrast - _between(_shade(contrast) / near, contrast), mask)
    spots = _spots(level, inside)
    return np.array([*edges, *colour, *_directions(across, down, count), *spots, *repeating], np.float64)


def _blurred(values: Plane, side: int, sigma: float) -> Plane:
    return np.asarray(cv2.GaussianBlur(values, (side, side), sigma), np.float32)


def _slopes(values: Plane, across: int, down: int) -> Plane:
    return np.asarray(cv2.Sobel(values, cv2.CV_32F, across, down, scale=1 / 8), np.float32)


def _power(values: Plane) -> float:
    return float(np.vdot(values, values))


def _directions(across: Sequence[Plane], down: Sequence[Plane], count: int) -> list[float]:
    """From the slopes of the three channels, 0 where nothing belongs to the object: how far their edges together (Di
    Zenzo's tensor) agree on one direction, and on two at a right angle: with doubled angles both sides of a stripe
    agree, with fourfold ones all of a check. Then how far an edge comes back (0) or stays a step (1), and how much of
    all is in few strong edges."""
    xx, yy, xy = _products(across, across), _products(down, down), _products(across, down)
    real, imaginary = xx - yy, xy + xy
    length = np.asarray(cv2.magnitude(real, imaginary), np.float32)
    safe, every = np.maximum(length, np.float32(1e-6)), max(_mean_around([length]), 1e-6)
    fourfold = [np.asarray(each / safe, np.float32) for each in (real**2 - imaginary**2, 2 * real * imaginary)]
    steps = _mean_around([across[0], down[0]], STEP_REACH) / max(float(cv2.magnitude(across[0], down[0]).mean()), 1e-6)
    strength = xx + yy
    peaks = np.sqrt(float(strength.sum()) / count) / max(float(np.sqrt(strength).sum()) / count, 1e-3)
    return [_mean_around([real, imaginary]) / every, _mean_around(fourfold) / every, steps, float(peaks)]


def _products(one: Sequence[Plane], other: Sequence[Plane]) -> Plane:
    return np.asarray(one[0] * other[0] + one[1] * other[1] + one[2] * other[2], np.float32)


def _mean_around(parts: Sequence[Plane], reach: int = NEIGHBOURHOOD) -> float:
    """The mean length of what is left of vectors (one or two planes) once neighbours are averaged."""
    near = [_around(_coarse(part), reach // BLOCK) for part in parts]
    return float((cv2.magnitude(*near) if len(near) > 1 else near[0]).mean())


def _coarse(values: Plane) -> Plane:
    """Means of blocks: wide averages over them are the same at a fraction of the cost. Sides are multiples of BLOCK."""
    half = cv2.resize(values, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(half, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)


def _around(values: Plane, side: int) -> Plane:
    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_CONSTANT), np.float32)


def _between(coarse: Plane, values: Plane) -> Plane:
    """Means of blocks as pixels again."""
    return np.asarray(cv2.resize(coarse, values.shape[::-1]), np.float32)


def _shade(values: Plane) -> Plane:
    """Three boxes are about a Gaussian of 8 pixels."""
    return _around(_around(_around(_coarse(values), SHADE // BLOCK), SHADE // BLOCK), SHADE // BLOCK)


def _spots(level: Plane, inside: NDArray[np.uint8]) -> list[float]:
    """The surface, whose shades wider than a pattern were taken away, in two tones (Otsu): how far these are apart and
    how cleanly, the share of the rarer tone, and its spots: how many, how alike in size, how round, the biggest."""
    tones = np.clip(level * 2 + 128, 0, 255).astype(np.uint8)
    cut, _ = cv2.threshold(tones[inside > 0], 0, 255, cv2.THRESH_OTSU)
    upper, lower = ((tones > cut) & inside, (tones <= cut) & inside)
    count, above = cv2.countNonZero(inside), cv2.countNonZero(upper)
    if not 0 < above < count:
        return [0.0] * 7
    share = above / count
    gap = cv2.mean(level, upper)[0] - cv2.mean(level, lower)[0]
    clean = share * (1 - share) * gap**2 / max(float(cv2.meanStdDev(level, mask=inside)[1][0, 0]) ** 2, 1e-6)
    rarer = upper if share < 0.5 else lower
    # by blocks of four pixels: a third of the time of any other way, and it knows neighbours at corners alone
    _, _, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(rarer, 8, cv2.CV_32S, cv2.CCL_BBDT)
    stats = stats[1:][stats[1:, cv2.CC_STAT_AREA] >= LEAST_SPOT].astype(np.float64)
    told = [np.log1p(gap), clean, min(share, 1 - share)]
    if not len(stats):
        return [*told, 0.0, 0.0, 0.0, 0.0]
    area, wide, high = stats[:, cv2.CC_STAT_AREA], stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    full = np.minimum(area / (wide * high) / 0.7, 1)
    roundness = float(np.median(np.minimum(wide, high) / np.maximum(wide, high) * full))
    return [*told, np.log1p(1000 * len(area) / count), area.std() / area.mean(), roundness, area.max() / count]
