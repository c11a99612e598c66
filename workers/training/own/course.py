"""What every training of one's own goes through: weights found, pictures checked, the run opened, rates tested."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from workers.training import charts
from workers.training.memory import keep_memory
from workers.training.own import rates, run_folder, zoo
from workers.training.own.batches import Feeder
from workers.training.own.fitting import Fitting, Judge, Plan, State
from workers.training.own.problem import DataProblem
from workers.training.own.progress import Teller, counted
from workers.training.own.run_folder import RunFolder
from workers.training.own.samples import Sample, readable
from workers.training.own.vector_network import LOSSES, VectorNetwork


@dataclass(frozen=True)
class Choices:
    """What the person chose on the command line."""

    out: Path
    backbone: str = "efficientnet-lite0"
    weights: Path | None = None
    hub: bool = False
    random: bool = False
    epochs: int = 20
    batch: int = 32
    side: int | None = None
    rate: float = rates.FALLBACK
    find_rate: bool = False
    decay: float = 0.6
    patience: int = 5
    loss: str = "proxy"
    validation: float = 0.15
    seed: int = 1
    threads: int = 2
    device: str = "auto"
    resume: bool = False


class Course:
    """Raises DataProblem before anything is written where pictures, run or weights are not as they must be."""

    def __init__(self, task: str, data: Path, samples: Sequence[Sample], choices: Choices, teller: Teller) -> None:
        self.choices, self.teller = choices, teller
        keep_memory()
        torch.set_num_threads(choices.threads)
        torch.manual_seed(choices.seed)
        random.seed(choices.seed)
        self.device = device(choices.device)
        self._backbone = zoo.load(choices.backbone, choices.weights, hub=choices.hub, random=choices.random)
        if self._backbone.weights == zoo.RANDOM:
            teller.say(f"{choices.backbone} starts from {zoo.RANDOM}: expect little of it")
        self.side = choices.side or self._backbone.side
        with teller.track("reading pictures", len(samples)) as tick:
            self.samples, self.skipped = readable(samples, tick)
        self._settings = {
            "task": task, "data": str(data.resolve()), "pictures": run_folder.fingerprint(self.samples),
            "backbone": choices.backbone, "weights": self._backbone.weights, "side": self.side,
            "epochs": choices.epochs, "batch": choices.batch, "loss": choices.loss, "decay": choices.decay,
            "validation": choices.validation, "seed": choices.seed,
        }  # fmt: skip
        self._folder = RunFolder(choices.out, self._settings, resume=choices.resume)
        self._folder.skipped(self.skipped)
        if self.skipped:
            first, listed = self.skipped[0], choices.out / run_folder.SKIPPED
            teller.say(f"{counted(len(self.skipped), 'picture')} cannot be read and left out; listed in {listed}")
            teller.say(f"the first is {first.path}: {first.reason}")

    def feeder(self, names: Sequence[str]) -> Feeder:
        return Feeder(names, self.side, self.choices.batch, self.choices.seed)

    def train(
        self, names: Sequence[str], samples: Sequence[Sample], judge: Judge, *, grouped: bool
    ) -> tuple[VectorNetwork, State]:
        choices = self.choices
        if len(samples) < 2:
            raise DataProblem(f"{len(samples)} readable pictures are left to train on")
        still = self._backbone.weights != zoo.RANDOM
        network = VectorNetwork(self._backbone, len(names), still_statistics=still)
        rate = choices.rate
        fitting = self._fitting(network, rate, names, samples, grouped=grouped)
        if choices.find_rate and not choices.resume:
            rate = self._test_rates(fitting)
        if choices.find_rate:
            rate = self._kept_rate(rate)
            fitting = self._fitting(network, rate, names, samples, grouped=grouped)
        state = fitting.fit(judge, self.teller, resume=choices.resume)
        return network, state

    def _fitting(
        self, network: VectorNetwork, rate: float, names: Sequence[str], samples: Sequence[Sample], *, grouped: bool
    ) -> Fitting:
        choices = self.choices
        plan = Plan(choices.epochs, rate, choices.decay, choices.patience, grouped, LOSSES[choices.loss], self.device)
        return Fitting(network, plan, self.feeder(names), samples, self._folder)

    def _test_rates(self, fitting: Fitting) -> float:
        tried, losses = fitting.range_test(self.teller)
        suggested = rates.suggest(tried, losses)
        self._folder.plot("range-test.svg", charts.range_test(tried, rates.smoothed(losses), suggested))
        self.teller.say(f"range test: suggested rate {suggested:.2e} ({self.choices.out / 'range-test.svg'})")
        return suggested

    def _kept_rate(self, rate: float) -> float:
        """A resumed run goes on at the rate its test found."""
        path = self.choices.out / "rate.txt"
        if not self.choices.resume:
            path.write_text(f"{rate!r}\n", encoding="utf-8")
        try:
            return float(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataProblem(f"{path} does not hold the rate that the range test found") from error

    def told(self) -> dict[str, Any]:
        """For the card; the person's own paths stay out of it."""
        return {name: value for name, value in self._settings.items() if name != "data"}

    def report(
        self, card: Path, default: str, state: State, found: dict[str, Any], figure: str, judged: int
    ) -> dict[str, Any]:
        """What the command tells in the end, with what int8 costs."""
        return {
            "model": str(card.with_suffix(".onnx")),
            "card": str(card),
            "served_by_default": default,
            "best_epoch": state.best_epoch,
            "epochs": len(state.history),
            "judged_pictures": judged,
            "skipped_pictures": len(self.skipped),
            **found,
            f"int8_loss_{figure}": found["fp32"][figure] - found["int8"][figure],
        }


def device(wanted: str) -> str:
    """PyTorch's name of it. Raises DataProblem where there is none."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise DataProblem(f"there is no device {wanted!r} here: {str(error).splitlines()[0]}") from error
    return wanted
