"""Colours by name, with their share: pixels in Lab, weighed, gathered into few groups, each group named once. A group
is named as a whole because the folds of one red dress are pink here and brown there."""

from dataclasses import dataclass
from math import dist

import cv2
import numpy as np
from numpy.typing import NDArray

Lab = NDArray[np.float32]
Place = tuple[float, ...]  # in Lab with less lightness: few of them, for which plain numbers are faster than arrays

# A vocabulary is a list of examples: a colour has the name of the example nearest to it. sRGB, as people see them on
# screens: light and dark, strong and washed out, so that no name ends where its middle happens to be.
EXAMPLES: dict[str, str] = {
    "black": "000000 0f0f10 1c1c1e 282829 363637 1d1a19 2e2a28 16181d 2b2e33 211f24 33303a 262120",
    "white": "ffffff f6f6f6 ececee f4f1ea e6e8ee f2ecec e4e4e2 d2d2d4 c8c8c8 d4cfcb cbc6c4 dce4ea",
    "grey": "505052 5e5e60 6e6e70 808082 949496 a2a2a4 6b7078 8d949c 848a92 8a8784 5f5d58 a39f9c 7d7a80",
    "beige": "e3d3b8 d6c4a5 c8b490 eadfca bfae92 d8cbb6 cdbfae b09e80 dccfc0",
    "brown": "8b5a2b 6b4423 4a2f1d 9c6b43 7a5a3f a9744a 5b3a29 8a6a4f 3b2518 b07d4b 70503a",
    "red": "d01818 b01020 8c1420 e83a30 6e1220 c43a38 a52a2a 5a101a",
    "orange": "f08020 e86a18 f59a40 d9661f ff8c1a e57a3c",
    "yellow": "f4d020 f8e36a e5bd18 ffe94d d8c02a f0e090 e8c84a",
    "green": "2e8b3e 1f6b30 5cb85c 8fc96a 124a24 00a050 6aa84f a8d878 20c060 1c3d28 b6d7a8 007a55 63a17e "
    "4f7a28 56703a 3f5a1e 647a60 56695a 8aa83a 7f9a70",
    "olive": "6b6b2a 808030 5a5a32 8a8450 4c4a28 75704a 9a9650 6a6a48 8c8a5c",
    "turquoise": "20b2aa 40c8c0 108078 70d8d0 00868f 2aa5b5 1f5f66 9fe0dc 3a8f8c",
    "blue": "2050c8 3a78d0 6aa0dc 9cc0e8 1838a0 4a6fa5 5a82b4 7d9cc0 0a88d8 bcd4ec 3f5f8f 2a70a8 90a8cc 1c1ccc",
    "navy": "101838 182448 0c1430 1f2d50 202840 141c48 2a3552 161f3c 000080 191970",
    "purple": "6a2a90 8a4ab0 502068 a880c8 c0a8dc 4a2a5c 7a3a80 5a4a90 8a70a0 3c1f48 9a209a "
    "8e4585 7c3b5a 8c4468 6e3050",
    "pink": "f080a8 f8b0c8 e8508a ffc8d8 e0a0a8 d86a88 e8207a f4c4c0 d898a8 e8b8c0 d060a0 f0609a",
}
NAMES = tuple(EXAMPLES)
# Light on an object changes its lightness far more than its hue.
LIGHTNESS_WEIGHT = np.float32(0.6)
GROUPS = 7
TURNS = 6
SAME_GROUP = 13.0  # groups nearer than this are one colour in different light
MIXED_STEP = 20.0  # from which a change between neighbouring pixels is an edge
EDGE_PARTS = np.array([[LIGHTNESS_WEIGHT, 1, 1]], np.float32) / np.float32(MIXED_STEP)
NEAR = np.ones((3, 3), np.uint8)
MIXED_EVEN = 0.7  # of the even part of both its neighbours: with less a colour is found on their edge alone
LEAST_SHARE = 0.05
MOST_COLOURS = 5
STEP, L_BINS, AB_BINS = 8.0, 13, 32  # cells of a coarse Lab grid; a and b go from -128 to 128
UNIT = np.float32(1 / 255)


