"""The folder of one training: what it was told, how each epoch went, its plots, what was skipped."""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workers.training import charts
from workers.training.own.problem import DataProblem
from workers.training.own.samples import Sample, Skipped

TOLD, HISTORY, SKIPPED = "run.json", "history.csv", "skipped.txt"
LAST, BEST = "last.pt", "best.pt"


class RunFolder:
    """Opening it refuses to write over another run, and to resume one that was told something else."""

    def __init__(self, path: Path, told: dict[str, Any], *, resume: bool) -> None:
        self.path = path
        if resume:
            self._check(told)
        elif (path / LAST).exists():
            raise DataProblem(f"{path} holds a run; continue it with --resume, or name another folder with --out")
        path.mkdir(parents=True, exist_ok=True)
        self._write(TOLD, json.dumps(told, indent=2) + "\n")

    def _check(self, told: dict[str, Any]) -> None:
        try:
            before = json.loads((self.path / TOLD).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataProblem(f"{self.path} holds no run to resume ({TOLD} cannot be read)") from error
        for name, value in json.loads(json.dumps(told)).items():
            if before.get(name) != value:
                raise DataProblem(f"{self.path} was started with {name} {before.get(name)!r}, not {value!r}")

    def skipped(self, pictures: Sequence[Skipped]) -> None:
        self._write(SKIPPED, "".join(f"{picture.path}\t{picture.reason}\n" for picture in pictures))

    def history(self, lines: Sequence[dict[str, float]]) -> None:
        """One line an epoch, and its curves."""
        if not lines:
            return
        text = io.StringIO()
        table = csv.DictWriter(text, list(lines[0]))
        table.writeheader()
        table.writerows(lines)
        self._write(HISTORY, text.getvalue())
        judged = [name for name in lines[0] if name not in {"epoch", "rate", "seconds"} and not name.endswith("loss")]
        losses = [name for name in lines[0] if name.endswith("loss")]
        self.plot("loss.svg", charts.curves("Loss", _series(lines, losses), x="epoch", y="loss"))
        self.plot("metric.svg", charts.curves("Validation", _series(lines, judged), x="epoch", y="share", whole=True))
        self.plot("rate.svg", charts.curves("Learning rate", _series(lines, ["rate"]), x="epoch", y="rate"))

    def plot(self, name: str, svg: str) -> None:
        self._write(name, svg)

    def _write(self, name: str, text: str) -> None:
        draft = self.path / f".{name}.writing"
        draft.write_text(text, encoding="utf-8")
        draft.replace(self.path / name)


def _series(lines: Sequence[dict[str, float]], names: Sequence[str]) -> list[charts.Curve]:
    return [charts.Curve(name, [(line["epoch"], line[name]) for line in lines]) for name in names]


def fingerprint(samples: Sequence[Sample]) -> str:
    """Names the pictures and labels of a run: a run resumes on what it started with."""
    text = "\n".join(f"{sample.path}\t{sample.label}\t{sample.part}\t{sample.box}" for sample in samples)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
