"""Seats and soft things of the home: armchair, shell chair, spindle chair, stool, cushion; and the wall clock."""

from __future__ import annotations

import math

import materials as m
from mathutils import Euler, Vector
from mesh import Part, box, circle, curve, dowel, lathe, sheet, soft_box, sweep


def armchair(color: str, leg: str, texture: str = "boucle") -> list[Part]:
    cover = m.boucle(color) if texture == "boucle" else m.cloth(color)
    back = soft_box("back", (0.78, 0.2, 0.52), cover, (0, 0, 0), power=4.5, wobble=0.006, seed=2)
    back.location, back.rotation_euler = (0, 0.3, 0.58), Euler((math.radians(-12), 0, 0))
    parts = [
        soft_box("frame", (0.74, 0.7, 0.2), cover, (0, 0, 0.25), power=7),
        soft_box("seat", (0.54, 0.62, 0.17), cover, (0, -0.05, 0.41), power=4.2, wobble=0.006, seed=1),
        back,
        soft_box("arm", (0.16, 0.74, 0.4), cover, (0.37, 0, 0.37), power=4.0, wobble=0.004),
        soft_box("arm", (0.16, 0.74, 0.4), cover, (-0.37, 0, 0.37), power=4.0, wobble=0.004),
    ]
    oak = m.wood(leg)
    return parts + [
        dowel("leg", (x * 0.29, y * 0.27, 0.18), (x * 0.33, y * 0.31, 0), 0.022, oak, 0.6)
        for x in (-1, 1)
        for y in (-1, 1)
    ]


def shell_chair(color: str, leg: str) -> list[Part]:
    """A moulded seat on turned legs."""
    spine = curve(
        [(-0.23, 0.44), (-0.16, 0.455), (0.0, 0.435), (0.14, 0.45), (0.21, 0.55), (0.255, 0.7), (0.29, 0.83)], 8
    )

    def shape(u: float, v: float) -> tuple[float, float, float]:
        at = u * (len(spine) - 1)
        i = min(int(at), len(spine) - 2)
        y, z = (spine[i][k] + (spine[i + 1][k] - spine[i][k]) * (at - i) for k in (0, 1))
        edge = min(u, 1 - u)
        half = (0.235 - 0.03 * u) * (1 - (1 - min(edge / 0.13, 1)) ** 2.4 * 0.42)
        s = (v - 0.5) * 2
        lift = abs(s) ** 2.6 * (1 - u**5)
        return (
            s * half,
            y - lift * 0.075 * min(u / 0.6, 1),
            z + lift * (0.03 + 0.045 * math.sin(math.pi * min(u / 0.75, 1))),
        )

    parts = [sheet("shell", shape, m.plain(color, 0.42), 40, 16, thickness=0.009)]
    oak = m.wood(leg)
    for x in (-1, 1):
        for y in (-1, 1):
            parts.append(dowel("leg", (x * 0.11, y * 0.1 - 0.01, 0.44), (x * 0.21, y * 0.21, 0), 0.015, oak, 0.65))
        parts.append(dowel("rail", (x * 0.155, -0.15, 0.24), (x * 0.155, 0.15, 0.24), 0.007, oak))
    return parts


