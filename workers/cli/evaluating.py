"""`shoplight evaluate`: how well the models that serve see, on our photographs or on one's own."""

import contextlib
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.settings import MODELS_DIR, REPO_ROOT
from workers.cli.remote import AsJson, fail, out
from workers.cli.training import BACKBONES, Hub, Threads, needing_pytorch

if TYPE_CHECKING:
    from workers.training.judging.evaluation import Evaluation

DATA = REPO_ROOT.parent / "shared" / "data"


class Precision(StrEnum):
    """As in the settings."""

    default = "default"
    fp32 = "fp32"
    int8 = "int8"


def evaluate(
    folder: Annotated[
        Path | None, typer.Argument(help="Your own: a folder a product or class, lists, YOLO data. Default: --data.")
    ] = None,
    models: Annotated[Path, typer.Option(help="A folder with both models and their cards.")] = MODELS_DIR,
    detector: Annotated[Path | None, typer.Option(help="Another detector than that of --models.")] = None,
    embedder: Annotated[Path | None, typer.Option(help="Another embedder than that of --models.")] = None,
    data: Annotated[
        Path, typer.Option("--data", envvar="SHOPLIGHT_SHARED_DATA", help="The folder of training photographs.")
    ] = DATA,
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
    if folder is None and not (data / "streetstyle").is_dir():
        fail(f"There are no training photographs in {data}; name their folder with --data.")
    with needing_pytorch():
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
    _tell(found, written, as_json=as_json)


def _named_files(weights: list[str]) -> dict[str, Path]:
    pairs = [entry.partition("=") for entry in weights]
    for name, equals, path in pairs:
        if not equals or not Path(path).is_file():
            fail(f"--weights {name}{equals}{path}: expected NAME=FILE with a file that is there")
    return {name: Path(path) for name, _, path in pairs}


def _tell(found: "Evaluation", written: Path, *, as_json: bool) -> None:
    from workers.training.judging import terminal  # noqa: PLC0415 - only this command needs it
    from workers.training.judging.evaluation import plain  # noqa: PLC0415 - the same

    if as_json:
        print(json.dumps({**plain(found), "report": str(written)}))  # noqa: T201 - what --json is for
        return
    for table in terminal.tables(found):
        out.print(table)
    out.print(f"Report: {written}", soft_wrap=True)
