"""Mesh building blocks: lofts, lathes, sweeps, soft boxes, pillows. Owns geometry; leaves colour to materials."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import bmesh
import bpy
from mathutils import Matrix, Vector, noise

Point = Sequence[float]
Part = bpy.types.Object
Pick = Callable[[float, float], int]
Materials = bpy.types.Material | Sequence[bpy.types.Material]


def _object(name: str, mesh: bmesh.types.BMesh, mats: Materials, subsurf: int, sharp: bool) -> Part:
    bmesh.ops.remove_doubles(mesh, verts=mesh.verts, dist=1e-6)
    bmesh.ops.recalc_face_normals(mesh, faces=mesh.faces)
    data = bpy.data.meshes.new(name)
    mesh.to_mesh(data)
    mesh.free()
    for mat in [mats] if isinstance(mats, bpy.types.Material) else mats:
        data.materials.append(mat)
    for face in data.polygons:
        face.use_smooth = not sharp
    made = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(made)
    if subsurf:
        modifier = made.modifiers.new("smooth", "SUBSURF")
        modifier.levels = modifier.render_levels = subsurf
    return made


def curve(points: Sequence[Point], steps: int = 6) -> list[tuple[float, ...]]:
    """Catmull-Rom through `points`, `steps` samples a segment."""
    pts = [Vector(p) for p in points]
    ends = [pts[0] * 2 - pts[1], *pts, pts[-1] * 2 - pts[-2]]
    out: list[tuple[float, ...]] = []
    for i in range(1, len(ends) - 2):
        a, b, c, d = ends[i - 1 : i + 3]
        for k in range(steps):
            t = k / steps
            out.append(
                tuple(
                    0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t**3)
                )
            )
    out.append(tuple(pts[-1]))
    return out


def loft(
    name: str,
    rings: Sequence[Sequence[Point]],
    mats: Materials,
    *,
    closed: bool = True,
    caps: bool = False,
    pick: Pick | None = None,
    subsurf: int = 0,
    thickness: float = 0.0,
    sharp: bool = False,
) -> Part:
    """Skin over rings of equal length. `pick(u, v)` gives the material slot at ring fraction u and angle fraction v."""
    mesh = bmesh.new()
    grid = [[mesh.verts.new(p) for p in ring] for ring in rings]
    count, width = len(grid), len(grid[0])
    for i in range(count - 1):
        for j in range(width if closed else width - 1):
            k = (j + 1) % width
            face = mesh.faces.new((grid[i][j], grid[i][k], grid[i + 1][k], grid[i + 1][j]))
            if pick:
                face.material_index = pick((i + 0.5) / (count - 1), (j + 0.5) / width)
    if caps:
        mesh.faces.new(grid[0])
        top = mesh.faces.new(grid[-1])
        if pick:
            top.material_index = pick(1.0, 0.0)
    made = _object(name, mesh, mats, 0 if thickness else subsurf, sharp)
    if thickness:
        modifier = made.modifiers.new("thick", "SOLIDIFY")
        modifier.thickness, modifier.offset = thickness, -1
        if subsurf:
            smooth = made.modifiers.new("smooth", "SUBSURF")
            smooth.levels = smooth.render_levels = subsurf
    return made


def lathe(
    name: str,
    profile: Sequence[Point],
    mats: Materials,
    *,
    ribs: int = 0,
    rib_depth: float = 0.0,
    pick: Pick | None = None,
    segments: int = 72,
) -> Part:
    """Turn (radius, z) points about the z axis; ribs flute the outside."""
    segments = max(segments, ribs * 8)
    rings = []
    for radius, z in profile:
        ring = []
        for j in range(segments):
            angle = 2 * math.pi * j / segments
            r = radius * (1 + rib_depth * math.cos(ribs * angle)) if ribs else radius
            ring.append((r * math.cos(angle), r * math.sin(angle), z))
        rings.append(ring)
    return loft(name, rings, mats, pick=pick)


def circle(radius: float, n: int = 14, squash: float = 1.0) -> list[tuple[float, float]]:
    return [(radius * math.cos(2 * math.pi * i / n), radius * squash * math.sin(2 * math.pi * i / n)) for i in range(n)]


def band(width: float, thick: float) -> list[tuple[float, float]]:
    """A flat strap's section with soft edges."""
    w, t, e = width / 2, thick / 2, thick / 2
    return [(-w, 0), (-w + e, -t), (w - e, -t), (w, 0), (w - e, t), (-w + e, t)]


