"""What furnishes a room and is not for sale: walls, window, tables, shelf, bench, rugs, pictures, books."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import bpy
import materials as m
from mathutils import Euler
from mesh import Part, Point, box, circle, curve, dowel, lathe, outline, sheet, soft_box, sweep
from studio import area, sun


def floor(mat: bpy.types.Material, size: float = 9.0) -> Part:
    return box("floor", (size, size, 0.02), mat, (0, 0, -0.01), 0)


def wall(mat: bpy.types.Material, y: float, width: float = 9.0, height: float = 3.2) -> Part:
    return box("wall", (width, 0.1, height), mat, (0, y + 0.05, height / 2), 0)


def skirting(color: str, y: float, width: float = 9.0) -> Part:
    return box("skirting", (width, 0.018, 0.11), m.plain(color, 0.5), (0, y - 0.009, 0.055), 0.003)


def window_wall(
    mat: bpy.types.Material,
    frame: str,
    x: float,
    centre_y: float,
    sill: float,
    size: tuple[float, float],
    depth: float = 9.0,
) -> list[Part]:
    """A side wall at `x` with a window of `size` (along y, along z); four slabs leave the opening free."""
    w, h = size
    top, low, high = 3.2, centre_y - w / 2, centre_y + w / 2
    slabs = [
        ((0.12, depth, sill), (x, 0, sill / 2)),
        ((0.12, depth, top - sill - h), (x, 0, (top + sill + h) / 2)),
        ((0.12, depth / 2 + low, h), (x, (low - depth / 2) / 2, sill + h / 2)),
        ((0.12, depth / 2 - high, h), (x, (high + depth / 2) / 2, sill + h / 2)),
    ]
    paint = m.plain(frame, 0.4)
    parts = [box("slab", s, mat, at, 0) for s, at in slabs]
    parts += [
        box("mullion", (0.05, 0.035, h), paint, (x, centre_y + k * w / 2 * 0.98, sill + h / 2), 0.004)
        for k in (-1, 0, 1)
    ]
    parts += [box("bar", (0.05, w, 0.035), paint, (x, centre_y, sill + h * k), 0.004) for k in (0.01, 0.5, 0.99)]
    parts.append(box("sill", (0.26, w + 0.1, 0.03), paint, (x + 0.07, centre_y, sill - 0.015), 0.005))
    return parts


def daylight(
    x: float,
    centre_y: float,
    sill: float,
    size: tuple[float, float],
    strength: float = 4.5,
    lift: float = 34.0,
    slant: float = 12.0,
    sky: float = 90.0,
) -> None:
    """Sun and sky through a window at `x`: from the left when x < 0."""
    side = 1 if x < 0 else -1
    sun(Euler((math.radians(slant), side * -math.radians(90 - lift), 0)), strength)
    area((x - side * 0.5, centre_y, sill + size[1] * 0.6), (0, centre_y + 0.3, 0.9), max(size), sky, (0.86, 0.93, 1.0))


def table(color: str, size: tuple[float, float], height: float, at: Point = (0, 0, 0), leg: str = "") -> list[Part]:
    oak, stand = m.wood(color, "X"), m.wood(leg or color)
    w, d = size
    parts = [box("top", (w, d, 0.032), oak, (at[0], at[1], at[2] + height - 0.016), 0.008)]
    for x in (-1, 1):
        for y in (-1, 1):
            foot = (at[0] + x * (w / 2 - 0.05), at[1] + y * (d / 2 - 0.05), at[2])
            parts.append(
                dowel("leg", (foot[0] - x * 0.03, foot[1] - y * 0.03, at[2] + height - 0.03), foot, 0.024, stand, 0.7)
            )
    return parts


def round_table(
    top: str, stem: str, radius: float, height: float, at: Point = (0, 0, 0), marble: bool = False
) -> list[Part]:
    if marble:
        stone = m.Shader("marble", top, 0.15, coat_weight=0.3)
        stone.blend(stone.noise(4.5, 9.0), m.shade(top, 0.62), top, (0.42, 0.56))
        mat = stone.mat
    else:
        mat = m.wood(top, "X")
    rim = [
        (0, height - 0.028),
        (radius - 0.006, height - 0.028),
        (radius, height - 0.02),
        (radius, height - 0.008),
        (radius - 0.006, height),
        (0, height),
    ]
    iron = m.plain(stem, 0.4)
    foot = [
        (0, 0),
        *curve([(radius * 0.62, 0.0), (radius * 0.6, 0.014), (0.06, 0.03), (0.03, 0.08)], 5),
        (0.026, height - 0.06),
        (0.12, height - 0.028),
    ]
    parts = [lathe("top", rim, mat, segments=96), lathe("foot", foot, iron)]
    for part in parts:
        part.location = at
    return parts


def shelf(color: str, width: float, depth: float, at: Point, bracket: str = "#b8925a") -> list[Part]:
    """A board whose upper face is at `at`; it hangs from two brackets on the wall behind."""
    x, y, z = at
    parts = [box("board", (width, depth, 0.028), m.wood(color, "X"), (x, y, z - 0.014), 0.004)]
    brass = m.metal(bracket, 0.3)
    for side in (-1, 1):
        bx = x + side * width * 0.36
        parts.append(box("bracket", (0.014, depth * 0.9, 0.012), brass, (bx, y, z - 0.034), 0.002))
        parts.append(box("bracket", (0.014, 0.012, 0.12), brass, (bx, y + depth / 2 - 0.006, z - 0.09), 0.002))
    return parts


def bench(color: str, width: float, at: Point, height: float = 0.44, depth: float = 0.36) -> list[Part]:
    x, y, z = at
    oak = m.wood(color, "X")
    parts = [box("seat", (width, depth, 0.04), oak, (x, y, z + height - 0.02), 0.008)]
    parts += [
        box(
            "side",
            (0.04, depth * 0.94, height - 0.04),
            m.wood(color),
            (x + k * (width / 2 - 0.08), y, z + (height - 0.04) / 2),
            0.006,
        )
        for k in (-1, 1)
    ]
    return [*parts, box("rail", (width - 0.2, 0.03, 0.07), oak, (x, y, z + height * 0.3), 0.005)]


def rug(
    color: str,
    second: str,
    size: tuple[float, float],
    at: Point,
    turn: float = 0.0,
    pattern: str = "stripe",
    pitch: float = 2.0,
    axis: str = "X",
) -> Part:
    made = soft_box("rug", (*size, 0.018), m.cloth(color, second, pattern, pitch, axis), power=22, cuts=18)
    made.location, made.rotation_euler = (at[0], at[1], 0.006), Euler((0, 0, math.radians(turn)))
    return made


def round_rug(color: str, radius: float, at: Point) -> Part:
    made = lathe(
        "rug", [(0, 0), (radius, 0), (radius + 0.01, 0.008), (radius, 0.016), (0, 0.016)], m.boucle(color), segments=96
    )
    made.location = at
    return made


def picture(
    size: tuple[float, float], at: Point, frame: str, paper: str, inks: Sequence[str], seed: int = 1
) -> list[Part]:
    """A framed print of plain shapes on a wall that faces -y; `at` is its centre on the wall."""
    w, h = size
    x, y, z = at
    rng, edge = random.Random(seed), 0.022
    wood = m.wood(frame, "X")
    parts = [box("paper", (w, 0.004, h), m.plain(paper, 0.9), (x, y - 0.006, z), 0)]
    for dx, dz, bw, bh in (
        (0, h / 2, w + edge, edge),
        (0, -h / 2, w + edge, edge),
        (w / 2, 0, edge, h),
        (-w / 2, 0, edge, h),
    ):
        parts.append(box("frame", (bw, 0.026, bh), wood, (x + dx, y - 0.013, z + dz), 0.003))
    for k, ink in enumerate(inks):
        sx, sz = w * rng.uniform(0.22, 0.5), h * rng.uniform(0.16, 0.42)
        cx, cz = x + rng.uniform(-0.2, 0.2) * w, z + rng.uniform(-0.24, 0.24) * h
        ring = [(cx + a, y - 0.0085 - 0.0006 * k, cz + b) for a, b in outline(sx, sz, rng.choice((2, 2, 8)))]
        parts.append(
            sheet(
                "ink",
                lambda u, v, ring=ring, c=(cx, ring[0][1], cz): _spoke(ring, c, u, v),
                m.plain(ink, 0.9),
                1,
                48,
                subsurf=0,
            )
        )
    return parts


def _spoke(ring: Sequence[Point], centre: Point, u: float, v: float) -> Point:
    p = ring[round(v * len(ring)) % len(ring)]
    return tuple(c + (e - c) * u for c, e in zip(centre, p, strict=True))


def books(colors: Sequence[str], at: Point, upright: bool = False, seed: int = 0) -> list[Part]:
    """A pile of books, or a row of them with `upright`."""
    rng, parts = random.Random(seed), []
    x, y, z = at
    for color in colors:
        w, d, t = rng.uniform(0.14, 0.18), rng.uniform(0.2, 0.25), rng.uniform(0.018, 0.036)
        cover, paper = m.cloth(color), m.plain("#efe6d4", 0.9)
        made = [
            box("cover", (w, d, t), cover, (0, 0, 0), 0.002),
            box("leaves", (w - 0.004, d + 0.0008, t - 0.006), paper, (0.0035, 0, 0), 0),
        ]
        for part in made:
            if upright:
                part.rotation_euler, part.location = Euler((math.pi / 2, 0, -math.pi / 2)), (x + t / 2, y, z + d / 2)
            else:
                part.rotation_euler, part.location = Euler((0, 0, rng.uniform(-0.2, 0.2))), (x, y, z + t / 2)
        parts += made
        x, z = (x + t + 0.001, z) if upright else (x, z + t)
    return parts


def curtain(color: str, at: Point, width: float, height: float, along: str = "Y") -> Part:
    def fold(u: float, v: float) -> tuple[float, float, float]:
        wave = 0.035 * math.sin(v * width * 42) * (0.6 + 0.4 * u)
        run = (v - 0.5) * width
        return (
            (at[0] + wave, at[1] + run, at[2] + height * u)
            if along == "Y"
            else (at[0] + run, at[1] + wave, at[2] + height * u)
        )

    return sheet("curtain", fold, m.cloth(color), 6, int(width * 60), subsurf=1)


def hooks(color: str, width: float, at: Point, count: int = 5) -> list[Part]:
    """A rail of turned pegs on a wall that faces -y."""
    x, y, z = at
    parts = [box("rail", (width, 0.022, 0.09), m.wood(color, "X"), (x, y - 0.011, z), 0.004)]
    for k in range(count):
        px = x + width * ((k + 0.5) / count - 0.5)
        parts.append(sweep("peg", [(px, y - 0.02, z), (px, y - 0.09, z + 0.02)], circle(0.011), m.wood(color)))
    return parts
