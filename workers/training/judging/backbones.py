"""Backbones side by side: each is exported as the embedder is and judged on the same tasks, untrained for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from api.vision.service import Eyes
from workers.training import embedder_card
from workers.training.judging import retrieval_report
from workers.training.judging.intervals import Measured
from workers.training.judging.retrieval_report import Judged
from workers.training.judging.seeing import Models, as_it_comes, see
from workers.training.judging.speed import embedder_ms
from workers.training.judging.tasks import Task
from workers.training.own.problem import DataProblem

if TYPE_CHECKING:
    from workers.training.own import zoo

NO_TORCH = "needs PyTorch: make train-env"


@dataclass(frozen=True)
class Wanted:
    """Which backbones, and where the user has weights for them."""

    names: Sequence[str]
    weights: dict[str, Path]
    hub: bool = False
    random: bool = False


@dataclass(frozen=True)
class Compared:
    """`problem` says why a backbone was not judged; then there is nothing else."""

    name: str
    weights: str = ""
    dimensions: int = 0
    side: int = 0
    megabytes: float = 0.0
    crops_ms: Measured | None = None
    tasks: tuple[Judged, ...] = ()
    problem: str = ""


def compare(
    wanted: Wanted, tasks: Sequence[Task], eyes: Eyes, out: Path, models: Models, say: Callable[[str], None]
) -> list[Compared]:
    """One after the other: two large networks at once would not fit a small machine."""
    found = []
    for name in wanted.names:
        say(f"backbone {name}")
        try:
            found.append(_one(name, wanted, tasks, eyes, out, models))
        except DataProblem as problem:
            found.append(Compared(name, problem=str(problem)))
        except ModuleNotFoundError as missing:
            if (missing.name or "").partition(".")[0] not in {"torch", "onnx", "onnxslim"}:
                raise
            found.append(Compared(name, problem=NO_TORCH))
        if found[-1].problem:
            say(found[-1].problem)
    return found


def _one(name: str, wanted: Wanted, tasks: Sequence[Task], eyes: Eyes, out: Path, models: Models) -> Compared:
    from workers.training.own import zoo  # noqa: PLC0415 - PyTorch is only here where it is asked for

    backbone = zoo.load(name, wanted.weights.get(name), hub=wanted.hub, random=wanted.random)
    path = out / f"{name.replace(':', '-')}.onnx"
    export(backbone, path)
    look = as_it_comes(path, models.threads)
    judged = tuple(retrieval_report.judge(task, see(eyes, task.items, look)) for task in tasks)
    return Compared(
        name,
        weights=backbone.weights,
        dimensions=backbone.width,
        side=backbone.side,
        megabytes=path.stat().st_size / 1e6,
        crops_ms=embedder_ms(path, models.threads),
        tasks=judged,
    )


def export(backbone: "zoo.Backbone", path: Path) -> None:
    """Features as they are, not normalised: Euclidean distance is to mean something."""
    import torch  # noqa: PLC0415 - see above

    from workers.training import onnx_file  # noqa: PLC0415 - see above

    onnx_file.export(
        backbone.module,
        torch.zeros(1, 3, backbone.side, backbone.side),
        path,
        inputs="images",
        outputs="vectors",
        dynamic={"images": {0: "batch"}, "vectors": {0: "batch"}},
    )
    embedder_card.write(
        path.with_suffix(".json"), backbone.side, backbone.width, "As pooled: of any length.", exact_threshold=1.0,
        weights=backbone.weights,
    )  # fmt: skip
