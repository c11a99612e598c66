"""Things to wear and carry: sneakers, Chelsea boots, sunglasses; and notebooks."""

from __future__ import annotations

import math

import bpy
import materials as m
from mathutils import Euler, Vector
from mesh import Part, Pick, box, circle, curve, loft, outline, soft_box, sweep

LENGTH, ANGLES, RINGS = 0.285, 200, 60


def _footprint(a: float) -> Vector:
    """The sole's outline; angle 0 is the toe, which points to -y."""
    y = -math.cos(a) * LENGTH / 2
    t = y / LENGTH + 0.5
    half = 0.049 - 0.016 * math.exp(-(((t - 0.62) / 0.17) ** 2)) - 0.009 * t - 0.013 * math.exp(-((t / 0.13) ** 2))
    return Vector((math.copysign(abs(math.sin(a)) ** 0.72, math.sin(a)) * half + 0.006 * math.sin(math.pi * t), y, 0))


def _spring(p: Vector) -> Vector:
    """The toe of a shoe lifts off the ground a little."""
    ahead = max(0.0, -p.y - 0.06) / 0.085
    return Vector((p.x, p.y, p.z + 0.014 * ahead * ahead))


class Last:
    """The upper's surface: cubic arcs from the sole's edge up to the collar."""

    def __init__(
        self, collar: float, length: float, width: float, toe: float, instep: tuple[float, float], sole: float
    ) -> None:
        self.collar, self.length, self.width, self.toe, self.instep, self.sole = (
            collar,
            length,
            width,
            toe,
            instep,
            sole,
        )

    def at(self, a: float, t: float) -> Vector:
        ahead = ((1 + math.cos(a)) / 2) ** 2
        foot = _footprint(a) + Vector((0, 0, self.sole))
        rim = Vector(
            (
                self.width * math.sin(a),
                0.076 - self.length * math.cos(a),
                self.collar - 0.012 * math.sin(a) ** 2 + 0.006 * (1 - ahead),
            )
        )
        first = foot * 1.03 + Vector((0, 0.004 * ahead, self.toe * (0.85 + 0.15 * ahead)))
        second = (rim - Vector((0, 0, self.collar * 0.34))).lerp(Vector((0.004, *self.instep)), ahead)
        u = 1 - t
        return _spring(foot * u**3 + first * 3 * u * u * t + second * 3 * u * t * t + rim * t**3)

    def skin(self, mats: list[bpy.types.Material], pick: Pick) -> Part:
        """The upper, its padded collar and the dark inside."""
        rings = [[self.at(2 * math.pi * j / ANGLES, i / RINGS) for j in range(ANGLES)] for i in range(RINGS + 1)]
        for shrink, drop in ((0.97, -0.003), (0.9, -0.002), (0.84, 0.008), (0.6, 0.02)):
            centre = sum(rings[RINGS], Vector()) / ANGLES
            rings.append(
                [
                    Vector((centre.x + (p.x - centre.x) * shrink, centre.y + (p.y - centre.y) * shrink, p.z - drop))
                    for p in rings[RINGS]
                ]
            )
        bottom = sum(rings[-1], Vector()) / ANGLES
        rings.append([bottom] * ANGLES)
        last = len(rings) - 1
        return loft(
            "upper",
            rings,
            mats,
            pick=lambda u, v: len(mats) - 1 if u * last > RINGS + 1.6 else pick(u * last / RINGS, v),
        )


def _sole(mat: bpy.types.Material, steps: list[tuple[float, float]], heel: float = 0.0) -> Part:
    """Stack the footprint at (scale, height) steps; `heel` cuts an arch before a raised heel."""
    rings = []
    for scale, z in steps:
        ring = []
        for j in range(ANGLES):
            p = _footprint(2 * math.pi * j / ANGLES)
            p = Vector((p.x * scale, p.y * (1 + (scale - 1) * 0.4), 0))
            arch = heel * math.exp(-(((p.y - 0.015) / 0.05) ** 4)) + heel * 0.55 * (p.y < -0.04) if z < 0.006 else 0.0
            ring.append(_spring(Vector((p.x, p.y, z + arch))))
        rings.append(ring)
    centre = [Vector((0, p.y * 0.6, rings[-1][j].z)) for j, p in enumerate(rings[-1])]
    return loft("sole", [*rings, centre], mat, caps=True)


