"""Judges the exported files, not the checkpoints: what is measured is what is served."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from workers.training import detection, pictures, retrieval
from workers.training.pictures import Picture
from workers.training.split import streetstyle

BATCH = 32
LATENCY_ROUNDS = 20
# A street photo's shape in the detector, and five crops in the embedder: the pipeline's usual load.
DETECTOR_SHAPE = (1, 3, 384, 256)
CROPS = 5


@dataclass(frozen=True)
class Figures:
    """Everything a model card quotes. Latencies are medians in ms on two threads."""

    detector: detection.DetectionFigures
    scenes: detection.DetectionFigures | None
    neighbours: retrieval.RetrievalFigures
    detector_ms: float
    embedder_ms: float


def evaluate(
    shared: Path, models: Path, *, scenes: Sequence[tuple[Path, Path]] = (), hold_out: bool = False
) -> Figures:
    """Figures of detector.onnx and embedder.onnx in `models` on the validation split and on composed `scenes`.

    `hold_out` as the embedder was trained: figures for new products mean something only where some were held out.
    """
    detector, embedder = session(models / "detector.onnx"), session(models / "embedder.onnx")
    photos = [(path, shared / "streetstyle" / "labels" / f"{path.stem}.txt") for path in streetstyle(shared)[1]]
    crops = np.zeros((CROPS, 3, pictures.SIDE, pictures.SIDE), np.float32)
    return Figures(
        detector=detection.judge(detector, models / "detector.json", photos),
        scenes=detection.judge(detector, models / "detector.json", scenes) if scenes else None,
        neighbours=neighbours(shared, embedder, hold_out=hold_out)[0],
        detector_ms=latency_ms(detector, np.zeros(DETECTOR_SHAPE, np.float32)),
        embedder_ms=latency_ms(embedder, crops),
    )


def neighbours(
    shared: Path, embedder: onnxruntime.InferenceSession, *, hold_out: bool
) -> tuple[retrieval.RetrievalFigures, retrieval.Threshold | None]:
    """Retrieval figures, and the exact threshold where products were held out to calibrate it on."""
    judged = [picture for picture in pictures.gather(shared) if picture.source != "street"]
    vectors = embed(embedder, judged)
    found = retrieval.judge(judged, vectors, hold_out=hold_out)
    return found, calibrate(judged, vectors) if hold_out else None


def session(path: Path, threads: int = 2) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def embed(embedder: onnxruntime.InferenceSession, judged: list[Picture]) -> NDArray[np.float32]:
    rows = []
    for start in range(0, len(judged), BATCH):
        squares = [pictures.pad(pictures.read(picture)) for picture in judged[start : start + BATCH]]
        batch = np.stack(squares).transpose(0, 3, 1, 2).astype(np.float32) / 255
        rows.append(embedder.run(None, {"images": batch})[0])
    return np.concatenate(rows)


def calibrate(judged: list[Picture], vectors: NDArray[np.float32]) -> retrieval.Threshold:
    """The exact threshold, on shop photos of held-out products against every studio picture."""
    names = np.array([picture.name for picture in judged])
    studio = np.flatnonzero([picture.source == "studio" for picture in judged])
    queries = np.flatnonzero([picture.held_out and picture.source != "studio" for picture in judged])
    scores = vectors[queries] @ vectors[studio].T
    right = names[studio][scores.argmax(1)] == names[queries]
    return retrieval.exact_threshold(scores.max(1), right)


def likeness_floor(shared: Path, embedder: onnxruntime.InferenceSession, share: float = 0.05) -> float:
    """The cosine that all but `share` of the things on street photos reach with their best like on other photos: what
    lies under it looks like nothing that is there."""
    crops = [crop for path in streetstyle(shared)[1] for crop in pictures.street_crops(path)]
    vectors = embed(embedder, crops)
    photo = np.array([crop.path.stem for crop in crops])
    scores = vectors @ vectors.T
    scores[photo[:, None] == photo[None, :]] = -1
    return float(np.quantile(scores.max(1), share))


def latency_ms(model: onnxruntime.InferenceSession, batch: NDArray[np.float32]) -> float:
    taken = []
    for _ in range(LATENCY_ROUNDS):
        start = time.perf_counter()
        model.run(None, {"images": batch})
        taken.append((time.perf_counter() - start) * 1000)
    return float(np.median(taken))
