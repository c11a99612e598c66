"""Cycles settings, cameras and the off-white studio of the catalog pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import bpy
import materials as m
from mathutils import Vector
from mesh import Point, sheet


def fresh(samples: int, width: int, height: int, look: str = "Khronos PBR Neutral") -> bpy.types.Scene:
    """An empty scene with the house's render settings; drops whatever was loaded."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.image_settings.file_format = "JPEG"
    scene.render.image_settings.quality = 86
    cycles = scene.cycles
    cycles.device, cycles.samples, cycles.use_denoising = "CPU", samples, True
    cycles.denoiser, cycles.use_adaptive_sampling = "OPENIMAGEDENOISE", True
    cycles.adaptive_threshold, cycles.adaptive_min_samples = 0.04, 5
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces, cycles.transmission_bounces = 12, 3, 3, 12
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    scene.view_settings.view_transform = look
    return scene


def world(color: str, strength: float) -> None:
    made = bpy.data.worlds.new("world")
    bpy.context.scene.world = made
    made.use_nodes = True
    background = made.node_tree.nodes["Background"]
    background.inputs["Color"].default_value = m.rgb(color)
    background.inputs["Strength"].default_value = strength


def aim(obj: bpy.types.Object, target: Point) -> None:
    obj.rotation_euler = (Vector(target) - obj.location).to_track_quat("-Z", "Y").to_euler()


def area(at: Point, target: Point, size: float, watts: float, color: Point = (1, 1, 1)) -> bpy.types.Object:
    data = bpy.data.lights.new("area", "AREA")
    data.size, data.energy, data.color = size, watts, color
    made = bpy.data.objects.new("area", data)
    made.location = at
    aim(made, target)
    bpy.context.scene.collection.objects.link(made)
    return made


def sun(angle: Point, strength: float, color: Point = (1, 0.88, 0.72), soft: float = 0.02) -> bpy.types.Object:
    data = bpy.data.lights.new("sun", "SUN")
    data.energy, data.color, data.angle = strength, color, soft
    made = bpy.data.objects.new("sun", data)
    made.rotation_euler = angle
    bpy.context.scene.collection.objects.link(made)
    return made


def camera(at: Point, target: Point, lens: float) -> bpy.types.Object:
    data = bpy.data.cameras.new("camera")
    data.lens = lens
    made = bpy.data.objects.new("camera", data)
    made.location = at
    aim(made, target)
    bpy.context.scene.collection.objects.link(made)
    bpy.context.scene.camera = made
    bpy.context.view_layer.update()
    return made


def bounds(roots: Sequence[bpy.types.Object]) -> tuple[Vector, Vector]:
    """World corners of everything below `roots`."""
    bpy.context.view_layer.update()
    points = [
        o.matrix_world @ Vector(c) for r in roots for o in r.children_recursive if o.type == "MESH" for c in o.bound_box
    ]
    return Vector(map(min, zip(*points, strict=True))), Vector(map(max, zip(*points, strict=True)))


def cyclorama(reach: float, color: str) -> None:
    """A floor that bends up into a wall, so that no horizon shows."""

    def shape(u: float, v: float) -> tuple[float, float, float]:
        x = (v - 0.5) * 30 * reach
        if u < 0.4:
            return (x, reach * (-9 + u / 0.4 * 12), 0.0)
        if u < 0.7:
            a = (u - 0.4) / 0.3 * math.pi / 2
            return (x, reach * (3 + 3 * math.sin(a)), reach * 3 * (1 - math.cos(a)))
        return (x, reach * 6, reach * (3 + (u - 0.7) / 0.3 * 14))

    sheet("cyclorama", shape, m.plain(color, 0.95), 40, 2)


def frame_product(root: bpy.types.Object, turn: float, pitch: float, backdrop: str = "#ebe7df") -> None:
    """Light and frame one product: key from the left, fill from the right, rim from behind."""
    root.rotation_euler.z += math.radians(turn)
    low, high = bounds([root])
    centre, size = (low + high) / 2, max((high - low).length, 1e-3)
    cyclorama(size, backdrop)
    world("#ffffff", 0.85)
    s2 = size * size
    area(
        (centre.x - 1.6 * size, centre.y - 1.3 * size, centre.z + 1.9 * size),
        centre,
        1.4 * size,
        36 * s2,
        (1, 0.965, 0.92),
    )
    area(
        (centre.x + 2.0 * size, centre.y - 1.2 * size, centre.z + 0.8 * size),
        centre,
        1.6 * size,
        16 * s2,
        (0.92, 0.96, 1),
    )
    area((centre.x + 0.6 * size, centre.y + 1.7 * size, centre.z + 2.0 * size), centre, 1.0 * size, 26 * s2)
    away = Vector((0, -math.cos(math.radians(pitch)), math.sin(math.radians(pitch))))
    made = camera(centre + away * size * 3, centre, 70)
    _fit(made, root)


def _fit(made: bpy.types.Object, root: bpy.types.Object) -> None:
    """Move the camera along its axis until the product fills about 78 % of the frame."""
    points = [o.matrix_world @ v.co for o in root.children_recursive if o.type == "MESH" for v in o.data.vertices]
    slope = 0.5 * made.data.sensor_width / made.data.lens * 0.78
    for _ in range(3):
        view = made.matrix_world.inverted()
        local = [view @ p for p in points]
        xs, ys = [p.x / -p.z for p in local], [p.y / -p.z for p in local]
        depth = -sum(p.z for p in local) / len(local)
        shift = Vector(((min(xs) + max(xs)) / 2 * depth, (min(ys) + max(ys)) / 2 * depth, 0))
        made.location += made.rotation_euler.to_matrix() @ shift
        half = max(max(xs) - min(xs), max(ys) - min(ys)) / 2
        made.location += made.rotation_euler.to_matrix() @ Vector((0, 0, depth * (half / slope - 1)))
        bpy.context.view_layer.update()


def render(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
