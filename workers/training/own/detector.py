"""`shoplight train detector FOLDER`: one's own labels, on the network that ships or an Ultralytics model from disk."""

import contextlib
import csv
import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn import tasks
from ultralytics.utils import LOGGER

from api.settings import MODELS_DIR
from workers.training import charts, detection, export_detector
from workers.training.detector import DetectorTrainer, load_weights, run_settings
from workers.training.judging import detections
from workers.training.judging.detections import JudgedDetector
from workers.training.judging.seeing import Models
from workers.training.memory import keep_memory
from workers.training.own import rates, run_folder, yolo_data
from workers.training.own.course import device
from workers.training.own.exporting import CALIBRATION, MOST_LOSS
from workers.training.own.problem import DataProblem
from workers.training.own.progress import Teller, counted
from workers.training.own.samples import Sample, UnreadablePicture, load, readable
from workers.training.own.yolo_data import Labelled, Pair

# A copy of Ultralytics' last.pt that is never half written.
RESUME = "resume.pt"
RANGE_STEPS = 60
# A page of settings, of which those that matter stand in run.json; and that stages which we freeze may learn.
NOISE = ("engine/trainer", "setting 'requires_grad=True'")


@dataclass(frozen=True)
class DetectorChoices:
    """What the person chose on the command line."""

    out: Path
    epochs: int = 30
    image_size: int = 416
    hours: float | None = None
    weights: Path | None = None
    batch: int = 16
    rate: float = 1e-3
    find_rate: bool = False
    patience: int = 10
    validation: float = 0.15
    seed: int = 1
    threads: int = 2
    device: str = "auto"
    resume: bool = False


def train_own_detector(data: Path, choices: DetectorChoices, teller: Teller) -> dict[str, Any]:
    """Train, export float32 and int8, judge both files as they serve; returns what to tell."""
    _check(choices)
    keep_memory()
    torch.set_num_threads(choices.threads)
    labelled = yolo_data.split(yolo_data.read(data), choices.validation, choices.seed)
    labelled, skipped = _readable(labelled, teller)
    everything = [Sample(path, "") for path, _ in [*labelled.train, *labelled.validation]]
    told = {
        "task": "detector", "data": str(data.resolve()), "pictures": run_folder.fingerprint(everything),
        "weights": choices.weights.name if choices.weights else "EfficientNet-Lite0 backbone, ImageNet",
        "names": labelled.names, "epochs": choices.epochs, "image_size": choices.image_size, "batch": choices.batch,
        "validation": choices.validation, "seed": choices.seed,
    }  # fmt: skip
    if (choices.out / "run" / "weights" / RESUME).exists() and not choices.resume:
        raise DataProblem(f"{choices.out} holds a run; continue it with --resume, or name another folder with --out")
    run = run_folder.RunFolder(choices.out, told, resume=choices.resume)
    run.skipped(skipped)
    teller.say(f"{counted(len(labelled.train), 'picture')} to train on, {len(labelled.validation)} to judge by")
    file = yolo_data.write(labelled, choices.out.resolve() / "dataset")
    rate = _tested(file, choices, run, teller) if choices.find_rate and not choices.resume else choices.rate
    best = _train(file, choices, rate)
    _plot(choices.out / "run" / "results.csv", run)
    model = export_detector.write_both(
        load_weights(best), choices.out, labelled.names, _calibration(labelled, choices), image_size=choices.image_size
    )
    return _judged(model, labelled, choices, len(skipped), teller)


def _check(choices: DetectorChoices) -> None:
    device(choices.device)
    if choices.image_size % 32:
        raise DataProblem(f"--image-size {choices.image_size} is no multiple of 32")
    if choices.weights is not None and not _loads(choices.weights):
        raise DataProblem(f"{choices.weights} is no .pt file that Ultralytics loads")
    if choices.resume and not (choices.out / "run" / "weights" / RESUME).is_file():
        raise DataProblem(f"{choices.out} holds no run to resume")


def _loads(weights: Path) -> bool:
    """The file is the person's own: loading it may run what it holds, as Ultralytics' files do."""
    if not (weights.is_file() and weights.suffix == ".pt"):
        return False
    try:
        tasks.load_checkpoint(str(weights))
    except Exception:  # noqa: BLE001 - it raises what it likes
        return False
    return True


def _readable(labelled: Labelled, teller: Teller) -> tuple[Labelled, list[Any]]:
    pairs = [*labelled.train, *labelled.validation]
    with teller.track("reading pictures", len(pairs)) as tick:
        good, skipped = readable([Sample(path, "") for path, _ in pairs], tick)
    kept = {sample.path for sample in good}

    def still(part: Sequence[Pair]) -> list[Pair]:
        return [pair for pair in part if pair[0] in kept]

    if skipped:
        teller.say(f"{counted(len(skipped), 'picture')} cannot be read and left out, the first {skipped[0].path}")
    left = Labelled(labelled.names, still(labelled.train), still(labelled.validation))
    if not left.train or not left.validation:
        raise DataProblem(f"{len(left.train)} readable pictures to train on and {len(left.validation)} to judge by")
    return left, skipped


