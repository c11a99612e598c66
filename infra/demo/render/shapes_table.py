"""Things for the table and the sill: mugs, cups, vases, carafes, glasses, drinking bottles, plant pots."""

from __future__ import annotations

import math
from collections.abc import Sequence

import bpy
import materials as m
from mesh import Part, Pick, Point, band, circle, curve, lathe, sweep
from shapes_plants import PLANTS, sprigs


def _above(share: float) -> Pick:
    """Slot 1 (raw clay) below `share` of the outer wall, slot 0 (glaze) elsewhere; lathes run outside, lip, inside."""
    return lambda u, _v: 1 if u < share else 0


def mug(
    color: str,
    foot: str,
    height: float = 0.095,
    radius: float = 0.042,
    belly: float = 0.0,
    flare: float = 0.0,
    speckle: str = "",
    dip: float = 0.2,
) -> list[Part]:
    wall = 0.004
    outer = [
        (radius * 0.84, 0.0015),
        (radius * (0.97 + belly * 0.4), height * 0.16),
        (radius * (1 + belly), height * 0.5),
    ]
    outer += [(radius * (1 + flare * 0.5), height * 0.85), (radius * (1 + flare), height)]
    inner = [(r - wall, max(z, 0.006)) for r, z in reversed(outer)]
    profile = [(0, 0), (radius * 0.8, 0), *curve(outer, 6), *curve(inner, 6), (0, 0.006)]
    glaze, raw = m.ceramic(color, speckle), m.clay(foot)
    body = lathe("mug", profile, [glaze, raw], pick=_above(dip))
    r = radius * (1 + belly) - 0.002
    reach = 0.3 * height + 0.004
    loop = [(r - 0.001, 0, height * 0.8), (r + reach * 0.75, 0, height * 0.8), (r + reach, 0, height * 0.55)]
    loop += [(r + reach * 0.7, 0, height * 0.3), (r - 0.001, 0, height * 0.22)]
    return [body, sweep("ear", curve(loop, 7), [(a * 1.6, b) for a, b in circle(0.0042, 14)], glaze, wide=(0, 1, 0))]


def espresso(color: str, foot: str, speckle: str = "") -> list[Part]:
    parts = mug(color, foot, 0.06, 0.032, 0.06, 0.1, speckle, 0.12)
    for part in parts:
        part.location.z = 0.007
    rim = curve([(0.03, 0), (0.045, 0.003), (0.066, 0.013)], 6)
    back = curve([(0.064, 0.015), (0.044, 0.007), (0.03, 0.006)], 6)
    return [*parts, lathe("saucer", [(0, 0), *rim, *back, (0, 0.006)], m.ceramic(foot, speckle))]


def vase(
    color: str,
    profile: Sequence[Point],
    ribs: int = 0,
    rib_depth: float = 0.0,
    speckle: str = "",
    rough: float = 0.35,
    stems: str = "",
    foot: str = "",
) -> list[Part]:
    """Any turned vessel; `profile` is the outer wall in metres from foot to lip."""
    outer = curve(profile, 7)
    inner = [(max(r - 0.005, 0.002), max(z, 0.008)) for r, z in reversed(outer)]
    mats = [m.ceramic(color, speckle, rough), m.clay(foot or color)]
    share = 0.16 if foot else 0.0
    parts = [
        lathe("vase", [(0, 0), *outer, *inner, (0, 0.008)], mats, ribs=ribs, rib_depth=rib_depth, pick=_above(share))
    ]
    return parts + (sprigs(profile[-1][1], stems) if stems else [])


def _blown(outer: Sequence[Point], inner: Sequence[Point], floor: float) -> list[Point]:
    """A glass wall with a rounded lip and foot: at a hard edge smooth normals would turn the glass black."""
    (r, h), (q, _h) = outer[-1], inner[0]
    half = (r - q) / 2
    lip = [
        (r - half * (1 - c), h + half * s)
        for c, s in ((0.92, 0.38), (0.7, 0.7), (0.38, 0.92), (0, 1), (-0.38, 0.92), (-0.7, 0.7), (-0.92, 0.38))
    ]
    r0, z0 = outer[0]
    foot = [(0, 0), (r0 * 0.5, 0), (r0 * 0.93, 0), (r0 * 0.98, z0 * 0.3)]
    return [*foot, *outer, *lip, *inner, (inner[-1][0] * 0.5, floor), (0, floor)]


def carafe(color: str, stopper: str) -> list[Part]:
    outer = curve([(0.042, 0.002), (0.05, 0.03), (0.049, 0.09), (0.024, 0.16), (0.022, 0.2), (0.029, 0.225)], 7)
    inner = [(r - 0.0025, max(z, 0.01)) for r, z in reversed(outer)]
    ball = [(0, 0.212), (0.018, 0.214), *curve([(0.02, 0.226), (0.027, 0.245), (0.02, 0.264), (0, 0.268)], 5)]
    return [lathe("carafe", _blown(outer, inner, 0.01), m.glass(color)), lathe("stopper", ball, m.wood(stopper))]


