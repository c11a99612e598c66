"""The whole way from the data folder to the shipped files, as the model cards describe it.

`python -m workers.training.recipe detector|embedder` trains, exports and judges. Hours on two cores for the detector
(a third of them its coarse phase), minutes for the embedder. What is broken off goes on when it is started again.
"""

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from api.settings import REPO_ROOT, VisionSettings
from api.vision.embedder import Embedder
from api.vision.runtime import session
from workers.training import dataset, detection, exact, self_training, verified_boxes
from workers.training.compose import compose
from workers.training.detector import load_weights, train_detector
from workers.training.embedder import load_embedder
from workers.training.evaluate import likeness_floor, neighbours
from workers.training.export_detector import PADDING_VALUE, lift, write_both
from workers.training.export_embedder import export_embedder, write_contract
from workers.training.memory import keep_memory
from workers.training.retrieval import RetrievalFigures
from workers.training.split import LABELS, PRODUCT, streetstyle
from workers.training.train_embedder import train_embedder


class Boxes(StrEnum):
    """Photos that come without boxes."""

    garments = "garments"  # self_training.py
    groceries = "groceries"  # verified_boxes.py


@dataclass(frozen=True)
class Phase:
    """One stretch of detector training: later ones see larger pictures at a lower rate. `boxes`: photos without boxes
    that the detector so far boxes for this phase and those after it; with them, street photos with RARE labels are seen
    twice."""

    name: str
    epochs: int
    image_size: int
    learning_rate: float
    plain_epochs: int
    boxes: frozenset[Boxes] = frozenset()


PHASES = (
    Phase("coarse", 18, 320, 1e-3, 3),
    Phase("fine", 8, 384, 4e-4, 2),
    Phase("finer", 8, 416, 5e-4, 3, frozenset({Boxes.garments})),
    Phase("sharp", 9, 512, 4e-4, 0, frozenset({Boxes.groceries})),
)
RARE = ("shorts", "skirt", "headwear", "scarf")
# A little larger than the last phase trains: mAP50 0.701 at 512 px, 0.699 to 0.705 at 544; mAP50-95 0.425, 0.44.
SERVED_SIZE = 544
CALIBRATION_STEP = 6
# Boxes of our own making lie less well than drawn ones, and a label's scores tell how well its boxes lie.
PRODUCT_LIFT = 0.6
THREADS = 2


@dataclass(frozen=True)
class DetectorFigures:
    """Of the int8 file, which serves; `scenes` are those that training left out."""

    street: detection.DetectionFigures
    scenes: detection.DetectionFigures


def build_detector(
    shared: Path,
    work: Path,
    models: Path,
    *,
    composed: int = 300,
    renders: Sequence[Path] = (),
    phases: Sequence[Phase] = PHASES,
) -> DetectorFigures:
    """Train, export into `models` and judge. `renders` are further folders of scenes (images/, labels/), beside as many
    as `composed` of our own.

    Everything intermediate lies under `work`; only `models` is meant to be kept.
    """
    keep_memory()
    scenes = [compose(shared, work / "composed", scenes=composed), *renders]
    boxed: list[Path] = []
    checkpoint: Path | None = None
    for phase in phases:
        if phase.boxes and checkpoint is not None:
            boxed += _boxed(phase, shared, checkpoint, work)
        checkpoint = _phase(phase, shared, work / phase.name, [*scenes, *boxed], checkpoint, RARE if boxed else ())
    if checkpoint is None:
        raise ValueError("phases must not be empty")
    trained, batches = load_weights(checkpoint), street_batches(shared, SERVED_SIZE)
    lift(trained, PRODUCT, PRODUCT_LIFT)
    write_both(trained, models, LABELS, batches, image_size=SERVED_SIZE, default="int8")
    served, card = session(models / "detector-int8.onnx", THREADS), models / "detector.json"
    street, held = dataset.photographs(shared).validation, dataset.kept_back(scenes)
    return DetectorFigures(detection.judge(served, card, street), detection.judge(served, card, held))