def spindle_chair(color: str, spindles: int = 7) -> list[Part]:
    oak, flat = m.wood(color), m.wood(color, "Y")
    parts = [soft_box("seat", (0.45, 0.42, 0.036), flat, (0, 0, 0.44), power=5)]
    parts += [
        dowel("leg", (x * 0.16, y * 0.14, 0.43), (x * 0.22, y * 0.2, 0), 0.018, oak, 0.65)
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    parts += [dowel("rail", (x * 0.19, -0.17, 0.2), (x * 0.19, 0.17, 0.2), 0.009, oak) for x in (-1, 1)]
    arc = [
        (0.235 * math.sin(a), 0.235 + 0.12 * math.cos(a) - 0.09, 0.83)
        for a in [math.radians(-75 + 150 * i / 24) for i in range(25)]
    ]
    parts.append(
        sweep("comb", arc, [(a * 1.2, b * 2.6) for a, b in circle(0.0125)], m.wood(color, "X"), wide=(0, 1, 0))
    )
    for i in range(spindles):
        x, y, z = arc[2 + round(20 * i / (spindles - 1))]
        parts.append(dowel("spindle", (x * 0.8, 0.11 + 0.07 * math.cos(x * 7), 0.45), (x, y, z), 0.0075, oak))
    return parts


def stool(seat: str, leg: str, height: float = 0.46) -> list[Part]:
    oak, rim = (
        m.wood(leg),
        curve(
            [
                (0.13, height - 0.045),
                (0.175, height - 0.035),
                (0.182, height - 0.018),
                (0.17, height),
                (0.1, height - 0.006),
            ],
            6,
        ),
    )
    parts = [lathe("seat", [(0, height - 0.045), *rim, (0, height - 0.008)], m.plain(seat, 0.45, coat_weight=0.2))]
    for i in range(3):
        a = 2 * math.pi * i / 3 + 0.4
        c, s = math.cos(a), math.sin(a)
        parts.append(dowel("leg", (0.1 * c, 0.1 * s, height - 0.04), (0.19 * c, 0.19 * s, 0), 0.017, oak, 0.7))
    ring = [(0.157 * math.cos(2 * math.pi * i / 48), 0.157 * math.sin(2 * math.pi * i / 48), 0.15) for i in range(48)]
    parts.append(sweep("ring", ring, circle(0.008, 10), m.metal("#b08b52", 0.3), closed=True, wide=(0, 0, 1)))
    return parts


def cushion(
    color: str,
    second: str = "",
    pattern: str = "plain",
    pitch: float = 12.0,
    axis: str = "X",
    size: float = 0.46,
    piping: str = "",
) -> list[Part]:
    """A scatter cushion that leans back as it does on a seat."""
    half = size / 2

    def bend(p: Vector) -> Vector:
        x, y = p.x / half, p.z / half
        full = max(0.0, (1 - abs(x) ** 3) * (1 - abs(y) ** 3)) ** 0.55
        return Vector((p.x * (1 - 0.09 * (1 - y * y)), p.y * max(full, 0.03), p.z * (1 - 0.09 * (1 - x * x))))

    body = soft_box(
        "cushion", (size, 0.17, size), m.cloth(color, second, pattern, pitch, axis), power=24, cuts=26, bend=bend
    )
    edge = [bend(Vector((half * x, 0, half * z))) for x, z in _square(24)]
    trim = sweep("piping", edge, circle(0.005, 8), m.cloth(piping or m.shade(color, 0.7)), closed=True, wide=(0, 1, 0))
    for part in (body, trim):
        part.location, part.rotation_euler = (0, 0.02, half * 0.96), Euler((math.radians(-14), 0, 0))
    return [body, trim]


def _square(n: int) -> list[tuple[float, float]]:
    steps = [-1 + 2 * i / n for i in range(n)]
    return (
        [(s, -1.0) for s in steps]
        + [(1.0, s) for s in steps]
        + [(-s, 1.0) for s in steps]
        + [(-1.0, -s) for s in steps]
    )


def clock(rim: str, face: str, hands: str, radius: float = 0.15, wooden: bool = False) -> list[Part]:
    """A wall clock, seen from -y, its lowest point at z = 0."""
    edge = curve(
        [(radius, 0.0), (radius, 0.03), (radius * 0.965, 0.036), (radius * 0.93, 0.03), (radius * 0.93, 0.016)], 5
    )
    ink = m.plain(hands, 0.4)
    parts = [
        lathe("rim", [(0, 0), *edge], m.wood(rim, "X") if wooden else m.plain(rim, 0.35)),
        lathe("face", [(0, 0.017), (radius * 0.935, 0.017)], m.plain(face, 0.6)),
    ]
    for hour in range(12):
        a, long = math.pi * hour / 6, 0.16 if hour % 3 == 0 else 0.08
        tick = box("tick", (radius * 0.022, radius * long, 0.002), ink, bevel=0)
        tick.location = (radius * (0.86 - long / 2) * math.sin(a), radius * (0.86 - long / 2) * math.cos(a), 0.018)
        tick.rotation_euler = Euler((0, 0, -a))
        parts.append(tick)
    for length, width, a in ((0.5, 0.045, math.radians(305)), (0.74, 0.03, math.radians(60))):
        hand = box("hand", (radius * width, radius * length, 0.002), ink, bevel=0)
        hand.location = (radius * length * 0.42 * math.sin(a), radius * length * 0.42 * math.cos(a), 0.022)
        hand.rotation_euler = Euler((0, 0, -a))
        parts.append(hand)
    parts.append(lathe("hub", [(0, 0.026), (radius * 0.045, 0.026), (radius * 0.045, 0.017)], ink))
    turn = Euler((math.pi / 2, 0, 0)).to_matrix().to_4x4()
    for part in parts:
        part.matrix_world = turn @ part.matrix_basis
        part.location.z += radius
    return parts
