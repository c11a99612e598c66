"""Training pictures for the detector: random products, colours, rooms, lights and cameras, with exact boxes."""

from __future__ import annotations

import colorsys
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path

import bpy
import materials as m
import props
import shapes
import studio
from boxes import look
from catalog import Product

MIN_SHARE, MIN_SIDE = 0.4, 0.03
WOODS = ("#b98a5c", "#7d4f2f", "#d3b48a", "#4d3626", "#e4d9c8", "#8c8a86")
SMALL, FLOOR = ("small", "tiny", "lamp", "soft", "bag", "shoe"), ("big", "tall", "floor")


def _color(rng: random.Random, calm: bool = False) -> str:
    hue, light = rng.random(), rng.uniform(0.55, 0.95) if calm else rng.uniform(0.12, 0.95)
    tint = colorsys.hsv_to_rgb(hue, rng.uniform(0.02, 0.3) if calm else rng.uniform(0.05, 0.85), light)
    return "#" + "".join(f"{round(c * 255):02x}" for c in tint)


def _recolour(rng: random.Random, product: Product) -> dict[str, object]:
    """The product as it is, or in colours it is not sold in."""
    if rng.random() < 0.3:
        return {}
    pale = product.shape in ("carafe", "tumblers", "goblet")
    changes: dict[str, object] = {}
    for key, value in product.params.items():
        if isinstance(value, str) and value.startswith("#") and rng.random() < 0.8:
            changes[key] = _color(rng, pale or key in ("shade", "face"))
    return changes


def _slots(rng: random.Random, count: int, width: float, depth: float, gap: float) -> list[tuple[float, float]]:
    """Places at least `gap` apart, as many as fit."""
    found: list[tuple[float, float]] = []
    for _ in range(400):
        x, y = rng.uniform(-width / 2, width / 2), rng.uniform(-depth / 2, depth / 2)
        if len(found) < count and all(math.hypot(x - a, y - b) > gap for a, b in found):
            found.append((x, y))
    return found


def _backdrop(rng: random.Random, top: float, back: float) -> None:
    """Walls and the plane that carries the products."""
    surface = rng.choice(("planks", "wood", "plain", "cloth", "tiles"))
    if surface == "planks":
        mat = m.planks(rng.choice(WOODS))
    elif surface == "wood":
        mat = m.wood(rng.choice(WOODS), "X")
    elif surface == "cloth":
        mat = m.cloth(_color(rng), _color(rng, True), rng.choice(("plain", "stripe")), rng.uniform(2, 14))
    else:
        mat = m.plain(_color(rng, rng.random() < 0.6), rng.uniform(0.1, 0.9))
    props.box("plane", (12, 12, 0.02), mat, (0, 0, top - 0.0101), 0)
    kind = rng.random()
    paint = (
        m.tiles(_color(rng, True), "#d8d2c6", rng.uniform(0.08, 0.2))
        if kind < 0.2
        else m.plaster(_color(rng, kind < 0.75))
    )
    props.wall(paint, back, 14, 4)
    if rng.random() < 0.5:
        props.picture(
            (rng.uniform(0.3, 0.7), rng.uniform(0.4, 0.9)),
            (rng.uniform(-0.8, 0.8), back, top + rng.uniform(0.5, 1.3)),
            rng.choice(WOODS),
            _color(rng, True),
            [_color(rng) for _ in range(4)],
            rng.randrange(99),
        )
    if rng.random() < 0.4:
        props.curtain(
            _color(rng, rng.random() < 0.7), (rng.uniform(-1.4, 1.4), back - 0.12, top), rng.uniform(0.4, 1.2), 2.6, "X"
        )
    if rng.random() < 0.4:
        props.books(
            [_color(rng) for _ in range(rng.randint(2, 5))],
            (rng.uniform(-0.4, 0.4), back - 0.25, top),
            True,
            rng.randrange(99),
        )


def _light(rng: random.Random, top: float, reach: float) -> None:
    studio.world(rng.choice(("#ffffff", "#dfe9ff", "#ffe9cf")), rng.uniform(0.15, 0.9))
    for _ in range(rng.randint(1, 2)):
        at = (rng.uniform(-2, 2) * reach, rng.uniform(-2.2, 0.2) * reach, top + rng.uniform(0.7, 2.4) * reach)
        warm = rng.uniform(0, 1)
        studio.area(
            at,
            (0, 0, top),
            rng.uniform(0.3, 2) * reach,
            rng.uniform(15, 70) * reach * reach,
            (1, 1 - 0.18 * warm, 1 - 0.4 * warm),
        )
    if rng.random() < 0.4:
        studio.sun((rng.uniform(0.3, 1.1), rng.uniform(-0.9, 0.9), 0), rng.uniform(1, 4))


