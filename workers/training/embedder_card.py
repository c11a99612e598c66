"""What is said of an embedder beside its file: how it is fed, what it answers. For `api.vision` and for people."""

import json
from pathlib import Path

from workers.training.pictures import PADDING

FIT = (
    "Pad the crop to a square (centred, padding_value), then scale to side. Means and scales are inside the graph. "
    "Batch is dynamic."
)
UNIT_LENGTH = "Unit length; compare by dot product."


def write(path: Path, side: int, dimensions: int, meaning: str = UNIT_LENGTH, **told: object) -> Path:
    """The card `path` of the model beside it (the same name, .onnx); `told` comes after. Returns `path`."""
    card = {
        "file": path.with_suffix(".onnx").name,
        "input": {
            "name": "images",
            "layout": "NCHW",
            "dtype": "float32",
            "colour": "RGB",
            "range": [0, 1],
            "side": side,
            "padding_value": PADDING / 255,
            "fit": FIT,
        },
        "output": {"name": "vectors", "dimensions": dimensions, "meaning": meaning},
        **told,
    }
    path.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    return path
