"""From a product's record to its model: the one list of shapes."""

from __future__ import annotations

from collections.abc import Callable

import bpy
import shapes_bags
import shapes_light
import shapes_packs
import shapes_seat
import shapes_table
import shapes_wear
from catalog import Product
from mesh import Part, group

SHAPES: dict[str, Callable[..., list[Part]]] = {
    made.__name__: made
    for made in (
        *(
            shapes_table.mug,
            shapes_table.espresso,
            shapes_table.vase,
            shapes_table.carafe,
            shapes_table.tumblers,
            shapes_table.goblet,
        ),
        *(shapes_table.flask, shapes_table.pot),
        *(
            shapes_light.mushroom,
            shapes_light.gourd,
            shapes_light.desk,
            shapes_light.dome_floor,
            shapes_light.tripod_floor,
        ),
        *(
            shapes_seat.armchair,
            shapes_seat.shell_chair,
            shapes_seat.spindle_chair,
            shapes_seat.stool,
            shapes_seat.cushion,
            shapes_seat.clock,
        ),
        *(shapes_bags.tote, shapes_bags.satchel, shapes_bags.bucket, shapes_packs.backpack, shapes_packs.weekender),
        *(shapes_wear.sneaker, shapes_wear.boot, shapes_wear.sunglasses, shapes_wear.notebooks),
    )
}


# Glass whose foot lies in the plane of the table renders black.
LIFT = 0.0006


def build(product: Product, **changes: object) -> bpy.types.Object:
    """Model a product at the origin, front to -y; `changes` override its parameters."""
    root = group(product.id, SHAPES[product.shape](**{**product.params, **changes}))
    root.location.z = LIFT
    return root
