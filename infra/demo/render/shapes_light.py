"""Lamps for tables and floors; each carries a lit bulb, so that a scene is warm where the lamp stands."""

from __future__ import annotations

import math

import materials as m
from mathutils import Euler
from mesh import Part, circle, curve, dowel, lathe, point_light, sweep

WARM = "#ffd9a0"


def mushroom(color: str, foot: str, size: float = 1.0) -> list[Part]:
    """A domed shade over a trumpet foot, both lacquered."""
    foot_wall = curve([(0.085, 0.001), (0.086, 0.012), (0.05, 0.03), (0.03, 0.09), (0.03, 0.19), (0.04, 0.215)], 6)
    dome = curve([(0.152, 0.206), (0.156, 0.222), (0.138, 0.275), (0.085, 0.318), (0.03, 0.333), (0.0, 0.335)], 7)
    lacquer = {"rough": 0.3, "coat_weight": 0.5}
    parts = [
        lathe("foot", [(0, 0), *foot_wall], m.plain(foot, **lacquer)),
        lathe("dome", [(0.145, 0.208), *dome], m.plain(color, **lacquer)),
        lathe("opal", [(0, 0.208), (0.13, 0.208), (0.145, 0.211)], m.glow(WARM, 3.0)),
    ]
    for part in parts:
        part.scale = (size,) * 3
    return [*parts, point_light((0, 0, 0.17 * size), 1.6)]


def gourd(color: str, shade: str, speckle: str = "", ribs: int = 0) -> list[Part]:
    """A turned ceramic base under a linen shade."""
    wall = [
        (0.05, 0.001),
        (0.062, 0.02),
        (0.098, 0.09),
        (0.09, 0.15),
        (0.045, 0.21),
        (0.026, 0.245),
        (0.03, 0.262),
        (0.012, 0.266),
    ]
    brass = m.metal("#c8a25a", 0.28)
    linen = [(0.165, 0.30), (0.112, 0.50)]
    inside = [(0.110, 0.498), (0.163, 0.302)]
    return [
        lathe("base", [(0, 0), *curve(wall, 7)], m.ceramic(color, speckle), ribs=ribs, rib_depth=0.03),
        dowel("neck", (0, 0, 0.26), (0, 0, 0.36), 0.008, brass),
        lathe("shade", [*linen, *inside, linen[0]], m.lampshade(shade)),
        lathe("hem", [(0.1655, 0.30), (0.1655, 0.306), (0.163, 0.306)], m.plain(m.shade(shade, 0.8), 0.8)),
        lathe("bulb", [(0, 0.36), (0.024, 0.375), (0.024, 0.4), (0, 0.415)], m.glow(WARM, 9.0)),
        point_light((0, 0, 0.27), 1.4),
        point_light((0, 0, 0.54), 1.2),
    ]


def desk(color: str, joint: str) -> list[Part]:
    """A jointed work lamp: two rods, a tilted cone."""
    paint, brass = m.plain(color, 0.35, coat_weight=0.3), m.metal(joint, 0.25)
    elbow, wrist = (0.11, 0, 0.27), (-0.07, 0, 0.45)
    cone = curve([(0.022, 0.07), (0.03, 0.062), (0.045, 0.03), (0.082, -0.05)], 6)
    parts = [
        lathe(
            "foot",
            [(0, 0), *curve([(0.086, 0.001), (0.088, 0.01), (0.082, 0.02), (0.02, 0.026)], 4), (0, 0.026)],
            paint,
        ),
        dowel("lower", (0, 0, 0.02), elbow, 0.0075, paint),
        dowel("upper", elbow, wrist, 0.0075, paint),
        *(dowel("joint", (x, -0.016, z), (x, 0.016, z), 0.014, brass) for x, _y, z in (elbow, wrist)),
    ]
    head = lathe("head", [(0, 0.072), *cone, *[(r - 0.003, z - 0.002) for r, z in reversed(cone)], (0, 0.066)], paint)
    bulb = lathe("bulb", [(0, 0.03), (0.024, 0.01), (0.028, -0.012), (0, -0.035)], m.glow(WARM, 9.0))
    for part in (head, bulb):
        part.rotation_euler = Euler((0, math.radians(32), 0))
        part.location = (wrist[0] - 0.045, 0, wrist[2] - 0.03)
    return [*parts, head, bulb, point_light((wrist[0] - 0.11, 0, wrist[2] - 0.13), 2.2)]


def dome_floor(color: str, rod: str, height: float = 1.5) -> list[Part]:
    """A reading lamp: a thin rod that bends over into a dome."""
    paint, brass = m.plain(color, 0.35, coat_weight=0.3), m.metal(rod, 0.25)
    path = curve(
        [(0, 0, 0.02), (0, 0, height * 0.5), (0, 0, height - 0.14), (-0.06, 0, height - 0.02), (-0.2, 0, height)], 9
    )
    dome = curve([(0.15, -0.12), (0.142, -0.06), (0.1, -0.012), (0.035, 0.01), (0.0, 0.013)], 7)
    head = lathe("dome", [*[(max(r - 0.004, 0), z - 0.003) for r, z in reversed(dome)], *dome], paint)
    bulb = lathe("bulb", [(0, -0.02), (0.04, -0.05), (0.045, -0.075), (0, -0.11)], m.glow(WARM, 8.0))
    for part in (head, bulb):
        part.location = (-0.24, 0, height - 0.005)
        part.rotation_euler = Euler((0, math.radians(14), 0))
    return [
        lathe(
            "foot", [(0, 0), *curve([(0.15, 0.001), (0.152, 0.014), (0.145, 0.024), (0.02, 0.03)], 4), (0, 0.03)], paint
        ),
        sweep("rod", path, circle(0.0095), brass, wide=(0, 1, 0)),
        head,
        bulb,
        point_light((-0.28, 0, height - 0.2), 9.0, size=0.06),
    ]


def tripod_floor(shade: str, leg: str, height: float = 1.5) -> list[Part]:
    """A linen drum on three wooden legs."""
    oak, top = m.wood(leg), height - 0.3
    parts = []
    for i in range(3):
        a = 2 * math.pi * i / 3 + math.pi / 6
        parts.append(
            dowel(
                "leg",
                (0.035 * math.cos(a), 0.035 * math.sin(a), top),
                (0.27 * math.cos(a), 0.27 * math.sin(a), 0),
                0.015,
                oak,
                0.7,
            )
        )
    drum = [(0.21, top + 0.02), (0.19, height), (0.187, height), (0.207, top + 0.02), (0.21, top + 0.02)]
    return [
        *parts,
        lathe("hub", [(0, top - 0.06), (0.05, top - 0.06), (0.05, top - 0.02), (0, top - 0.02)], m.metal("#b8925a")),
        dowel("neck", (0, 0, top - 0.03), (0, 0, top + 0.12), 0.01, m.metal("#b8925a")),
        lathe("shade", drum, m.lampshade(shade)),
        point_light((0, 0, top - 0.06), 5.0, size=0.06),
        point_light((0, 0, height + 0.06), 5.0, size=0.06),
    ]
