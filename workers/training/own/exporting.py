"""Writes what a training found as files that the settings can name: ONNX and its card, float32 and int8."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from api.vision.embedder import Embedder, squared
from api.vision.picture import Picture
from api.vision.runtime import session
from workers.training import embedder_card, onnx_file, quantise
from workers.training.own.samples import Sample, load
from workers.training.own.vector_network import DIMENSIONS, ClassifierGraph, VectorNetwork
from workers.training.pictures import PADDING
from workers.training.retrieval import Threshold

CALIBRATION = 128
AT_ONCE = 8
# Of a share: half a point.
MOST_LOSS = 0.005


@dataclass(frozen=True)
class Exported:
    """The same network twice; one card, named as the first is, tells of both."""

    fp32: Path
    int8: Path


def export(
    network: VectorNetwork, kind: str, out: Path, side: int, calibration: Sequence[Sample], labels: Sequence[str] = ()
) -> Exported:
    """`kind` names the files. With `labels` the graph also gives a probability a class. `write_card` tells the rest."""
    outputs = ["vectors", "probabilities"] if labels else ["vectors"]
    graph: nn.Module = ClassifierGraph(network) if labels else network
    files = Exported(out / f"{kind}.onnx", out / f"{kind}-int8.onnx")
    dynamic = {name: {0: "batch"} for name in ["images", *outputs]}
    example = torch.zeros(1, 3, side, side)
    graph = graph.cpu().to(memory_format=torch.contiguous_format).eval()
    model = onnx_file.trace(graph, example, files.fp32, inputs="images", outputs=outputs, dynamic=dynamic)
    quantise.static_int8(model, files.int8, fed(calibration[:CALIBRATION], side))
    onnx_file.save_compact(model, files.fp32)
    # Enough of a card to judge the files as they serve; the whole one is written when that is done.
    write_card(files, side, {}, {}, "int8", labels=labels)
    return files


def fed(samples: Sequence[Sample], side: int) -> list[NDArray[np.float32]]:
    """Batches as the service feeds them."""
    return [_batch(samples[start : start + AT_ONCE], side) for start in range(0, len(samples), AT_ONCE)]


def _batch(samples: Sequence[Sample], side: int) -> NDArray[np.float32]:
    squares = np.stack([squared(load(sample, side), side, PADDING) for sample in samples])
    return np.ascontiguousarray(squares.transpose(0, 3, 1, 2), np.float32) * np.float32(1 / 255)


def vectors(files: Exported, precision: str, samples: Sequence[Sample], side: int) -> NDArray[np.float32]:
    """What the service makes of these pictures with the exported file; its card must be there."""
    embedder = Embedder(files.fp32, 2, precision)
    found = []
    for sample in samples:
        pixels = load(sample, side)
        found.append(embedder.embed(Picture(pixels.shape[1], pixels.shape[0], pixels), None))
    return np.concatenate(found)


def outputs(model: Path, samples: Sequence[Sample], side: int, threads: int = 2) -> list[NDArray[np.float32]]:
    """What the exported file answers, output by output, through the runtime that serves."""
    found = [session(model, threads).run(None, {"images": batch}) for batch in fed(samples, side)]
    return [np.concatenate(part) for part in zip(*found, strict=True)]


def write_card(
    files: Exported,
    side: int,
    judged: dict[str, dict[str, float]],
    exact: dict[str, Threshold],
    default: str,
    *,
    labels: Sequence[str] = (),
    **told: object,
) -> Path:
    """What `api.vision` reads, and what people want to know. `judged` and `exact` by precision, fp32 and int8."""
    meaning = embedder_card.UNIT_LENGTH + (" A second output, probabilities, has a column a label." if labels else "")
    return embedder_card.write(
        files.fp32.with_suffix(".json"),
        side,
        DIMENSIONS,
        meaning,
        files={"fp32": files.fp32.name, "int8": files.int8.name},
        default=default,
        exact_threshold=exact[default].cosine if exact else 1.0,
        exact_calibration={name: asdict(found) for name, found in exact.items()},
        figures={name: {key: round(one, 4) for key, one in found.items()} for name, found in judged.items()},
        **({"labels": list(labels)} if labels else {}),
        **told,
    )


def better(judged: dict[str, dict[str, float]], figure: str) -> str:
    """The precision to serve by default: int8 unless it costs more than it may."""
    return "int8" if judged["fp32"][figure] - judged["int8"][figure] <= MOST_LOSS else "fp32"
