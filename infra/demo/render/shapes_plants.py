"""Leaves and plants for pots and vases: upright blades, round leaves on stalks, a small tree, cut branches."""

from __future__ import annotations

import math
import random

import materials as m
from mathutils import Euler, Vector
from mesh import Part, circle, curve, sheet, sweep


def _leaf(length: float, width: float, mat: object, droop: float, round_tip: bool = False) -> Part:
    """A leaf along +x that folds a little and droops; flat in z."""

    def shape(u: float, v: float) -> tuple[float, float, float]:
        half = math.sin(math.pi * min(u**0.8, 1.0)) ** (0.5 if round_tip else 0.8) * width / 2
        y = (v - 0.5) * 2 * half
        return (u * length, y, abs(y) * 0.35 - droop * length * u * u)

    return sheet("leaf", shape, mat, 10, 4)


def _foliage(color: str) -> object:
    made = m.Shader("foliage", color, 0.45, subsurface_weight=0.1)
    made.blend(made.noise(25), m.shade(color, 0.7), m.shade(color, 1.25), (0.3, 0.7))
    return made.mat


def blades(base: float, radius: float, color: str) -> list[Part]:
    """A snake plant: stiff upright leaves."""
    rng, mat, parts = random.Random(5), _foliage(color), []
    for i in range(11):
        a, r = 2.4 * i, radius * 0.55 * math.sqrt(i / 11)
        leaf = _leaf(rng.uniform(2.2, 3.6) * radius, radius * 0.42, mat, 0.03)
        leaf.rotation_euler = Euler((rng.uniform(-0.4, 0.4), -math.pi / 2 + 0.05 + r / radius * 0.35, a))
        leaf.location = (r * math.cos(a), r * math.sin(a), base - 0.01)
        parts.append(leaf)
    return parts


def coins(base: float, radius: float, color: str) -> list[Part]:
    """A pilea: round leaves on thin stalks."""
    rng, mat, stalk, parts = random.Random(8), _foliage(color), m.plain("#7c8f5a", 0.5), []
    for i in range(20):
        a, out = 2.4 * i, radius * (0.35 + 1.25 * math.sqrt(i / 20))
        up = base + radius * rng.uniform(1.5, 1.9) - 0.75 * out
        tip = Vector((out * math.cos(a), out * math.sin(a), max(up, base + radius * 0.25)))
        parts.append(
            sweep(
                "stalk",
                curve([(0, 0, base), tuple(tip * 0.55 + Vector((0, 0, base * 0.5 + 0.02))), tuple(tip)], 5),
                circle(0.0018, 6),
                stalk,
            )
        )
        size = radius * rng.uniform(0.5, 0.8)
        leaf = _leaf(size, size, mat, 0.15, True)
        leaf.rotation_euler = Euler((0, rng.uniform(0.15, 0.6), a))
        leaf.location = tip - Vector((math.cos(a), math.sin(a), 0)) * size * 0.3
        parts.append(leaf)
    return parts


def tree(base: float, radius: float, color: str) -> list[Part]:
    """A young rubber fig: three trunks with broad alternate leaves."""
    rng, mat, bark, parts = random.Random(3), _foliage(color), m.wood("#6d5a45"), []
    for k in range(3):
        lean, height = 2.1 * k + 0.4, radius * rng.uniform(3.6, 5.4)
        foot = (radius * 0.2 * math.cos(lean), radius * 0.2 * math.sin(lean), base - 0.01)
        top = (radius * 0.75 * math.cos(lean), radius * 0.75 * math.sin(lean), base + height)
        path = curve([foot, tuple((Vector(foot) + Vector(top)) / 2 + Vector((0.01, 0.01, 0))), top], 8)
        parts.append(sweep("trunk", path, circle(0.007, 8), bark, taper=(1, 0.5)))
        for i in range(11):
            at = Vector(path[3 + int(i * (len(path) - 4) / 10)])
            leaf = _leaf(radius * rng.uniform(1.25, 1.7), radius * 0.85, mat, 0.25)
            leaf.rotation_euler = Euler((0, rng.uniform(-0.5, 0.15), 2.4 * i + k))
            leaf.location = at
            parts.append(leaf)
    return parts


def sprigs(mouth: float, color: str) -> list[Part]:
    """Cut branches that stand in a vase whose mouth is at height `mouth`."""
    rng, mat, bark, parts = random.Random(11), _foliage(color), m.wood("#7a6450"), []
    for k in range(5):
        a, height = 1.3 * k + 0.3, mouth * rng.uniform(0.7, 1.25)
        lean = mouth * rng.uniform(0.2, 0.55)
        top = (lean * math.cos(a), lean * math.sin(a), mouth + height)
        path = curve([(0, 0, 0.02), (0, 0, mouth * 0.9), (top[0] * 0.45, top[1] * 0.45, mouth + height * 0.6), top], 8)
        parts.append(sweep("branch", path, circle(0.0016, 6), bark))
        for i in range(12):
            at = path[len(path) - 1 - i]
            leaf = _leaf(mouth * rng.uniform(0.13, 0.2), mouth * 0.09, mat, 0.2, True)
            leaf.rotation_euler = Euler((rng.uniform(-0.5, 0.5), rng.uniform(-0.7, 0.3), 2.4 * i + k))
            leaf.location = at
            parts.append(leaf)
    return parts


PLANTS = {"blades": blades, "coins": coins, "tree": tree}
