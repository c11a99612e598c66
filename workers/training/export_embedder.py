"""Writes the embedder in float32 and int8, and embedder.json, the contract that serving embeds by."""

from dataclasses import asdict
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from api.vision.calibration import ExactCard
from workers.training import embedder_card, onnx_file, pictures, quantise
from workers.training.embedder import DIMENSIONS, Embedder
from workers.training.pictures import SIDE
from workers.training.retrieval import Threshold

FILES = {"fp32": "embedder.onnx", "int8": "embedder-int8.onnx"}
CALIBRATION = 240


def export_embedder(embedder: Embedder, out: Path, shared: Path) -> dict[str, Path]:
    """Write both files into the folder `out`, int8 calibrated on training pictures; return their paths by precision."""
    paths = {precision: out / name for precision, name in FILES.items()}
    model = onnx_file.trace(
        embedder.eval().to(memory_format=torch.contiguous_format),
        torch.zeros(1, 3, SIDE, SIDE),
        paths["fp32"],
        inputs="images",
        outputs="vectors",
        dynamic={"images": {0: "batch"}, "vectors": {0: "batch"}},
    )
    # The first stage's few channels carry the whole picture: in float it takes 15 % more time and halves the loss.
    first = [node.name for node in model.graph.node if "features/stages.0/" in node.name]
    quantise.static_int8(model, paths["int8"], calibration(shared), exclude=first)
    onnx_file.save_compact(model, paths["fp32"])
    write_contract(out, None)
    return paths


def calibration(shared: Path) -> list[NDArray[np.float32]]:
    """What the embedder is fed when it serves, of every source in equal number, of the training split alone."""
    rng = np.random.default_rng(1)
    by_source: dict[str, list[pictures.Picture]] = {}
    for picture in pictures.gather(shared):
        if not picture.source.endswith("-val") and not picture.held_out:
            by_source.setdefault(picture.source, []).append(picture)
    each = CALIBRATION // len(by_source)
    chosen = [group[i] for group in by_source.values() for i in rng.permutation(len(group))[:each]]
    squares = (pictures.pad(pictures.read(picture)) for picture in chosen)
    return [np.ascontiguousarray(square.transpose(2, 0, 1)[None]) * np.float32(1 / 255) for square in squares]


def write_contract(
    out: Path,
    exact: Threshold | None,
    floor: float = 0.0,
    *,
    default: str = "int8",
    card: ExactCard | None = None,
) -> None:
    """`floor`: see evaluate.likeness_floor; `card`: see exact.fit. Left out where they were not measured."""
    embedder_card.write(
        out / "embedder.json",
        SIDE,
        DIMENSIONS,
        files=FILES,
        default=default,
        exact_threshold=exact.cosine if exact else 1.0,
        exact_calibration=asdict(exact) if exact else None,
        **({"exact": msgspec.to_builtins(card)} if card else {}),
        similar_floor=round(floor, 4),
    )
