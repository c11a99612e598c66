"""Exact boxes by ray casting: which product each pixel of a grid shows, and how much of it stands behind something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import bpy
from mathutils import Vector

SHELL = ("wall", "slab", "floor", "plane")


@dataclass
class Seen:
    """What the camera sees of one product: its visible box (0..1, origin top left) and the unoccluded share."""

    x0: float
    y0: float
    x1: float
    y1: float
    direct: int
    hidden: int

    @property
    def share(self) -> float:
        return self.direct / max(1, self.direct + self.hidden)

    @property
    def yolo(self) -> str:
        w, h = self.x1 - self.x0, self.y1 - self.y0
        return f"{self.x0 + w / 2:.5f} {self.y0 + h / 2:.5f} {w:.5f} {h:.5f}"

    @property
    def box(self) -> dict[str, float]:
        w, h = self.x1 - self.x0, self.y1 - self.y0
        return {"x": round(self.x0, 4), "y": round(self.y0, 4), "w": round(w, 4), "h": round(h, 4)}


def _owners(roots: Mapping[str, bpy.types.Object]) -> dict[str, str]:
    return {part.name: key for key, root in roots.items() for part in root.children_recursive}


def look(scene: bpy.types.Scene, roots: Mapping[str, bpy.types.Object], step: int = 2) -> dict[str, Seen]:
    """Cast a ray through every `step`-th pixel; past a first hit it goes on, so that hidden parts are counted too."""
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    owners, camera = _owners(roots), scene.camera
    right, bottom, left, top = _frame(scene)
    columns, rows = scene.render.resolution_x // step, scene.render.resolution_y // step
    turn, origin = camera.matrix_world.to_3x3(), camera.matrix_world.translation
    seen: dict[str, Seen] = {}
    for row in range(rows):
        for column in range(columns):
            x, y = (column + 0.5) / columns, (row + 0.5) / rows
            ray = (turn @ Vector((left + (right - left) * x, top + (bottom - top) * y, -1))).normalized()
            for depth, key in enumerate(_keys(scene, graph, origin, ray, owners)):
                found = seen.setdefault(key, Seen(1, 1, 0, 0, 0, 0))
                if depth or key.startswith("-"):
                    found.hidden += 1
                    continue
                found.direct += 1
                found.x0, found.x1 = min(found.x0, column / columns), max(found.x1, (column + 1) / columns)
                found.y0, found.y1 = min(found.y0, row / rows), max(found.y1, (row + 1) / rows)
    seen.pop("-", None)
    return {key: found for key, found in seen.items() if found.direct}


def _frame(scene: bpy.types.Scene) -> tuple[float, float, float, float]:
    """The picture's edges on the plane one unit before the camera."""
    corners = scene.camera.data.view_frame(scene=scene)
    xs, ys = [c.x / -c.z for c in corners], [c.y / -c.z for c in corners]
    return max(xs), min(ys), min(xs), max(ys)


def _keys(
    scene: bpy.types.Scene, graph: bpy.types.Depsgraph, origin: Vector, ray: Vector, owners: Mapping[str, str]
) -> list[str]:
    """Products along a ray, nearest first; "-" stands for anything else.

    Ends at the room's shell or at the third surface that is no product.
    """
    keys: list[str] = []
    start, walls = origin, 0
    for _ in range(24):
        hit, place, _normal, _index, thing, _matrix = scene.ray_cast(graph, start, ray, distance=60)
        if not hit:
            break
        key = owners.get(thing.name, "-")
        if key not in keys:
            keys.append(key)
        walls += key == "-"
        if walls >= 3 or thing.name.startswith(SHELL):
            break
        start = place + ray * 1e-4
    return keys
