"""The whole way from the data folder to the shipped files, as the model cards describe it.

Hours on two cores: half of them the detector's coarse phase, half its fine one, minutes for the embedder.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.training import detection, exact
from workers.training.compose import compose
from workers.training.detector import load_weights, train_detector
from workers.training.embedder import load_embedder
from workers.training.evaluate import Figures, evaluate, likeness_floor, neighbours, session
from workers.training.export_detector import PADDING_VALUE, write_both
from workers.training.export_embedder import export_embedder, write_contract
from workers.training.retrieval import RetrievalFigures
from workers.training.split import LABELS, is_validation, streetstyle
from workers.training.train_embedder import train_embedder


@dataclass(frozen=True)
class Phase:
    """One stretch of detector training: later ones see larger pictures at a lower rate."""

    name: str
    epochs: int
    image_size: int
    learning_rate: float
    plain_epochs: int


PHASES = (Phase("coarse", 18, 320, 1e-3, 3), Phase("fine", 8, 384, 4e-4, 2), Phase("finer", 8, 416, 5e-4, 3))
# A little larger than the last phase trains: on street photos 384 px gave mAP50 0.634, 416 gave 0.648, 448 gives 0.653.
SERVED_SIZE = 448
CALIBRATION_STEP = 12


def build_models(
    shared: Path,
    work: Path,
    models: Path,
    *,
    renders: Sequence[Path] = (),
    phases: Sequence[Phase] = PHASES,
    embedder_steps: int = 150,
) -> Figures:
    """Train, export into `models` and judge. `renders` are further folders of scenes (images/, labels/).

    Everything intermediate lies under `work`; only `models` is meant to be kept.
    """
    scenes = [compose(shared, work / "composed"), *renders]
    checkpoint: Path | None = None
    for phase in phases:
        checkpoint = train_detector(
            shared,
            work / phase.name,
            epochs=phase.epochs,
            image_size=phase.image_size,
            scenes=scenes,
            start=checkpoint,
            learning_rate=phase.learning_rate,
            plain_epochs=phase.plain_epochs,
        )
    if checkpoint is None:
        raise ValueError("phases must not be empty")
    batches = street_batches(shared, SERVED_SIZE)
    write_both(load_weights(checkpoint), models, LABELS, batches, image_size=SERVED_SIZE, default="int8")
    build_embedder(shared, work, models, steps=embedder_steps)
    return evaluate(shared, models, scenes=kept_back(scenes))


def street_batches(shared: Path, size: int) -> Iterator[NDArray[np.float32]]:
    """Some training photos as the detector is fed them, for calibration."""
    for path in streetstyle(shared)[0][::CALIBRATION_STEP]:
        pixels = cv2.imread(str(path))
        if pixels is not None:
            yield detection.letterbox(pixels, size, PADDING_VALUE)[0]


def build_embedder(shared: Path, work: Path, models: Path, *, steps: int = 150) -> RetrievalFigures:
    """Train twice: without the held-out products, for the figures and for what may be called exact, then with them to
    serve. Everything is measured on the int8 file, which serves."""
    rehearsal = work / "rehearsal"
    paths = export_embedder(load_embedder(train_embedder(shared, rehearsal, steps=steps)), rehearsal, shared)
    figures, threshold = neighbours(shared, session(paths["int8"]), hold_out=True)
    card = exact.measure(shared, rehearsal, new=False).card
    served = load_embedder(train_embedder(shared, work / "served", steps=steps, hold_out=False))
    paths = export_embedder(served, models, shared)
    write_contract(models, threshold, likeness_floor(shared, session(paths["int8"])), card=card)
    return figures


def kept_back(scenes: Sequence[Path]) -> list[tuple[Path, Path]]:
    """The composed scenes that training left out, with their label files."""
    return [
        (image, folder / "labels" / f"{image.stem}.txt")
        for folder in scenes
        for image in sorted((folder / "images").glob("*.jpg"))
        if is_validation(image.name)
    ]
