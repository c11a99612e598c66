"""The furnished rooms of the articles' pictures: what stands where, the light and the camera."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import bpy
import materials as m
import props
import shapes
import studio
from catalog import Product
from mathutils import Euler
from mesh import Point

Roots = dict[str, bpy.types.Object]


class Room:
    """A scene under construction: remembers which products it holds."""

    def __init__(self, products: Mapping[str, Product]) -> None:
        self.products, self.roots = products, {}

    def put(self, key: str, at: Point, turn: float | None = None, lean: float = 0.0) -> bpy.types.Object:
        """Stand a product at `at`; `turn` in degrees, by default as in its catalog picture."""
        product = self.products[key]
        root = shapes.build(product)
        root.location = (at[0], at[1], at[2] + shapes.LIFT)
        root.rotation_euler = Euler((math.radians(lean), 0, math.radians(product.view[0] if turn is None else turn)))
        self.roots[key] = root
        return root


def _focus(camera: bpy.types.Object, distance: float, fstop: float) -> None:
    camera.data.dof.use_dof = True
    camera.data.dof.focus_distance, camera.data.dof.aperture_fstop = distance, fstop


def reading_corner(room: Room) -> None:
    window, size = (-2.35, -0.35, 0.55), (1.5, 1.75)
    props.floor(m.planks("#b48a5e"))
    props.wall(m.plaster("#c3c9b6"), 1.25)
    props.skirting("#eeeade", 1.25)
    props.window_wall(m.plaster("#c9cebd"), "#f2eee4", *window, size)
    props.daylight(*window, size, strength=5.0, lift=30, slant=26, sky=70)
    props.rug("#e9dfcb", "#c7b597", (2.3, 1.5), (0.15, -0.1, 0), 4, "stripe", 1.6)
    props.picture(
        (0.52, 0.7), (-0.3, 1.25, 1.62), "#8a5f3b", "#f3ecdf", ("#c65f3f", "#2f527a", "#e0ab35", "#36543f"), 7
    )
    room.put("ll-burrow-armchair", (0.12, 0.32, 0), -16)
    room.put("ll-furrow-cushion", (0.16, 0.26, 0.5), -22)
    room.put("ll-heron-lamp", (0.98, 0.78, 0), 8)
    room.put("ll-plinth-pot", (-1.0, 0.72, 0))
    room.put("ll-button-stool", (1.12, -0.1, 0))
    props.books(("#7b3f4e", "#ece2cf"), (1.12, -0.1, 0.46), seed=3)
    studio.world("#e8eefc", 0.5)
    studio.area((2.2, -2.6, 2.3), (0.2, 0.3, 0.6), 1.6, 30, (1, 0.95, 0.88))
    studio.camera((-0.1, -3.25, 1.2), (0.08, 0.5, 0.8), 40)


def kitchen_shelf(room: Room) -> None:
    props.floor(m.planks("#a57c52"))
    props.wall(m.tiles("#dfe3d6", "#f4f1ea", 0.1), 0.3)
    props.box("worktop", (2.6, 0.62, 0.04), m.wood("#b98a5c", "X"), (0, 0, 0.88), 0.006)
    props.box("front", (2.6, 0.56, 0.86), m.plain("#3e5a52", 0.5), (0, 0.02, 0.43), 0.004)
    props.shelf("#b98a5c", 1.5, 0.22, (0, 0.19, 1.27))
    room.put("ll-hearth-mug", (-0.36, 0.17, 1.27), -30)
    room.put("ll-tide-mug", (-0.12, 0.17, 1.27), -34)
    room.put("ll-ridge-vase", (0.2, 0.18, 1.27))
    props.books(("#c65f3f", "#e9dfcb", "#2f4858", "#d39a2d"), (0.36, 0.2, 1.27), upright=True, seed=5)
    room.put("ll-brook-carafe", (-0.34, -0.02, 0.9))
    room.put("ll-amber-tumblers", (-0.06, -0.06, 0.9), 8)
    room.put("ll-patio-pot", (0.33, 0.04, 0.9))
    studio.world("#eef3ff", 0.45)
    studio.area((-1.7, -0.9, 2.0), (0, 0.1, 1.1), 0.7, 42, (1, 0.93, 0.83))
    studio.area((1.6, -1.4, 1.4), (0, 0.1, 1.1), 1.4, 12, (0.9, 0.95, 1))
    _focus(studio.camera((0.1, -1.62, 1.3), (-0.01, 0.1, 1.19), 50), 1.75, 5.6)


def desk(room: Room) -> None:
    props.floor(m.planks("#8d6844"))
    props.wall(m.plaster("#e3cdb6"), 0.42)
    props.table("#c39a6b", (1.7, 0.7), 0.74)
    room.put("ll-clerk-lamp", (-0.5, 0.12, 0.74), 172)
    room.put("ll-noon-clock", (0.08, 0.41, 1.12), 0)
    room.put("cm-taccuino-notebooks", (-0.1, -0.1, 0.74), 14)
    room.put("ll-tide-mug", (0.2, -0.02, 0.74), -30)
    room.put("cm-notte-sunglasses", (0.36, -0.2, 0.74), -24)
    room.put("ll-patio-pot", (0.55, 0.1, 0.74))
    props.books(("#36543f", "#ece2cf", "#27476b"), (0.45, 0.26, 0.74), seed=2)
    studio.world("#f2f0ff", 0.45)
    studio.area((-2.0, -0.9, 1.9), (0, 0.1, 0.9), 0.9, 46, (1, 0.92, 0.8))
    studio.area((1.7, -1.5, 1.8), (0, 0, 0.8), 1.4, 12, (0.9, 0.95, 1))
    _focus(studio.camera((0.05, -1.46, 1.33), (0.03, 0.1, 0.98), 40), 1.6, 5.6)


def supper(room: Room) -> None:
    props.floor(m.planks("#5a4030"))
    props.wall(m.plaster("#8b9a98"), 0.75)
    props.picture((0.5, 0.36), (0.1, 0.75, 1.36), "#b98a5c", "#e9dfcb", ("#c65f3f", "#e0ab35", "#3e5a52"), 4)
    props.table("#9a6d45", (1.8, 0.85), 0.74)
    props.rug("#e9dfcb", "#c65f3f", (0.34, 1.2), (0, 0, 0), 90, "stripe", 2).location.z = 0.747
    room.put("ll-toadstool-lamp", (-0.36, 0.18, 0.757))
    room.put("ll-dusk-goblets", (0.0, -0.08, 0.757), 14)
    room.put("ll-brook-carafe", (0.26, 0.1, 0.757))
    room.put("ll-ember-espresso", (0.36, -0.18, 0.757))
    room.put("ll-marsh-vase", (0.52, 0.16, 0.757))
    studio.world("#bccaf0", 0.3)
    studio.area((-1.7, -1.1, 1.8), (0, 0, 0.85), 0.8, 34, (1, 0.84, 0.66))
    studio.area((1.8, -0.8, 1.7), (0.1, 0, 0.85), 1.0, 14, (0.72, 0.83, 1))
    _focus(studio.camera((0.12, -1.55, 1.22), (0.05, 0.05, 0.96), 42), 1.6, 5.6)


def hallway(room: Room) -> None:
    window, size = (-1.9, -0.9, 0.7), (1.3, 1.6)
    props.floor(m.planks("#c29a6c"))
    props.wall(m.plaster("#d9a58a"), 0.6)
    props.skirting("#f2ebe0", 0.6)
    props.window_wall(m.plaster("#ecdccd"), "#f5f0e6", *window, size)
    props.daylight(*window, size, strength=4.2, lift=33, slant=28, sky=55)
    props.hooks("#8a5f3b", 1.3, (0.0, 0.6, 1.42))
    props.bench("#a97b50", 1.25, (0, 0.38, 0))
    props.rug("#2f4858", "#e9dfcb", (1.7, 0.75), (0.05, -0.22, 0), 0, "stripe", 3.2, "Y")
    room.put("cm-bosco-backpack", (-0.34, 0.36, 0.44), -18)
    room.put("cm-lido-tote", (0.3, 0.36, 0.44), 12)
    room.put("cm-passo-boot", (-0.32, -0.08, 0.02), 58)
    room.put("cm-campo-sneaker", (0.36, -0.12, 0.02), 52)
    studio.world("#eef1ff", 0.55)
    studio.area((1.9, -2.0, 2.0), (0, 0.2, 0.5), 1.4, 26, (1, 0.95, 0.88))
    studio.camera((0.12, -2.3, 1.05), (0.0, 0.2, 0.5), 42)


def cafe(room: Room) -> None:
    props.floor(m.tiles("#b9795a", "#8a6248", 0.3))
    props.wall(m.plaster("#e2b25f"), 1.5)
    props.box("door", (0.9, 0.06, 2.2), m.plain("#3f6b62", 0.5), (-0.75, 1.5, 1.1), 0.01)
    props.round_table("#efeae2", "#2a2b2d", 0.42, 0.74, marble=True)
    room.put("cm-sera-satchel", (0.08, 0.2, 0.74), -14)
    room.put("cm-tramonto-sunglasses", (-0.03, -0.17, 0.74), -20)
    room.put("ll-ember-espresso", (-0.22, 0.02, 0.74), -35)
    room.put("cm-taccuino-notebooks", (0.24, -0.08, 0.74), -18)
    props.round_table("#efeae2", "#2a2b2d", 0.42, 0.74, (1.2, 0.9, 0), marble=True)
    studio.world("#cfe0ff", 0.7)
    studio.sun((math.radians(38), math.radians(-30), 0), 4.2)
    _focus(studio.camera((-0.08, -1.16, 1.36), (0.01, 0.03, 0.885), 41), 1.25, 5.6)


def packing(room: Room) -> None:
    window, size = (-1.9, -0.7, 0.6), (1.4, 1.7)
    props.floor(m.planks("#a98259"))
    props.wall(m.plaster("#b9c6c9"), 0.75)
    props.skirting("#eef0ec", 0.75)
    props.window_wall(m.plaster("#cfd8d9"), "#f5f3ec", *window, size)
    props.daylight(*window, size, strength=4.4, lift=32, slant=30, sky=60)
    props.curtain("#f1e8d8", (-1.35, 0.62, 0.0), 0.5, 2.6, "X")
    props.bench("#8a5f3b", 1.5, (0.02, 0.35, 0), 0.42, 0.42)
    room.put("cm-levante-weekender", (-0.28, 0.37, 0.42), -12)
    room.put("cm-sorgente-flask", (0.13, 0.27, 0.42))
    room.put("cm-mercato-tote", (0.5, 0.38, 0.42), 10)
    room.put("cm-molo-sneaker", (0.3, -0.12, 0.0), 54)
    room.put("cm-valico-backpack", (-0.42, -0.14, 0.0), 18)
    studio.world("#eef1ff", 0.55)
    studio.area((1.9, -2.0, 2.0), (0, 0.2, 0.5), 1.4, 26, (1, 0.95, 0.88))
    studio.camera((0.12, -2.35, 1.0), (0.02, 0.2, 0.5), 42)


def blue_hour(room: Room) -> None:
    props.floor(m.planks("#8a6443"))
    props.wall(m.plaster("#2f4b55"), 1.0)
    props.skirting("#27404a", 1.0)
    props.round_rug("#d9cdb6", 1.15, (0.0, 0.0, 0))
    props.picture((0.5, 0.62), (0.1, 1.0, 1.48), "#c8a25a", "#ece2cf", ("#d0573f", "#e0ab35", "#8fa287", "#1f5a5e"), 12)
    props.bench("#a97b50", 1.0, (0.08, 0.72, 0))
    room.put("ll-jetty-cushion", (-0.12, 0.72, 0.44), 8)
    room.put("ll-orchard-lamp", (0.38, 0.74, 0.44))
    room.put("ll-plume-chair", (0.9, 0.1, 0), -42)
    room.put("ll-kiln-pot", (-0.98, 0.6, 0))
    studio.world("#9fb4e6", 0.4)
    studio.area((-2.2, -1.6, 2.3), (0, 0.4, 0.6), 1.2, 75, (1, 0.88, 0.74))
    studio.area((2.2, -1.8, 2.0), (0, 0.4, 0.6), 1.6, 28, (0.8, 0.88, 1))
    studio.camera((0.0, -2.6, 1.08), (0.0, 0.5, 0.74), 40)


ROOMS: dict[str, Callable[[Room], None]] = {
    "reading-corner": reading_corner,
    "kitchen-shelf": kitchen_shelf,
    "desk": desk,
    "supper": supper,
    "hallway": hallway,
    "cafe": cafe,
    "packing": packing,
    "blue-hour": blue_hour,
}
