"""Colours by name, with their share: pixels in Lab, weighed, gathered into few groups, each group named once. A group
is named as a whole because the folds of one red dress are pink here and brown there."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Lab = NDArray[np.float32]

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
MIXED_STEP = np.float32(20.0)  # from which a change between neighbouring pixels is an edge
MIXED_EVEN = 0.7  # of the even part of both its neighbours: with less a colour is found on their edge alone
LEAST_SHARE = 0.05
MOST_COLOURS = 5
L_STEP, AB_STEP, L_BINS, AB_BINS = 8.0, 8.0, 13, 32


@dataclass(frozen=True, slots=True)
class Colour:
    """`share` is the part of the object that has it, 0..1; `lab` its mean (CIE L*a*b*, D65)."""

    name: str
    share: float
    lab: tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Pixels of about one colour; `even` is the part of them that lies off edges."""

    centre: Lab
    share: float
    even: float

    def gap(self, other: "_Group") -> float:
        return float(np.linalg.norm(self.centre - other.centre))

    def joined(self, other: "_Group") -> "_Group":
        share = self.share + other.share
        centre = (self.centre * self.share + other.centre * other.share) / share
        even = (self.even * self.share + other.even * other.share) / share
        return _Group(np.asarray(centre, np.float32), share, even)

    def between(self, one: "_Group", other: "_Group") -> bool:
        """Whether it is found on edges, and a mixture of these two."""
        way = other.centre - one.centre
        at = float(np.vdot(self.centre - one.centre, way)) / max(float(np.vdot(way, way)), 1e-6)
        off = float(np.linalg.norm(one.centre + at * way - self.centre))
        return self.even < MIXED_EVEN * min(one.even, other.even) and 0.1 < at < 0.9 and off < SAME_GROUP


def lab_of(pixels: NDArray[np.uint8]) -> Lab:
    """L 0..100, a and b about -100..100, of RGB pixels (rows x columns x 3)."""
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2Lab), np.float32)


def _examples() -> tuple[Lab, NDArray[np.intp]]:
    codes = [(code, place) for place, name in enumerate(NAMES) for code in EXAMPLES[name].split()]
    pixels = np.array([[[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code, _ in codes]], np.uint8)
    return _flattened(lab_of(pixels)[0]), np.array([place for _, place in codes], np.intp)


def _flattened(lab: Lab) -> Lab:
    """Distances in this space count lightness less."""
    return np.asarray(lab * np.array([LIGHTNESS_WEIGHT, 1, 1], np.float32), np.float32)


EXAMPLE_PLACES, EXAMPLE_NAMES = _examples()


def name_of(lab: tuple[float, float, float]) -> str:
    """The vocabulary's word for one colour."""
    gap = ((EXAMPLE_PLACES - _flattened(np.array(lab, np.float32))) ** 2).sum(axis=1)
    return NAMES[int(EXAMPLE_NAMES[int(gap.argmin())])]


def bins_of(lab: Lab) -> NDArray[np.intp]:
    """A cell of a coarse Lab grid for each pixel."""
    lightness = np.clip(lab[..., 0] / L_STEP, 0, L_BINS - 1).astype(np.intp)
    a, b = (np.clip(lab[..., at] / AB_STEP + AB_BINS / 2, 0, AB_BINS - 1).astype(np.intp) for at in (1, 2))
    return np.asarray((lightness * AB_BINS + a) * AB_BINS + b, np.intp)


def colours_of(lab: Lab, weights: NDArray[np.float32]) -> tuple[Colour, ...]:
    """The named colours of what `weights` (rows x columns, 0..1) says is the object, largest share first."""
    places, mass, clean = _cells(lab, weights)
    if not mass.size:
        return ()
    shares: dict[str, float] = {}
    sums: dict[str, Lab] = {}
    for centre, share in _groups(places, mass, clean):
        name = name_of((float(centre[0]), float(centre[1]), float(centre[2])))
        shares[name] = shares.get(name, 0.0) + share
        sums[name] = sums.get(name, np.zeros(3, np.float32)) + centre * share
    ranked = sorted(shares, key=lambda name: (-shares[name], name))
    kept = [name for name in ranked if shares[name] >= LEAST_SHARE][:MOST_COLOURS]
    means = {name: sums[name] / shares[name] for name in kept}
    return tuple(Colour(name, round(shares[name], 3), _rounded(means[name])) for name in kept)


def _rounded(lab: Lab) -> tuple[float, float, float]:
    lightness, a, b = (round(float(value), 1) for value in lab)
    return lightness, a, b


def _off_edges(lab: Lab) -> NDArray[np.float32]:
    """1 on even places, less on edges, whose pixels mix both sides."""
    spread = cv2.split(cv2.morphologyEx(lab, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)))
    step = LIGHTNESS_WEIGHT * spread[0] + spread[1] + spread[2]
    return np.asarray(1 / (1 + (step / MIXED_STEP) ** 2), np.float32)


def _cells(lab: Lab, weights: NDArray[np.float32]) -> tuple[Lab, NDArray[np.float32], NDArray[np.float32]]:
    """Means and masses of the occupied cells, some hundred points that stand for all pixels, and how much of each mass
    lies off edges."""
    cells, flat = bins_of(lab).ravel(), weights.ravel()
    mass = np.bincount(cells, flat)
    found = np.flatnonzero(mass > 1e-3 * mass.sum())
    means = [np.bincount(cells, flat * lab[..., at].ravel())[found] / mass[found] for at in range(3)]
    clean = np.bincount(cells, flat * _off_edges(lab).ravel())[found] / mass[found]
    share = (mass[found] / max(mass[found].sum(), 1e-9)).astype(np.float32)
    return np.stack(means, axis=1).astype(np.float32), share, clean.astype(np.float32)


def _groups(places: Lab, mass: NDArray[np.float32], clean: NDArray[np.float32]) -> list[tuple[Lab, float]]:
    """Few centres with their shares: Lloyd's turns from the heaviest cell and those far from what is chosen."""
    flat = _flattened(places)
    chosen = [int(mass.argmax())]
    gap = ((flat - flat[chosen[0]]) ** 2).sum(axis=1)
    for _ in range(min(GROUPS, len(flat)) - 1):
        chosen.append(int((gap * mass).argmax()))
        gap = np.minimum(gap, ((flat - flat[chosen[-1]]) ** 2).sum(axis=1))
    centres = flat[chosen]
    for _ in range(TURNS):
        nearest = ((flat[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
        share = np.bincount(nearest, mass, len(chosen))
        sums = np.stack([np.bincount(nearest, mass * flat[:, at], len(chosen)) for at in range(3)], axis=1)
        centres = np.where(share[:, None] > 0, sums / np.maximum(share, 1e-9)[:, None], centres).astype(np.float32)
    even = np.bincount(nearest, mass * clean, len(chosen)) / np.maximum(share, 1e-9)
    order = np.argsort(-share, kind="stable")
    found = [_Group(centres[i], float(share[i]), float(even[i])) for i in order if share[i] > 0]
    scale = np.array([LIGHTNESS_WEIGHT, 1, 1], np.float32)
    return [(group.centre / scale, group.share) for group in _unmixed(_merged(found))]


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