def compose(seed: int, products: Sequence[Product], size: int, samples: int) -> dict[str, bpy.types.Object]:
    """Build the picture of one seed; returns the products' roots by `label:id`."""
    rng = random.Random(seed)
    width, height = rng.choice(((size, size), (size, round(size * 0.75)), (round(size * 0.75), size)))
    scene = studio.fresh(samples, width, height, rng.choice(("Khronos PBR Neutral", "AgX", "Filmic", "Standard")))
    scene.view_settings.exposure = rng.uniform(-0.5, 0.4)
    scene.render.image_settings.quality = rng.randint(70, 92)
    room = rng.random() < 0.38
    kinds = FLOOR if room else SMALL
    pool = [p for p in products if p.tags & set(kinds)] if rng.random() < 0.9 else list(products)
    if not room:
        pool = [p for p in pool if not p.tags & {"big", "tall"}]
    rng.shuffle(pool)
    count, spread, gap = (rng.randint(2, 6), 1.5, 0.62) if room else (rng.randint(1, 6), rng.uniform(0.55, 0.95), 0.25)
    top, back = 0.0, (1.5 if room else rng.uniform(0.5, 1.2))
    _backdrop(rng, top, back)
    _light(rng, top, 1.6 if room else 0.8)
    roots: dict[str, bpy.types.Object] = {}
    for product, (x, y) in zip(pool, _slots(rng, count, spread * 1.5, spread * 0.9, gap), strict=False):
        root = shapes.build(product, **_recolour(rng, product))
        root.rotation_euler.z = math.radians(product.view[0] + rng.gauss(0, 35))
        low, high = studio.bounds([root])
        scale = rng.uniform(0.85, 1.2) * (1.7 if not room and max(high - low) < 0.12 else 1.0)
        root.scale, root.location = (scale,) * 3, (x, y, top + shapes.LIFT)
        roots[f"{product.label}:{product.id}"] = root
    low, high = studio.bounds(list(roots.values()))
    centre, reach = (low + high) / 2, max((high - low).length, 0.3)
    turn, pitch = math.radians(rng.uniform(-28, 28)), math.radians(rng.uniform(4, 38))
    far = reach * rng.uniform(0.85, 1.55)
    at = (
        centre.x + far * math.sin(turn) * math.cos(pitch),
        centre.y - far * math.cos(turn) * math.cos(pitch),
        centre.z + far * math.sin(pitch),
    )
    offset = reach * 0.12
    studio.camera(
        at,
        (centre.x + rng.uniform(-offset, offset), centre.y, centre.z + rng.uniform(-offset, offset)),
        rng.uniform(32, 48),
    )
    return roots


def render_all(out: Path, products: Sequence[Product], first: int, count: int, size: int, samples: int) -> None:
    """Write images/train_N.jpg and labels/train_N.txt.

    A product of which less than MIN_SHARE shows is taken away, never left unlabelled.
    """
    (out / "labels").mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        start = time.monotonic()
        roots = compose(seed, products, size, samples)
        scene = bpy.context.scene
        for _ in range(3):
            seen = look(scene, roots, 2)
            good = {k: s for k, s in seen.items() if s.share >= MIN_SHARE and min(s.x1 - s.x0, s.y1 - s.y0) >= MIN_SIDE}
            gone = [k for k in roots if k not in good]
            if not gone:
                break
            for key in gone:
                root = roots.pop(key)
                for part in [*root.children_recursive, root]:
                    bpy.data.objects.remove(part)
        else:
            continue
        if not good:
            continue
        studio.render(out / "images" / f"train_{seed:04d}.jpg")
        lines = [f"{key.split(':')[0]} {found.yolo}" for key, found in good.items()]
        (out / "labels" / f"train_{seed:04d}.txt").write_text("\n".join(lines) + "\n")
        print(f"train_{seed:04d} {len(lines)} boxes {time.monotonic() - start:.1f} s", flush=True)
