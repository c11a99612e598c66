"""The whole way from the data folder to the shipped files, as the model cards describe it.

Hours on two cores: half of them the detector's coarse phase, half its fine one, minutes for the embedder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.training.compose import compose
from workers.training.detector import train_detector
from workers.training.embedder import load_embedder
from workers.training.evaluate import Figures, evaluate, likeness_floor, neighbours, session
from workers.training.export_detector import export_detector
from workers.training.export_embedder import export_embedder, write_contract
from workers.training.retrieval import RetrievalFigures
from workers.training.split import is_validation
from workers.training.train_embedder import train_embedder


@dataclass(frozen=True)
class Phase:
    """One stretch of detector training: later ones see larger pictures at a lower rate."""

    name: str
    epochs: int
    image_size: int
    learning_rate: float
    plain_epochs: int


PHASES = (Phase("coarse", 18, 320, 1e-3, 3), Phase("fine", 8, 384, 4e-4, 2))
# As large as the last phase trains: 416 was level on street photos and worse on renders.
SERVED_SIZE = 384


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
    export_detector(checkpoint, models, image_size=SERVED_SIZE)
    build_embedder(shared, work, models, steps=embedder_steps)
    return evaluate(shared, models, scenes=kept_back(scenes))


def build_embedder(shared: Path, work: Path, models: Path, *, steps: int = 150) -> RetrievalFigures:
    """Train twice: without the held-out products for the figures and the exact threshold, then with them to serve."""
    rehearsal = work / "rehearsal"
    path = export_embedder(load_embedder(train_embedder(shared, rehearsal, steps=steps)), rehearsal)
    figures, exact = neighbours(shared, session(path), hold_out=True)
    served = load_embedder(train_embedder(shared, work / "served", steps=steps, hold_out=False))
    path = export_embedder(served, models, exact=exact)
    write_contract(models, exact, likeness_floor(shared, session(path)))
    return figures


def kept_back(scenes: Sequence[Path]) -> list[tuple[Path, Path]]:
    """The composed scenes that training left out, with their label files."""
    return [
        (image, folder / "labels" / f"{image.stem}.txt")
        for folder in scenes
        for image in sorted((folder / "images").glob("*.jpg"))
        if is_validation(image.name)
    ]
