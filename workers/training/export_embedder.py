"""Writes embedder.onnx and embedder.json, the contract that the serving path embeds by."""

import json
from dataclasses import asdict
from pathlib import Path

import torch

from workers.training import onnx_file
from workers.training.embedder import DIMENSIONS, Embedder
from workers.training.pictures import PADDING, SIDE
from workers.training.retrieval import Threshold


def export_embedder(embedder: Embedder, out: Path, *, exact: Threshold | None = None) -> Path:
    """Write the embedder into the folder `out`; return the model's path."""
    path = out / "embedder.onnx"
    onnx_file.export(
        embedder.eval().to(memory_format=torch.contiguous_format),
        torch.zeros(1, 3, SIDE, SIDE),
        path,
        inputs="images",
        outputs="vectors",
        dynamic={"images": {0: "batch"}, "vectors": {0: "batch"}},
    )
    write_contract(out, exact)
    return path


def write_contract(out: Path, exact: Threshold | None, floor: float = 0.0) -> None:
    """`floor`: see evaluate.likeness_floor; 0 where it was not measured."""
    text = json.dumps(contract(exact, floor), indent=2) + "\n"
    (out / "embedder.json").write_text(text, encoding="utf-8")


def contract(exact: Threshold | None, floor: float) -> dict[str, object]:
    return {
        "file": "embedder.onnx",
        "input": {
            "name": "images",
            "layout": "NCHW",
            "dtype": "float32",
            "colour": "RGB",
            "range": [0, 1],
            "side": SIDE,
            "padding_value": PADDING / 255,
            "fit": "Pad the crop to a square (centred, padding_value), then scale to side. Means and scales are inside "
            "the graph. Batch is dynamic.",
        },
        "output": {
            "name": "vectors",
            "dimensions": DIMENSIONS,
            "meaning": "Unit length; compare by dot product.",
        },
        "exact_threshold": exact.cosine if exact else 1.0,
        "exact_calibration": asdict(exact) if exact else None,
        "similar_floor": round(floor, 4),
    }