def sweep(
    name: str,
    path: Sequence[Point],
    section: Sequence[Point],
    mat: bpy.types.Material,
    *,
    closed: bool = False,
    wide: Point = (1, 0, 0),
    taper: tuple[float, float] = (1, 1),
) -> Part:
    """Carry a section along a path; its first axis stays as near `wide` as the path lets it."""
    points = [Vector(p) for p in path]
    rings = []
    for i, here in enumerate(points):
        before = points[i - 1] if i or closed else here
        after = points[(i + 1) % len(points)] if i + 1 < len(points) or closed else here
        along = (after - before).normalized()
        side = Vector(wide) - along * along.dot(Vector(wide))
        side = side.normalized() if side.length > 1e-4 else along.orthogonal().normalized()
        up = along.cross(side)
        size = taper[0] + (taper[1] - taper[0]) * i / max(1, len(points) - 1)
        rings.append([here + side * a * size + up * b * size for a, b in section])
    if closed:
        rings.append(rings[0])
    return loft(name, rings, mat, caps=not closed)


def dowel(name: str, start: Point, end: Point, radius: float, mat: bpy.types.Material, taper: float = 1.0) -> Part:
    """A turned leg or rod from `start` to `end`, its end radius scaled by `taper`; the mesh lies along its own z."""
    a, b = Vector(start), Vector(end)
    length = (b - a).length
    path = [(0, 0, length * t) for t in (0, 0.004, 0.5, 0.996, 1)]
    made = sweep(name, path, circle(radius, 20), mat, taper=(1, taper))
    made.matrix_world = Matrix.Translation(a) @ (b - a).to_track_quat("Z", "X").to_matrix().to_4x4()
    return made


def soft_box(
    name: str,
    size: Point,
    mats: Materials,
    at: Point = (0, 0, 0),
    *,
    power: float = 6.0,
    wobble: float = 0.0,
    cuts: int = 14,
    seed: float = 0.0,
    bend: Callable[[Vector], Vector] | None = None,
) -> Part:
    """A box rounded like upholstery: a superellipsoid on a cube's grid, so it subdivides well."""
    mesh = bmesh.new()
    bmesh.ops.create_cube(mesh, size=2)
    bmesh.ops.subdivide_edges(mesh, edges=mesh.edges, cuts=cuts, use_grid_fill=True)
    half = Vector(size) / 2
    for vert in mesh.verts:
        x, y, z = (math.sin(c * math.pi / 2) * 0.35 + c * 0.65 for c in vert.co)
        norm = (abs(x) ** power + abs(y) ** power + abs(z) ** power) ** (1 / power)
        flat = Vector((x, y, z)) / max(norm, 1e-6)
        co = Vector((flat.x * half.x, flat.y * half.y, flat.z * half.z))
        if wobble:
            co += flat.normalized() * wobble * noise.noise(co * 9 + Vector((seed, 0, seed)))
        vert.co = (bend(co) if bend else co) + Vector(at)
    return _object(name, mesh, mats, 1, False)


def box(name: str, size: Point, mat: bpy.types.Material, at: Point = (0, 0, 0), bevel: float = 0.004) -> Part:
    """A plain box with bevelled edges, centred on `at`; its texture origin is its own centre."""
    mesh = bmesh.new()
    bmesh.ops.create_cube(mesh, size=1)
    for vert in mesh.verts:
        vert.co = Vector((vert.co.x * size[0], vert.co.y * size[1], vert.co.z * size[2]))
    if bevel:
        bmesh.ops.bevel(mesh, geom=list(mesh.edges), offset=bevel, segments=3, affect="EDGES", profile=0.5)
    made = _object(name, mesh, mat, 0, True)
    made.location = at
    return made


def sheet(
    name: str,
    shape: Callable[[float, float], Point],
    mat: Materials,
    nu: int,
    nv: int,
    *,
    thickness: float = 0.0,
    subsurf: int = 1,
) -> Part:
    """An open surface over u, v in 0..1."""
    rings = [[shape(u / nu, v / nv) for v in range(nv + 1)] for u in range(nu + 1)]
    return loft(name, rings, mat, closed=False, thickness=thickness, subsurf=subsurf)


def outline(width: float, height: float, power: float, n: int = 48) -> list[tuple[float, float]]:
    """A superellipse: power 2 is an ellipse, 5 a rounded rectangle."""
    out = []
    for i in range(n):
        a = 2 * math.pi * i / n
        c, s = math.cos(a), math.sin(a)
        out.append(
            (math.copysign(abs(c) ** (2 / power), c) * width / 2, math.copysign(abs(s) ** (2 / power), s) * height / 2)
        )
    return out


def group(name: str, parts: Sequence[bpy.types.Object]) -> bpy.types.Object:
    """One empty above all parts, so that a product moves and is recognised as one."""
    root = bpy.data.objects.new(name, None)
    bpy.context.scene.collection.objects.link(root)
    for part in parts:
        part.parent = root
    return root


def point_light(at: Point, watts: float, color: Point = (1.0, 0.72, 0.45), size: float = 0.03) -> bpy.types.Object:
    data = bpy.data.lights.new("bulb", "POINT")
    data.energy, data.color, data.shadow_soft_size = watts, color, size
    made = bpy.data.objects.new("bulb", data)
    made.location = at
    bpy.context.scene.collection.objects.link(made)
    return made
