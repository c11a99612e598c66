"""Renders the articles' pictures and keeps the ground truth of where each product is to be seen."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import bpy
import studio
from boxes import look
from catalog import Product
from rooms import ROOMS, Room

ASPECT = 2 / 3


def render_all(
    demo: Path, products: Mapping[str, Product], only: list[str], size: int, samples: int, preview: Path | None = None
) -> None:
    """Write scenes/NAME.jpg and each picture's boxes into scenes/boxes.json."""
    folder = preview or demo / "scenes"
    folder.mkdir(parents=True, exist_ok=True)
    truth_at = folder / "boxes.json"
    truth = json.loads(truth_at.read_text()) if truth_at.exists() else {}
    for name, furnish in ROOMS.items():
        if only and name not in only:
            continue
        start = time.monotonic()
        studio.fresh(samples, size, round(size * ASPECT))
        room = Room(products)
        furnish(room)
        seen = look(bpy.context.scene, room.roots, 2)
        truth[f"{name}.jpg"] = [
            {"external_id": key, "box": found.box, "visible": round(found.share, 2)} for key, found in seen.items()
        ]
        truth_at.write_text(json.dumps(truth, indent=1) + "\n")
        studio.render(folder / f"{name}.jpg")
        print(f"{name} {len(seen)} products {time.monotonic() - start:.1f} s", flush=True)