@dataclass(frozen=True, slots=True)
class Colour:
    """`share` is the part of the object that has it, 0..1; `lab` its mean (CIE L*a*b*, D65)."""

    name: str
    share: float
    lab: tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Pixels of about one colour; `even` is the part of them that lies off edges."""

    centre: Place
    share: float
    even: float

    def gap(self, other: "_Group") -> float:
        return dist(self.centre, other.centre)

    def joined(self, other: "_Group") -> "_Group":
        share = self.share + other.share
        own, others = self.share / share, other.share / share
        centre = tuple(a * own + b * others for a, b in zip(self.centre, other.centre, strict=True))
        return _Group(centre, share, self.even * own + other.even * others)

    def between(self, one: "_Group", other: "_Group") -> bool:
        """Whether it is found on edges, and a mixture of these two."""
        if self.even >= MIXED_EVEN * min(one.even, other.even):
            return False
        way = [b - a for a, b in zip(one.centre, other.centre, strict=True)]
        gone = [b - a for a, b in zip(one.centre, self.centre, strict=True)]
        at = sum(a * b for a, b in zip(gone, way, strict=True)) / max(sum(a * a for a in way), 1e-6)
        off = dist([a * at for a in way], gone)
        return 0.1 < at < 0.9 and off < SAME_GROUP


def lab_of(pixels: NDArray[np.uint8]) -> Lab:
    """L 0..100, a and b about -100..100, of RGB pixels (rows x columns x 3)."""
    parts = np.multiply(pixels, UNIT, dtype=np.float32)
    return np.asarray(cv2.cvtColor(parts, cv2.COLOR_RGB2Lab), np.float32)


def planes_of(values: Lab) -> list[Lab]:
    """The channels, each by itself: work on them is several times as fast."""
    return [np.asarray(plane, np.float32) for plane in cv2.split(values)]


def _examples() -> tuple[Lab, NDArray[np.intp]]:
    codes = [(code, place) for place, name in enumerate(NAMES) for code in EXAMPLES[name].split()]
    pixels = np.array([[[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code, _ in codes]], np.uint8)
    return _flattened(lab_of(pixels)[0]), np.array([place for _, place in codes], np.intp)


def _flattened(lab: Lab) -> Lab:
    """Distances in this space count lightness less."""
    return np.asarray(lab * np.array([LIGHTNESS_WEIGHT, 1, 1], np.float32), np.float32)


EXAMPLE_PLACES, EXAMPLE_NAMES = _examples()


def name_of(lab: Place) -> str:
    """The vocabulary's word for one colour."""
    gap = ((EXAMPLE_PLACES - _flattened(np.array(lab, np.float32))) ** 2).sum(axis=1)
    return NAMES[int(EXAMPLE_NAMES[int(gap.argmin())])]


def bins_of(lightness: Lab, a: Lab, b: Lab) -> NDArray[np.intp]:
    """A cell of a coarse Lab grid for each pixel, of its three planes."""
    parts = np.float32(1 / STEP)
    found: NDArray[np.intp] = np.clip(lightness * parts, 0, L_BINS - 1).astype(np.intp)
    for plane in (a, b):
        found *= AB_BINS
        found += np.clip(plane * parts + np.float32(AB_BINS / 2), 0, AB_BINS - 1).astype(np.uint8)
    return np.asarray(found, np.intp)


def colours_of(lab: Lab, weights: NDArray[np.float32]) -> tuple[Colour, ...]:
    """The named colours of what `weights` (rows x columns, 0..1) says is the object, largest share first."""
    places, mass, clean = _cells(lab, weights)
    if not mass.size:
        return ()
    shares: dict[str, float] = {}
    sums: dict[str, Lab] = {}
    for centre, share in _groups(places, mass, clean):
        name = name_of(centre)
        shares[name] = shares.get(name, 0.0) + share
        sums[name] = sums.get(name, np.zeros(3, np.float32)) + np.array(centre, np.float32) * share
    ranked = sorted(shares, key=lambda name: (-shares[name], name))
    kept = [name for name in ranked if shares[name] >= LEAST_SHARE][:MOST_COLOURS]
    means = {name: sums[name] / shares[name] for name in kept}
    return tuple(Colour(name, round(shares[name], 3), _rounded(means[name])) for name in kept)


def _rounded(lab: Lab) -> tuple[float, float, float]:
    lightness, a, b = (round(float(value), 1) for value in lab)
    return lightness, a, b