def _pair(make: object, gap: float, skew: float) -> list[Part]:
    """Two shoes, the second mirrored, set down a little apart."""
    parts: list[Part] = []
    for side in (-1, 1):
        for part in make():
            if side > 0:
                part.scale.x *= -1
            part.rotation_euler.rotate(Euler((0, 0, math.radians(skew * side))))
            x, y, z = part.location
            part.location = (x + side * gap, y + 0.03 * side, z)
            parts.append(part)
    return parts


def sneaker(
    color: str, tab: str, sole: str, lace: str = "#f4f1ea", stripe: str = "", toe: str = "", kind: str = "leather"
) -> list[Part]:
    def make() -> list[Part]:
        last = Last(0.098, 0.055, 0.034, 0.062, (-0.045, 0.082), 0.026)
        upper = m.leather(color, grain=700) if kind == "leather" else m.cloth(color)
        mats = [
            upper,
            m.leather(tab),
            m.leather(stripe or color, grain=700),
            m.leather(toe or color, grain=700),
            (m.leather if kind == "leather" else m.cloth)(m.shade(color, 0.92)),
            m.cloth("#cfc4b2"),
        ]

        def pick(t: float, v: float) -> int:
            a = abs(v if v < 0.5 else 1 - v) * 2 * math.pi
            if a > 2.62 and t > 0.25:
                return 1
            if stripe and abs(abs(a - 1.75) - 0.16) < 0.075 and 0.06 < t < 0.8:
                return 2
            if toe and a < 0.8 and t < 0.4:
                return 3
            return 4 if a < 0.3 and 0.52 < t else 0

        cup = _sole(
            m.plain(sole, 0.6), [(0.97, 0.0), (1.02, 0.003), (1.05, 0.012), (1.055, 0.03), (1.03, 0.034), (0.95, 0.033)]
        )
        tongue = soft_box("tongue", (0.046, 0.011, 0.05), mats[4], power=4)
        tongue.location, tongue.rotation_euler = (0.003, 0.022, 0.1), Euler((math.radians(48), 0, 0))
        string = m.cloth(lace)
        parts = [last.skin(mats, pick), cup, tongue]
        for k in range(6):
            t = 0.5 + 0.075 * k
            path = [
                last.at(a, t + 0.012 * (1 - abs(a) / 0.5)) + Vector((0, -0.001, 0.0045))
                for a in (-0.52, -0.35, -0.17, 0.0, 0.17, 0.35, 0.52)
            ]
            parts.append(sweep("lace", curve(path, 4), circle(0.0036, 8, 0.7), string, wide=(0, 1, 0)))
        for side in (-1, 1):
            top = last.at(0, 0.93) + Vector((0, -0.004, 0.008))
            bow = [
                top,
                top + Vector((side * 0.016, -0.012, 0.012)),
                top + Vector((side * 0.034, -0.016, 0.0)),
                top + Vector((side * 0.02, -0.002, -0.002)),
                top,
            ]
            parts.append(sweep("bow", curve(bow, 5), circle(0.0026, 8), string, wide=(0, 0, 1)))
        return parts

    return _pair(make, 0.062, 5)


def boot(color: str, elastic: str, sole: str, height: float = 0.185) -> list[Part]:
    """Chelsea boots: elastic gussets, pull tab, stacked heel."""

    def make() -> list[Part]:
        last = Last(height, 0.054, 0.042, 0.062, (0.012, 0.062), 0.024)
        hide = m.leather(color, 0.32, 600)
        mats = [hide, m.cloth(elastic, pattern="cord", pitch=90, axis="Y"), m.cloth("#5a4636")]

        def pick(t: float, v: float) -> int:
            a = abs(v if v < 0.5 else 1 - v) * 2 * math.pi
            return 1 if abs(a - 1.55) < 0.36 and 0.55 < t < 0.985 else 0

        welt = _sole(
            m.plain(sole, 0.55),
            [(0.96, 0.0), (0.99, 0.002), (1.02, 0.0165), (1.045, 0.018), (1.045, 0.026), (0.98, 0.027)],
            heel=0.0145,
        )
        back = last.at(math.pi, 0.98)
        loop = [
            back + Vector((0, 0.002, -0.035)),
            back + Vector((0, 0.008, 0.0)),
            back + Vector((0, 0.002, 0.022)),
            back + Vector((0, -0.008, 0.0)),
            back + Vector((0, -0.01, -0.02)),
        ]
        return [
            last.skin(mats, pick),
            welt,
            sweep("tab", curve(loop, 5), [(-0.009, 0), (0, -0.0012), (0.009, 0), (0, 0.0012)], hide),
        ]

    return _pair(make, 0.066, 6)


