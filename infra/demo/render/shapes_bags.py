"""Bags for the day: tote, satchel, bucket bag."""

from __future__ import annotations

import math

import bpy
import materials as m
from mathutils import Euler, Vector, noise
from mesh import Part, band, box, circle, curve, lathe, loft, outline, sheet, soft_box, sweep


def strap_section(width: float, thick: float) -> list[tuple[float, float]]:
    """A strap's section whose thin side follows `wide` of the sweep."""
    return [(b, a) for a, b in band(width, thick)]


def _hide(kind: str, color: str, **pattern: object) -> bpy.types.Material:
    return m.leather(color) if kind == "leather" else m.cloth(color, **pattern)


def tote(
    color: str,
    base: str,
    handle: str,
    kind: str = "leather",
    height: float = 0.32,
    width: float = 0.38,
    depth: float = 0.13,
    panel: float = 0.26,
    second: str = "",
    pattern: str = "plain",
    pitch: float = 12.0,
) -> list[Part]:
    rings = []
    for i in range(25):
        t = i / 24
        w, d = width * (0.9 + 0.14 * t), depth * (1 - 0.5 * t * t)
        ring = []
        for x, y in outline(w, d, 6 - 2 * t, 96):
            swell = 0.008 * noise.noise(Vector((x * 9, y * 9, t * 3)))
            ring.append(
                (
                    x + swell,
                    y * (1 + 0.12 * math.sin(math.pi * t)) + swell * 2,
                    height * t + 0.006 * t * math.cos(x * 14),
                )
            )
        rings.append(ring)
    rings[0] = [(x * 0.985, y * 0.96, 0) for x, y, _z in rings[0]]
    low = [(0.0, 0.0, 0.004)] * 96
    body = loft(
        "tote",
        [low, *rings],
        [_hide(kind, color, second=second, pattern=pattern, pitch=pitch, axis="Z"), m.leather(base)],
        pick=lambda u, _v: 1 if u < panel else 0,
        thickness=0.004,
        subsurf=1,
    )
    lining = loft(
        "lining",
        [[(x * 0.96, y * 0.9, z) for x, y, z in ring] for ring in rings[18:20]],
        m.cloth(m.shade(color, 0.5)),
        caps=True,
    )
    parts, grip = [body, lining], m.leather(handle)
    for side in (-1, 1):
        y = side * depth * 0.36
        path = [
            (-0.085, y * 1.32, height * 0.62),
            (-0.082, y * 0.98, height * 0.97),
            (-0.062, y * 0.8, height * 1.32),
            (0, y * 0.7, height * 1.47),
        ]
        path += [(-a, b, c) for a, b, c in reversed(path[:-1])]
        parts.append(sweep("handle", curve(path, 8), strap_section(0.024, 0.005), grip, wide=(0, 1, 0)))
        for x in (-0.085, 0.085):
            parts.append(dot((x, y * 1.32 + side * 0.006, height * 0.65), 0.006))
    return parts


def dot(at: tuple[float, float, float], radius: float) -> Part:
    """A brass rivet that faces front and back."""
    made = lathe(
        "rivet", [(0, -0.004), (radius, -0.003), (radius, 0.003), (0, 0.004)], m.metal("#c8a25a", 0.25), segments=20
    )
    made.rotation_euler, made.location = Euler((math.pi / 2, 0, 0)), at
    return made


def satchel(color: str, strap: str, width: float = 0.27, height: float = 0.19, depth: float = 0.085) -> list[Part]:
    hide, gold = m.leather(color), m.metal("#c8a25a", 0.22)
    front = -depth / 2

    def cover(u: float, v: float) -> tuple[float, float, float]:
        s = (v - 0.5) * 2
        if u < 0.35:
            t = u / 0.35
            y, z = depth * 0.46 * (1 - 2 * t), height * (0.965 + 0.06 * math.sin(math.pi * (0.25 + 0.5 * t)))
        else:
            t = (u - 0.35) / 0.65
            drop = 0.62 * (1 - 0.2 * abs(s) ** 4)
            y, z = front - 0.008 - 0.006 * math.sin(math.pi * t), height * (1.0 - drop * t)
        return (s * width * 0.505, y, z)

    grip = [
        (-width * 0.49, 0, height * 0.84),
        (-width * 0.46, 0, height * 1.25),
        (-width * 0.25, 0, height * 1.9),
        (0, 0, height * 2.08),
    ]
    grip += [(-x, y, z) for x, y, z in reversed(grip[:-1])]
    parts = [
        soft_box("body", (width, depth, height), hide, (0, 0, height / 2), power=9, wobble=0.003),
        sheet("flap", cover, m.leather(m.shade(color, 1.06)), 40, 16, thickness=0.004),
        sweep("strap", curve(grip, 8), strap_section(0.022, 0.005), m.leather(strap), wide=(0, 1, 0)),
        box("lock", (0.036, 0.012, 0.03), gold, (0, front - 0.014, height * 0.46), 0.004),
        box("tab", (0.03, 0.006, 0.07), m.leather(strap), (0, front - 0.012, height * 0.55), 0.002),
    ]
    return parts + [dot((x * width * 0.47, front * 0.2, height * 0.86), 0.009) for x in (-1, 1)]


def bucket(color: str, strap: str, base: str, radius: float = 0.11, height: float = 0.25) -> list[Part]:
    hide = m.leather(color)
    wall = curve(
        [
            (radius * 0.93, 0.002),
            (radius, 0.02),
            (radius * 1.03, height * 0.5),
            (radius * 0.98, height * 0.8),
            (radius * 0.9, height),
        ],
        6,
    )
    rings = []
    for r, z in [(0.0, 0.0), *wall, (radius * 0.8, height * 0.9)]:
        frill = 0.075 * max(0.0, z / height - 0.72) / 0.28
        rings.append(
            [
                (
                    r * (1 + frill * math.cos(12 * a)) * math.cos(a),
                    0.86 * r * (1 + frill * math.cos(12 * a)) * math.sin(a),
                    z,
                )
                for a in [2 * math.pi * j / 144 for j in range(144)]
            ]
        )
    cord = [
        (radius * 1.0 * math.cos(2 * math.pi * j / 64), 0.87 * radius * math.sin(2 * math.pi * j / 64), height * 0.86)
        for j in range(64)
    ]
    arch = [
        (-radius, 0, height * 0.8),
        (-radius * 0.98, 0, height * 1.2),
        (-radius * 0.6, 0, height * 1.75),
        (0, 0, height * 1.95),
    ]
    arch += [(-x, y, z) for x, y, z in reversed(arch[:-1])]
    parts = [
        loft("bucket", rings, [hide, m.leather(base)], pick=lambda u, _v: 1 if u < 0.3 else 0),
        sweep("cord", cord, circle(0.005, 8), m.leather(strap), closed=True, wide=(0, 0, 1)),
        sweep("strap", curve(arch, 8), strap_section(0.026, 0.005), m.leather(strap), wide=(0, 1, 0)),
    ]
    for x in (-0.014, 0.014):
        tail = [
            (x * 0.4, -radius * 0.88, height * 0.86),
            (x, -radius * 0.98, height * 0.76),
            (x * 1.6, -radius * 0.93, height * 0.56),
        ]
        parts.append(sweep("tail", curve(tail, 5), circle(0.004, 8), m.leather(strap), wide=(1, 0, 0)))
    return parts
