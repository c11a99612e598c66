"""Bags for the road: backpack and weekender."""

from __future__ import annotations

import materials as m
import math

from mathutils import Vector
from mesh import Part, band, box, circle, curve, loft, outline, soft_box, sweep
from shapes_bags import strap_section


def backpack(
    color: str,
    trim: str,
    pocket: str,
    flap: bool = False,
    height: float = 0.42,
    width: float = 0.29,
    depth: float = 0.15,
) -> list[Part]:
    canvas, hide, dark = m.cloth(color), m.leather(trim), m.plain("#2b2724", 0.6)
    h2 = height / 2

    def slim(p: Vector) -> Vector:
        t = p.z / h2
        return Vector((p.x * (1 - 0.08 * t - 0.05 * t * t), p.y * (1 - 0.16 * t), p.z))

    parts = [soft_box("body", (width, depth, height), canvas, (0, 0, h2), power=5, wobble=0.008, bend=slim, cuts=18)]
    parts.append(
        soft_box(
            "pocket",
            (width * 0.74, 0.07, height * 0.4),
            m.cloth(pocket),
            (0, -depth * 0.5, height * 0.27),
            power=6,
            wobble=0.004,
        )
    )
    parts.append(
        soft_box("bottom", (width * 1.015, depth * 1.03, height * 0.14), hide, (0, 0, height * 0.066), power=6)
    )
    zip_at = height * 0.41
    parts.append(
        sweep(
            "zip",
            [
                (-width * 0.33, -depth * 0.5 - 0.033, zip_at),
                (0, -depth * 0.5 - 0.0365, zip_at),
                (width * 0.33, -depth * 0.5 - 0.033, zip_at),
            ],
            circle(0.003, 8),
            dark,
            wide=(0, 0, 1),
        )
    )
    if flap:
        parts.append(
            soft_box(
                "flap",
                (width * 0.98, depth * 1.06, height * 0.36),
                canvas,
                (0, -0.012, height * 0.86),
                power=4.5,
                wobble=0.005,
            )
        )
        for x in (-0.065, 0.065):
            path = [
                (x, -depth * 0.42, height * 0.97),
                (x, -depth * 0.61, height * 0.86),
                (x, -depth * 0.6, height * 0.66),
                (x, -depth * 0.72, height * 0.4),
            ]
            parts.append(sweep("belt", curve(path, 6), band(0.02, 0.005), hide))
            parts.append(
                box("buckle", (0.03, 0.008, 0.026), m.metal("#c8a25a", 0.25), (x, -depth * 0.66, height * 0.58), 0.003)
            )
    else:
        arc = [slim(Vector((x, 0, z))) for x, z in outline(width * 1.0, height * 1.0, 5, 64)]
        top = [(p.x, -depth * 0.2 * (1 - 0.16 * p.z / h2), p.z + h2 + 0.001) for p in arc if p.z > -0.03]
        start = next((i for i in range(len(top)) if top[i - 1][0] < top[i][0] - 0.1), 0)
        parts.append(sweep("zip", top[start:] + top[:start], circle(0.0042, 8), dark, wide=(0, 1, 0)))
        parts.append(box("label", (0.07, 0.006, 0.028), hide, (0, -depth * 0.475, height * 0.66), 0.002))
    loop = [
        (-0.035, 0.03, height - 0.012),
        (-0.03, 0.03, height + 0.035),
        (0, 0.03, height + 0.05),
        (0.03, 0.03, height + 0.035),
        (0.035, 0.03, height - 0.012),
    ]
    parts.append(sweep("loop", curve(loop, 6), strap_section(0.022, 0.006), hide, wide=(0, 1, 0)))
    for x in (-1, 1):
        path = [
            (x * 0.05, depth * 0.4, height * 0.93),
            (x * 0.075, depth * 0.85, height * 0.85),
            (x * 0.1, depth * 0.9, height * 0.5),
            (x * 0.12, depth * 0.5, height * 0.12),
        ]
        parts.append(sweep("strap", curve(path, 7), band(0.05, 0.012), canvas))
        parts.append(
            soft_box("side", (0.04, depth * 0.62, height * 0.3), canvas, (x * width * 0.5, 0, height * 0.23), power=5)
        )
    return parts


def weekender(color: str, trim: str, length: float = 0.5, height: float = 0.27, depth: float = 0.24) -> list[Part]:
    canvas, hide = m.cloth(color), m.leather(trim)
    rings = []
    for i in range(31):
        t = i / 30
        puff = min(1.0, (1 - abs(2 * t - 1) ** 9) * 0.25 + 0.78)
        rings.append(
            [
                ((t - 0.5) * length, y * puff, (z * puff + height / 2) * (1 - 0.05 * math.sin(math.pi * t)))
                for y, z in outline(depth, height, 3.4, 64)
            ]
        )
    ends = [[(x, 0.0, height / 2) for x, _y, _z in rings[k]] for k in (0, -1)]
    parts = [
        loft(
            "duffel",
            [ends[0], *rings, ends[1]],
            [canvas, hide],
            pick=lambda u, _v: 1 if u < 0.16 or u > 0.84 else 0,
            subsurf=1,
        )
    ]
    parts.append(
        sweep(
            "zip",
            [(x, 0, height * 0.955) for x in (-0.2, -0.1, 0, 0.1, 0.2)],
            band(0.022, 0.006),
            m.plain("#2a2725", 0.5),
            wide=(0, 1, 0),
        )
    )
    for side in (-1, 1):
        y = side * depth / 2
        path = [
            (-0.1, y * 0.98, height * 0.2),
            (-0.1, y * 1.06, height * 0.55),
            (-0.092, y * 0.86, height * 0.95),
            (-0.06, y * 0.5, height * 1.28),
            (0, y * 0.4, height * 1.36),
        ]
        path += [(-a, b, c) for a, b, c in reversed(path[:-1])]
        parts.append(sweep("handle", curve(path, 8), strap_section(0.028, 0.006), hide, wide=(0, 1, 0)))
    return parts
