"""`shoplight evaluate`: judges what serves, on our validation split or a user's data, and compares backbones."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.search.exactness import ExactRule
from api.vision.detector_card import DetectorCard
from api.vision.embedder import EmbedderCard
from api.vision.runtime import Card, card_beside, description, served
from api.vision.service import Eyes
from workers.training import split
from workers.training.judging import backbones, detections, retrieval_report, seeing, speed, tasks
from workers.training.judging.backbones import Compared, Wanted
from workers.training.judging.detections import JudgedDetector
from workers.training.judging.intervals import Measured
from workers.training.judging.marks import ALARMS, MISSES
from workers.training.judging.ranking import RankingFigures
from workers.training.judging.retrieval_report import Judged
from workers.training.judging.seeing import Models
from workers.training.own import yolo_data
from workers.training.own.problem import DataProblem
from workers.training.own.progress import Teller

USUAL_SIDE = 640


@dataclass(frozen=True)
class Evaluation:
    """Everything that the terminal, --json and the report show. `files`: the detector and the embedder that served."""

    models: Models
    data: Path
    detector: JudgedDetector | None
    retrieval: list[Judged]
    compared: list[Compared]
    detector_ms: Measured
    embedder_ms: Measured
    dimensions: int
    files: tuple[str, str]
    most: int


def evaluate(
    models: Models, data: Path, eyes: Eyes, teller: Teller, *, most: int = 0, wanted: Wanted | None = None, out: Path
) -> Evaluation:
    """`most`: at most so many queries a task, for a quick look. Backbones are exported under `out`."""
    if not data.is_dir():
        raise DataProblem(f"{data} is no folder")
    photos, labels = labelled_photos(data, eyes.labels, most)
    asked = [] if photos and not tasks.is_ours(data) else tasks.tasks(data, most)
    judged = None
    if photos:
        with teller.track("detecting", len(photos)) as tick:
            judged = detections.judge(eyes, photos, _longest_side(models.detector), tick, labels)
    retrieval = []
    for task in asked:
        with teller.track(task.title, len(task.items)) as tick:
            seen = seeing.see(eyes, task.items, seeing.as_served(eyes), tick, colours=task.product)
        rule = ExactRule(eyes.exact_threshold, eyes.exact_card) if task.product else None
        retrieval.append(retrieval_report.judge(task, seen, rule))
    compared = backbones.compare(wanted, asked, eyes, out, models, teller.say) if wanted and asked else []
    return Evaluation(
        models, data, judged, retrieval, compared,
        detector_ms=speed.detector_ms(eyes),
        embedder_ms=speed.embedder_ms(models.embedder, models.threads, models.precision),
        dimensions=eyes.dim,
        files=(_file(models.detector, DetectorCard, models), _file(models.embedder, EmbedderCard, models)),
        most=most,
    )  # fmt: skip


def labelled_photos(data: Path, labels: Sequence[str], most: int) -> tuple[list[tuple[Path, Path]], list[str] | None]:
    """Pictures with their YOLO label files, and what the numbers in these mean."""
    if (data / "streetstyle").is_dir():
        photos = split.streetstyle(data)[1]
        pairs = [(path, data / "streetstyle" / "labels" / f"{path.stem}.txt") for path in photos]
        return pairs[: most or None], list(split.LABELS)
    if not yolo_data.is_yolo(data):
        return [], None
    found = yolo_data.read(data)
    strange = sorted(set(found.names) - set(labels))
    if strange:
        raise DataProblem(f"{data}: the detector does not know {', '.join(strange[:5])}; it knows {', '.join(labels)}")
    return (found.validation or found.train)[: most or None], list(found.names)


def _file(path: Path, kind: type[Card], models: Models) -> str:
    """The name of the file that served at the precision that was asked for."""
    return served(path, description(path, kind), models.precision).name if card_beside(path).is_file() else path.name


def _longest_side(detector: Path) -> int:
    """What the network is fed; exports of Ultralytics without our card are fed what it calls usual."""
    return description(detector, DetectorCard).input.longest_side if card_beside(detector).is_file() else USUAL_SIDE


def plain(found: Evaluation) -> dict[str, Any]:
    """For --json and tables: figures alone, intervals as [low, high]."""
    told: dict[str, Any] = {
        "files": list(found.files),
        "detector_ms": _figure(found.detector_ms),
        "embedder_5_crops_ms": _figure(found.embedder_ms),
    }
    if found.detector:
        told["detector"] = {
            "pictures": found.detector.figures.pictures,
            "objects": found.detector.figures.objects,
            "mAP50": _figure(found.detector.map50),
            "mAP50-95": _figure(found.detector.map50_95),
            "labels": {
                line.label: {"objects": line.objects, "AP50": _figure(line.ap50), "AP50-95": _figure(line.ap50_95),
                             "recall": _figure(line.served_recall), "precision": _figure(line.served_precision)}
                for line in found.detector.labels
            },
            "missed": {line.label: dict(zip(MISSES, line.missed, strict=True)) for line in found.detector.errors},
            "false": {line.label: dict(zip(ALARMS, line.false, strict=True)) for line in found.detector.errors},
        }  # fmt: skip
    told["retrieval"] = {judged.task.title: _task(judged) for judged in found.retrieval}
    told["backbones"] = {
        one.name: {"problem": one.problem} if one.problem else {
            "weights": one.weights, "dimensions": one.dimensions,
            "crops_5_ms": _figure(one.crops_ms) if one.crops_ms else None,
            "retrieval": {judged.task.title: _task(judged) for judged in one.tasks},
        }
        for one in found.compared
    }  # fmt: skip
    return told


def _task(judged: Judged) -> dict[str, Any]:
    told: dict[str, Any] = {str(distance): ranked(figures) for distance, figures in judged.figures.items()}
    if judged.sureness:
        right, recall = judged.sureness.served
        told["exact"] = {"threshold": judged.sureness.threshold, "precision": _figure(right), "recall": _figure(recall)}
    return told


def ranked(figures: RankingFigures) -> dict[str, Any]:
    told: dict[str, Any] = {"queries": figures.queries, "gallery": figures.gallery}
    told |= {f"top-{n}": _figure(value) for n, value in figures.top.items()}
    told |= {f"precision@{k}": _figure(value) for k, value in figures.precision.items()}
    told |= {f"recall@{k}": _figure(value) for k, value in figures.recall.items()}
    told |= {f"mAP@{k}": _figure(value) for k, value in figures.mean_average_precision.items()}
    return told


def _figure(measured: Measured) -> dict[str, float]:
    return {"value": measured.value, "low": measured.low, "high": measured.high}