def _off_edges(lab: Lab) -> NDArray[np.float32]:
    """1 on even places, less on edges, whose pixels mix both sides."""
    spread = cv2.morphologyEx(lab, cv2.MORPH_GRADIENT, NEAR)
    step = cv2.transform(spread, EDGE_PARTS)
    return np.asarray(1 / (1 + step * step), np.float32)


def _cells(lab: Lab, weights: NDArray[np.float32]) -> tuple[Lab, NDArray[np.float32], NDArray[np.float32]]:
    """Means and masses of the occupied cells, some hundred points that stand for all pixels, and how much of each mass
    lies off edges."""
    seen = np.flatnonzero(weights)
    flat = weights.ravel()[seen]
    planes = [plane.ravel()[seen] for plane in planes_of(lab)]
    cells = bins_of(*planes)
    mass = np.bincount(cells, flat)
    found = np.flatnonzero(mass > 1e-3 * mass.sum())
    even = _off_edges(lab).ravel()[seen]
    *means, clean = (np.bincount(cells, flat * values)[found] / mass[found] for values in (*planes, even))
    share = (mass[found] / max(mass[found].sum(), 1e-9)).astype(np.float32)
    return np.stack(means, axis=1).astype(np.float32), share, clean.astype(np.float32)


def _groups(places: Lab, mass: NDArray[np.float32], clean: NDArray[np.float32]) -> list[tuple[Place, float]]:
    """Few centres with their shares: Lloyd's turns from the heaviest cell and those far from what is chosen."""
    flat = _flattened(places)
    chosen = [int(mass.argmax())]
    gap = ((flat - flat[chosen[0]]) ** 2).sum(axis=1)
    for _ in range(min(GROUPS, len(flat)) - 1):
        chosen.append(int((gap * mass).argmax()))
        gap = np.minimum(gap, ((flat - flat[chosen[-1]]) ** 2).sum(axis=1))
    summed = np.concatenate([flat, clean[:, None], np.ones((len(flat), 1), np.float32)], axis=1) * mass[:, None]
    centres, nearest = flat[chosen], np.full(len(flat), -1)
    for _ in range(TURNS):
        before, nearest = nearest, (_squares(centres) - 2 * (centres @ flat.T)).argmin(axis=0)
        if np.array_equal(before, nearest):
            break
        sums = (nearest == np.arange(len(chosen))[:, None]).astype(np.float32) @ summed
        share = np.maximum(sums[:, 4:], np.float32(1e-9))
        centres = np.where(sums[:, 4:] > 0, sums[:, :3] / share, centres)
    found = [
        _Group(tuple(centre), total, even / total)
        for centre, (*_, even, total) in zip(centres.tolist(), sums.tolist(), strict=True)
        if total > 0
    ]
    found.sort(key=lambda group: -group.share)
    light = float(LIGHTNESS_WEIGHT)
    return [((group.centre[0] / light, *group.centre[1:]), group.share) for group in _unmixed(_merged(found))]


def _squares(rows: Lab) -> Lab:
    return np.asarray((rows * rows).sum(axis=1, keepdims=True), np.float32)


def _merged(found: list[_Group]) -> list[_Group]:
    """Neighbours joined, smallest gap first: what is left are colours, not their lights and shadows."""
    while len(found) > 1:
        gap, i, j = min((found[i].gap(found[j]), i, j) for i in range(len(found)) for j in range(i + 1, len(found)))
        if gap > SAME_GROUP:
            break
        joined = found[i].joined(found[j])
        found = [group for at, group in enumerate(found) if at not in {i, j}] + [joined]
    return found


def _unmixed(found: list[_Group]) -> list[_Group]:
    """Without what lies on edges between two larger colours and is a mixture of them: red and white stripes have no
    pink. It goes to the nearer one."""
    found = sorted(found, key=lambda group: -group.share)
    for at in range(len(found) - 1, 1, -1):
        group, larger = found[at], found[:at]
        sides = [(one, other) for i, one in enumerate(larger) for other in larger[i + 1 :]]
        if any(group.between(one, other) for one, other in sides):
            nearest = min(larger, key=group.gap)
            found[found.index(nearest)] = _Group(nearest.centre, nearest.share + group.share, nearest.even)
            del found[at]
    return found