def sunglasses(
    frame: str,
    lens: str,
    second: str = "",
    power: float = 2.2,
    width: float = 0.054,
    height: float = 0.048,
    wire: bool = False,
) -> list[Part]:
    """They stand on the rims and the tips of the temples, as one puts them on a table."""
    if wire:
        body = m.metal(frame, 0.22)
    else:
        made = m.Shader("acetate", frame, 0.18, coat_weight=0.8)
        if second:
            made.blend(made.noise(95, 2.0), second, frame, (0.42, 0.58))
        body = made.mat
    thick = 0.0016 if wire else 0.0032
    tint = m.plain(lens, 0.06, coat_weight=1.0, transmission_weight=0.35)
    parts, z = [], height / 2 + thick
    for side in (-1, 1):
        rim = [
            (side * 0.0345 + x * (1 + 0.08 * (y > 0)), 0.004 * (side * x / width) ** 2, z + y)
            for x, y in outline(width, height, power, 56)
        ]
        parts.append(
            sweep("rim", rim, [(a * 1.15, b) for a, b in circle(thick, 10)], body, closed=True, wide=(0, 1, 0))
        )
        hub = [(side * 0.0345, -0.0015, z)] * len(rim)
        middle = [((x + side * 0.0345) / 2, -0.001, (c + z) / 2) for x, _y, c in rim]
        parts.append(loft("lens", [rim, middle, hub], tint))
        x = side * (0.0345 + width * 0.52)
        arm = [
            (x - side * 0.004, 0.0, z + height * 0.26),
            (x + side * 0.003, 0.006, z + height * 0.26),
            (x + side * 0.004, 0.05, z + height * 0.27),
            (x, 0.1, z + height * 0.2),
            (x - side * 0.006, 0.142, 0.003),
        ]
        parts.append(
            sweep(
                "temple",
                curve(arm, 8),
                [(a * 0.55, b * (1.0 if wire else 1.7)) for a, b in circle(thick, 10)],
                body,
                wide=(1, 0, 0),
            )
        )
    bridge = [(-0.0085, 0, z + height * 0.14), (0, -0.002, z + height * 0.24), (0.0085, 0, z + height * 0.14)]
    parts.append(sweep("bridge", curve(bridge, 6), circle(thick * 1.05, 10), body, wide=(0, 1, 0)))
    return parts


def notebooks(lower: str, upper: str, elastic: str) -> list[Part]:
    """Two bound notebooks, one on the other, each held by an elastic."""
    parts = []
    for color, z, turn, scale in ((lower, 0.0, 0.0, 1.0), (upper, 0.022, 13.0, 0.86)):
        w, d, h = 0.15 * scale, 0.21 * scale, 0.021
        cover, page = m.leather(color, grain=900), m.plain("#f3ead7", 0.9)
        made = [
            box("back", (w, d, 0.003), cover, (0, 0, z + 0.0015), 0.001),
            box("pages", (w - 0.006, d - 0.008, h - 0.006), page, (0.001, 0, z + h / 2), 0.001),
            box("front", (w, d, 0.003), cover, (0, 0, z + h - 0.0015), 0.001),
            box("spine", (0.004, d, h), cover, (-w / 2 + 0.001, 0, z + h / 2), 0.0018),
            box("elastic", (0.006, d + 0.001, h + 0.0016), m.cloth(elastic), (w * 0.36, 0, z + h / 2), 0.0008),
        ]
        for part in made:
            part.location.rotate(Euler((0, 0, math.radians(turn))))
            part.rotation_euler = Euler((0, 0, math.radians(turn)))
        parts += made
    return parts