def tumblers(color: str, height: float = 0.1, radius: float = 0.037, ribs: int = 0, count: int = 2) -> list[Part]:
    """Drinking glasses with a heavy base, sold in pairs."""
    outer = curve([(radius * 0.85, 0.001), (radius * 0.93, 0.012), (radius, height * 0.5), (radius * 1.04, height)], 6)
    inner = [(r - 0.0028, max(z, 0.014)) for r, z in reversed(outer)]
    parts = []
    for i in range(count):
        made = lathe("glass", _blown(outer, inner, 0.014), m.glass(color), ribs=ribs, rib_depth=0.025 if ribs else 0)
        made.location = ((i - (count - 1) / 2) * radius * 2.5, i * radius * 0.9, 0)
        parts.append(made)
    return parts


def goblet(color: str, stem: str, height: float = 0.19) -> list[Part]:
    foot = curve([(0.0345, 0.0008), (0.034, 0.002), (0.012, 0.006), (0.0045, 0.02), (0.004, 0.075), (0.007, 0.088)], 5)
    bowl = curve([(0.007, 0.088), (0.03, 0.105), (0.04, 0.135), (0.033, height)], 7)
    inner = [(max(r - 0.002, 0), z + 0.004 * (z < 0.1)) for r, z in reversed(bowl)]
    pair = []
    for x, y in ((-0.05, 0.0), (0.05, 0.04)):
        made = [
            lathe("stem", [(0, 0.003), (0.018, 0.0024), (0.03, 0.001), (0.0335, 0), *foot, (0, 0.089)], m.glass(stem))
        ]
        made.append(lathe("bowl", _blown(bowl, inner[:-1], 0.096)[4:], m.glass(color)))
        for part in made:
            part.location = (x, y, 0)
        pair += made
    return pair


def flask(color: str, cap: str, height: float = 0.25, radius: float = 0.036, loop: bool = True) -> list[Part]:
    """An insulated bottle in powder coat with a steel ring and a carrying loop."""
    coat = m.Shader("powder", color, 0.55)
    coat.bump(coat.noise(1400, 1.0), 0.25, 0.001)
    top = height * 0.78
    wall = curve(
        [(radius * 0.95, 0.002), (radius, 0.012), (radius, top * 0.6), (radius, top * 0.86), (radius * 0.72, top)], 6
    )
    lid = m.plain(cap, 0.4)
    parts = [lathe("flask", [(0, 0), *wall, (0, top)], coat.mat)]
    parts.append(
        lathe(
            "ring",
            [(0, top - 0.001), (radius * 0.74, top), (radius * 0.74, top + 0.006), (0, top + 0.006)],
            m.metal("#c9c6c0", 0.3),
        )
    )
    wall = [(radius * 0.78, top + 0.008), (radius * 0.78, height - 0.004), (radius * 0.72, height)]
    parts.append(lathe("lid", [(0, top + 0.006), *wall, (0, height)], lid))
    if loop:
        arch = [
            (radius * 0.74 * math.cos(a), 0, height - 0.012 + 0.036 * math.sin(a))
            for a in [math.pi * i / 16 for i in range(17)]
        ]
        parts.append(sweep("loop", arch, band(0.016, 0.005), lid, wide=(0, 1, 0)))
    return parts


def pot(
    color: str,
    profile: Sequence[Point],
    plant: str,
    ribs: int = 0,
    rib_depth: float = 0.0,
    raw: bool = False,
    stand: str = "",
    leaf: str = "#4d6b43",
) -> list[Part]:
    """A plant pot with its plant; `stand` lifts it on three wooden legs."""
    lift = 0.14 if stand else 0.0
    outer = curve(profile, 7)
    inner = [(r - 0.008, max(z, 0.02)) for r, z in reversed(outer)]
    mat = m.clay(color) if raw else m.ceramic(color, rough=0.45)
    parts = [lathe("pot", [(0, 0), *outer, *inner, (0, 0.02)], mat, ribs=ribs, rib_depth=rib_depth)]
    radius, top = profile[-1]
    parts.append(
        lathe("soil", [(radius * 0.93, top - 0.025), (radius * 0.5, top - 0.02), (0, top - 0.018)], m.clay("#3b2e26"))
    )
    parts += PLANTS[plant](top - 0.02, radius, leaf)
    for part in parts:
        part.location.z += lift
    return parts + (_stand(profile, lift, stand) if stand else [])


def _stand(profile: Sequence[Point], lift: float, color: str) -> list[Part]:
    oak, reach = m.wood(color), max(r for r, _z in profile) + 0.012
    parts: list[bpy.types.Object] = []
    for i in range(3):
        a = 2 * math.pi * i / 3 + 0.5
        x, y = reach * math.cos(a), reach * math.sin(a)
        parts.append(sweep("leg", [(x, y, 0), (x, y, lift + 0.09)], circle(0.011), oak))
        parts.append(sweep("bar", [(0, 0, lift - 0.012), (x, y, lift - 0.012)], circle(0.009), oak))
    return parts