def _trainer(data: Path, choices: DetectorChoices, rate: float, name: str, *, resume: str | bool) -> Any:
    settings = run_settings(
        data, choices.out, epochs=choices.epochs, image_size=choices.image_size, learning_rate=rate,
        batch=choices.batch, hours=choices.hours, plain_epochs=max(choices.epochs // 4, 1), seed=choices.seed,
    ) | {
        "name": name, "patience": choices.patience, "plots": name == "run", "resume": resume, "cache": False,
        "device": device(choices.device).removeprefix("cuda:").replace("cuda", "0"), "warmup_epochs": 1.0,
        "verbose": False,
    }  # fmt: skip
    LOGGER.addFilter(_is_news)
    if choices.weights is None:
        return DetectorTrainer(None, **settings)
    return DetectionTrainer(overrides=settings | {"model": str(choices.weights)})


def _is_news(record: logging.LogRecord) -> bool:
    return not any(noise in record.getMessage() for noise in NOISE)


def _train(data: Path, choices: DetectorChoices, rate: float) -> Path:
    folder = choices.out.resolve() / "run" / "weights"
    trainer = _trainer(data, choices, rate, "run", resume=str(folder / RESUME) if choices.resume else False)
    trainer.add_callback("on_model_save", lambda trainer: _keep(Path(trainer.last)))
    with _finished(choices.resume):
        trainer.train()
    return folder / "best.pt"


@contextlib.contextmanager
def _finished(resumed: bool) -> Iterator[None]:
    """A run that was killed after its last epoch has nothing left to train; its best is exported all the same."""
    try:
        yield
    except AssertionError as error:
        if not resumed or "nothing to resume" not in str(error):
            raise


def _keep(last: Path) -> None:
    draft = last.with_name(f"{RESUME}.writing")
    shutil.copyfile(last, draft)
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    draft.replace(last.with_name(RESUME))


def _tested(data: Path, choices: DetectorChoices, run: run_folder.RunFolder, teller: Teller) -> float:
    """The range test on a trainer of its own, which is thrown away."""
    trainer = _trainer(data, choices, choices.rate, "range-test", resume=False)
    trainer._setup_train()  # noqa: SLF001 - Ultralytics has no public way to have loader and optimiser without a run
    trainer.model.train()
    groups = trainer.optimizer.param_groups
    top = max(group["lr"] for group in groups)
    shares = [group["lr"] / top for group in groups]
    ladder, losses = rates.ladder(RANGE_STEPS), list[float]()
    with teller.track("range test", RANGE_STEPS) as tick:
        while len(losses) < RANGE_STEPS and not (losses and rates.diverged(losses)):
            for batch in trainer.train_loader:
                for group, share in zip(groups, shares, strict=True):
                    group["lr"] = ladder[len(losses)] * share
                loss = trainer.model(trainer.preprocess_batch(batch))[0].sum()
                trainer.optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), max_norm=10.0)
                trainer.optimizer.step()
                losses.append(float(loss.item()) / len(batch["img"]))
                tick(len(losses), f"loss {losses[-1]:.3f}")
                if len(losses) == RANGE_STEPS or rates.diverged(losses):
                    break
    tried = ladder[: len(losses)]
    suggested = rates.suggest(tried, losses)
    run.plot("range-test.svg", charts.range_test(tried, rates.smoothed(losses), suggested))
    teller.say(f"range test: suggested rate {suggested:.2e}")
    return suggested


def _calibration(labelled: Labelled, choices: DetectorChoices) -> Iterator[Any]:
    """Training pictures as the service feeds them."""
    step = max(len(labelled.train) // CALIBRATION, 1)
    for path, _ in labelled.train[::step][:CALIBRATION]:
        with contextlib.suppress(UnreadablePicture):
            pixels = load(Sample(path, ""), choices.image_size)[..., ::-1]
            yield detection.letterbox(pixels, choices.image_size, export_detector.PADDING_VALUE)[0]


def _judged(model: Path, labelled: Labelled, choices: DetectorChoices, skipped: int, teller: Teller) -> dict[str, Any]:
    """Both files through the service; the card learns which of them serves by default."""
    found: dict[str, JudgedDetector] = {}
    for precision in ("fp32", "int8"):
        models = Models(model, MODELS_DIR / "embedder.onnx", choices.threads, precision)
        with contextlib.closing(models.eyes()) as eyes, teller.track("judging", len(labelled.validation)) as tick:
            found[precision] = detections.judge(eyes, labelled.validation, choices.image_size, tick, labelled.names)
    figures = {name: {"map50": one.figures.map50, "map50_95": one.figures.map50_95} for name, one in found.items()}
    loss = figures["fp32"]["map50"] - figures["int8"]["map50"]
    default = "int8" if loss <= MOST_LOSS else "fp32"
    card = model.with_suffix(".json")
    told = json.loads(card.read_text(encoding="utf-8")) | {"default": default, "figures": figures}
    card.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return {
        "model": str(model), "card": str(card), "served_by_default": default, "skipped_pictures": skipped,
        "judged_pictures": found["fp32"].figures.pictures, **figures,
        "map50_interval": [found["fp32"].map50.low, found["fp32"].map50.high], "int8_loss_map50": loss,
    }  # fmt: skip


def _plot(results: Path, run: run_folder.RunFolder) -> None:
    """Ultralytics' table of epochs as our curves; its own pictures (confusion among them) lie beside it."""
    if not results.is_file():
        return
    with results.open(encoding="utf-8") as file:
        lines = [{key.strip(): float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    if not lines:
        return
    renamed = {
        "loss": [key for key in lines[0] if key.startswith("train/")],
        "mAP50": ["metrics/mAP50(B)"], "mAP50-95": ["metrics/mAP50-95(B)"], "rate": ["lr/pg0"],
    }  # fmt: skip
    history = [
        {"epoch": line["epoch"], **{name: sum(line.get(key, 0.0) for key in keys) for name, keys in renamed.items()},
         "seconds": line.get("time", 0.0)}
        for line in lines
    ]  # fmt: skip
    run.history(history)
