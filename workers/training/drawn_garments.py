"""Garments drawn with known colours and pattern, in folds of light and shadow: for fitting and for testing what tells
them. Pixels alone; nothing here is learned from."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Tint = tuple[int, int, int]
SIDE = 320
# Outlines in parts of the picture.
SHIRT = [(0.3, 0.15), (0.42, 0.2), (0.58, 0.2), (0.7, 0.15), (0.92, 0.32), (0.82, 0.45), (0.72, 0.38), (0.72, 0.88)]
SHIRT += [(0.28, 0.88), (0.28, 0.38), (0.18, 0.45), (0.08, 0.32)]
DRESS = [(0.36, 0.1), (0.46, 0.18), (0.54, 0.18), (0.64, 0.1), (0.62, 0.42), (0.8, 0.92), (0.2, 0.92), (0.38, 0.42)]
SKIRT = [(0.32, 0.2), (0.68, 0.2), (0.85, 0.82), (0.15, 0.82)]
OUTLINES = (SHIRT, DRESS, SKIRT)


@dataclass(frozen=True, slots=True)
class Drawing:
    """`period` in pixels of a picture of 320, `angle` in degrees, `folds` and `noise` as parts of full light."""

    pattern: str
    first: Tint
    second: Tint = (255, 255, 255)
    ground: Tint = (240, 240, 240)
    outline: int = 0
    period: float = 20.0
    angle: float = 0.0
    share: float = 0.5
    folds: float = 0.08
    noise: float = 0.01
    seed: int = 0


def drawn(what: Drawing) -> Pixels:
    """320 x 320 RGB."""
    random = np.random.default_rng(what.seed)
    cloth = np.where(_PATTERNS[what.pattern](what, random)[..., None] > 0, what.second, what.first).astype(np.float32)
    cloth *= 1 + what.folds * _folds(random)[..., None]
    ground = np.full((SIDE, SIDE, 3), what.ground, np.float32) * (1 + 0.02 * _folds(random)[..., None])
    corners = (np.array(OUTLINES[what.outline]) * SIDE).astype(np.int32)
    inside = cv2.GaussianBlur(cv2.fillPoly(np.zeros((SIDE, SIDE), np.float32), [corners], 1.0), (0, 0), 0.8)[..., None]
    picture = cloth * inside + ground * (1 - inside)
    picture += random.normal(0, 255 * what.noise, picture.shape)
    return np.asarray(np.clip(cv2.GaussianBlur(picture, (0, 0), 0.6), 0, 255), np.uint8)


def any_drawing(pattern: str, seed: int) -> Drawing:
    """One of endless many of a pattern."""
    random = np.random.default_rng((seed, len(pattern)))
    first, second, ground = (_tint(random) for _ in range(3))
    while pattern != "plain" and abs(_light(first) - _light(second)) < 50:
        second = _tint(random)
    return Drawing(
        pattern,
        first,
        second,
        ground,
        outline=int(random.integers(len(OUTLINES))),
        period=float(random.uniform(9, 42) if pattern in {"striped", "checked"} else random.uniform(14, 42)),
        angle=float((random.choice([0, 90]) if pattern == "striped" else 0) + random.normal(0, 12)),
        share=float(random.uniform(0.25, 0.6)),
        folds=float(random.uniform(0.02, 0.22)),
        noise=float(random.uniform(0, 0.02)),
        seed=seed,
    )


def _tint(random: np.random.Generator) -> Tint:
    if random.random() < 0.45:
        grey = int(random.choice([15, 30, 60, 110, 160, 205, 235, 248]))
        return grey, grey, grey
    red, green, blue = (int(each) for each in random.integers(10, 250, 3))
    return red, green, blue


def _light(tint: Tint) -> float:
    return 0.3 * tint[0] + 0.6 * tint[1] + 0.1 * tint[2]


def _folds(random: np.random.Generator) -> NDArray[np.float32]:
    """Soft bands of light and shadow, -1..1, longer than wide, as cloth falls."""
    coarse = cv2.GaussianBlur(random.normal(0, 1, (SIDE, SIDE)).astype(np.float32), (0, 0), sigmaX=9, sigmaY=26)
    return np.asarray(np.clip(coarse / max(2 * float(coarse.std()), 1e-6), -1, 1), np.float32)


def _turned(what: Drawing, random: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Coordinates along and across the pattern, in periods, bent a little as on a body."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    bend = 3 * _folds(random)
    angle = np.deg2rad(what.angle)
    along, across = x * np.cos(angle) + y * np.sin(angle) + bend, -x * np.sin(angle) + y * np.cos(angle) + bend
    return np.asarray(along / what.period, np.float32), np.asarray(across / what.period, np.float32)


def _plain(_what: Drawing, _random: np.random.Generator) -> NDArray[np.bool_]:
    return np.zeros((SIDE, SIDE), bool)


def _striped(what: Drawing, random: np.random.Generator) -> NDArray[np.bool_]:
    return np.asarray(_turned(what, random)[1] % 1 < what.share)


def _checked(what: Drawing, random: np.random.Generator) -> NDArray[np.bool_]:
    along, across = _turned(what, random)
    if what.seed % 3 == 0:  # a grid of lines
        return np.asarray((along % 1 < 0.2) | (across % 1 < 0.2))
    if what.seed % 3 == 1:  # a chessboard
        return np.asarray((along % 1 < 0.5) ^ (across % 1 < 0.5))
    return np.asarray((along % 1 < what.share) | (across % 1 < what.share))  # bands over bands


def _dotted(what: Drawing, random: np.random.Generator) -> NDArray[np.bool_]:
    along, across = _turned(what, random)
    odd = np.floor(across) % 2 * 0.5
    return np.asarray(np.hypot((along + odd) % 1 - 0.5, across % 1 - 0.5) < 0.16 + 0.22 * what.share)


def _print(what: Drawing, random: np.random.Generator) -> NDArray[np.bool_]:
    """Leaves of all directions and sizes, strewn."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(int(0.9 * (SIDE / what.period) ** 2)):
        middle = (int(random.integers(SIDE)), int(random.integers(SIDE)))
        size = what.period * random.uniform(0.2, 0.7)
        axes = (max(1, int(size)), max(1, int(size * random.uniform(0.2, 0.7))))
        cv2.ellipse(canvas, middle, axes, float(random.uniform(0, 180)), 0, float(random.uniform(200, 360)), 1, -1)
    return np.asarray(canvas > 0)


_PATTERNS: dict[str, Callable[[Drawing, np.random.Generator], NDArray[np.bool_]]] = {
    "plain": _plain,
    "striped": _striped,
    "checked": _checked,
    "dotted": _dotted,
    "print": _print,
}