def _phase(
    phase: Phase, shared: Path, folder: Path, scenes: Sequence[Path], start: Path | None, twice: Sequence[str]
) -> Path:
    """The best weights of a phase; one that is finished is not repeated, one that was broken off goes on."""
    done = folder / "best.pt"
    if not done.exists():
        best = train_detector(
            shared,
            folder,
            epochs=phase.epochs,
            image_size=phase.image_size,
            scenes=scenes,
            twice=twice,
            start=start,
            resume=(folder / "run" / "weights" / "last.pt").exists(),
            learning_rate=phase.learning_rate,
            plain_epochs=phase.plain_epochs,
        )
        shutil.copyfile(best, done)
    return done


def _boxed(phase: Phase, shared: Path, checkpoint: Path, work: Path) -> Iterator[Path]:
    """What the phase has boxed; the shipped embedder says which boxes show groceries."""
    path = write_both(load_weights(checkpoint), work / phase.name / "teacher", LABELS,
                      street_batches(shared, SERVED_SIZE), image_size=SERVED_SIZE)  # fmt: skip
    terms, model = json.loads(path.with_suffix(".json").read_text(encoding="utf-8")), session(path, THREADS)

    def detect(picture: MatLike) -> detection.Array:
        return detection.detect(model, terms, picture)

    if Boxes.garments in phase.boxes:
        yield self_training.box_garments(shared, detect, work / "garments")
    if Boxes.groceries in phase.boxes:
        embedder = Embedder(VisionSettings().embedder, THREADS)
        yield verified_boxes.box_products(shared, detect, embedder.embed, work / "groceries")


def street_batches(shared: Path, size: int) -> Iterator[NDArray[np.float32]]:
    """Some training photos as the detector is fed them, for calibration."""
    for path in streetstyle(shared)[0][::CALIBRATION_STEP]:
        pixels = cv2.imread(str(path))
        if pixels is not None:
            yield detection.letterbox(pixels, size, PADDING_VALUE)[0]


def build_embedder(
    shared: Path, work: Path, models: Path, *, steps: int = 150, loss: str = "proxy"
) -> RetrievalFigures:
    """Train twice: without the held-out products, for the figures and for what may be called exact, then with them to
    serve. Everything is measured on the int8 file, which serves."""
    rehearsal = work / "rehearsal"
    trained = train_embedder(shared, rehearsal, steps=steps, loss=loss)
    export_embedder(load_embedder(trained), rehearsal, shared)
    figures, threshold = neighbours(shared, _served(rehearsal), hold_out=True)
    card = exact.measure(shared, rehearsal, new=False).card
    served = load_embedder(train_embedder(shared, work / "served", steps=steps, loss=loss, hold_out=False))
    export_embedder(served, models, shared)
    write_contract(models, threshold, likeness_floor(shared, _served(models)), card=card)
    return figures


def _served(models: Path) -> Embedder:
    return Embedder(models / "embedder.onnx", THREADS)


def main() -> None:
    """Build one of the models and print its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=["detector", "embedder"])
    parser.add_argument("--data", type=Path, default=REPO_ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("runs/recipe"), help="models/ in it is meant to be kept")
    parser.add_argument("--renders", type=Path, nargs="*", default=[], help="further scenes for the detector")
    parser.add_argument("--loss", choices=["proxy", "contrast", "triplet"], default="proxy", help="of the embedder")
    given = parser.parse_args()
    models = given.work / "models"
    figures: DetectorFigures | RetrievalFigures
    if given.model == "detector":
        figures = build_detector(given.data, given.work, models, renders=given.renders)
    else:
        figures = build_embedder(given.data, given.work, models, loss=given.loss)
    print(json.dumps({"models": str(models), **asdict(figures)}, indent=2))  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
