"""The loop: epochs, rates, judging, stopping early, going on after a kill. Knows no task; a task brings its judge."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workers.training.own import checkpoints, rates
from workers.training.own.batches import Batch, Feeder
from workers.training.own.problem import DataProblem
from workers.training.own.progress import Teller
from workers.training.own.run_folder import BEST, LAST, RunFolder
from workers.training.own.samples import Sample
from workers.training.own.vector_network import Loss, VectorNetwork, layer_rates

WARM_SHARE = 0.1
LAST_RATE_SHARE = 0.02
WEIGHT_DECAY = 1e-3
RANGE_STEPS = 100

# Figures of an epoch, best to be told first; the first one decides which epoch was best.
Judge = Callable[[VectorNetwork], dict[str, float]]


@dataclass(frozen=True)
class Plan:
    """How to train. `decay`: how much slower each earlier fifth of the backbone learns."""

    epochs: int
    rate: float
    decay: float
    patience: int
    grouped: bool
    loss: Loss
    device: str


@dataclass
class State:
    """What a checkpoint keeps beside the weights."""

    history: list[dict[str, float]] = field(default_factory=list)
    best: float = -1.0
    best_epoch: int = 0


class Fitting:
    """One training in its run folder."""

    def __init__(
        self, network: VectorNetwork, plan: Plan, feeder: Feeder, samples: Sequence[Sample], run: RunFolder
    ) -> None:
        # On a processor a step takes two thirds of the time in this layout.
        self.network = network.to(plan.device, memory_format=torch.channels_last)
        self.plan, self.feeder, self.samples, self.run = plan, feeder, samples, run
        self.state = State()
        self.optimizer = torch.optim.AdamW(layer_rates(network, plan.rate, plan.decay), weight_decay=WEIGHT_DECAY)  # type: ignore[arg-type, unused-ignore]
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._share)

    def _share(self, step: int) -> float:
        """Of the full rate: a short warm-up, then half a cosine."""
        total = self.plan.epochs * self.feeder.steps(self.samples)
        warm = max(int(total * WARM_SHARE), 1)
        if step < warm:
            return (step + 1) / warm
        done = min((step - warm) / max(total - warm, 1), 1.0)
        return LAST_RATE_SHARE + (1 - LAST_RATE_SHARE) * (1 + math.cos(math.pi * done)) / 2

    def fit(self, judge: Judge, teller: Teller, *, resume: bool = False) -> State:
        """Train to the end or until it no longer helps; the best epoch's weights are in the network afterwards."""
        if resume:
            self._restore()
        for epoch in range(len(self.state.history) + 1, self.plan.epochs + 1):
            if epoch - 1 - self.state.best_epoch >= self.plan.patience:
                teller.say(f"stopped early: no better since epoch {self.state.best_epoch}")
                break
            started = time.monotonic()
            loss = self._epoch(epoch, teller)
            found = judge(self.network.eval())
            rate = self.optimizer.param_groups[-1]["lr"]
            line = {"epoch": epoch, "loss": loss, **found, "rate": rate, "seconds": time.monotonic() - started}
            self._keep(line, next(iter(found.values())))
            told = " ".join(f"{name} {value:.4f}" for name, value in {"loss": loss, **found}.items())
            teller.say(f"epoch {epoch} of {self.plan.epochs}: {told}, {line['seconds']:.0f} s")
        best = checkpoints.read(self.run.path / BEST)
        self.network.load_state_dict(best["network"])
        self.network.eval()
        return self.state

    def _epoch(self, epoch: int, teller: Teller) -> float:
        self.network.train()
        total, losses = self.feeder.steps(self.samples), []
        with teller.track(f"epoch {epoch}", total) as tick:
            batches = self.feeder.training(self.samples, epoch, grouped=self.plan.grouped)
            for step, batch in enumerate(batches, 1):
                losses.append(self._step(batch))
                self.schedule.step()
                if not math.isfinite(losses[-1]):
                    raise DataProblem(f"the loss is no number any more in epoch {epoch}; train with a lower --rate")
                tick(step, f"loss {losses[-1]:.3f}")
        return sum(losses) / max(len(losses), 1)

    def _step(self, batch: Batch) -> float:
        images = _laid_out(batch, self.plan.device)
        labels = torch.from_numpy(batch.labels).to(self.plan.device)
        loss = self.plan.loss(self.network, self.network(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.item())

    def _keep(self, line: dict[str, float], figure: float) -> None:
        """The best first: killed between the two, the epoch is trained again and comes out the same."""
        self.state.history.append(line)
        if figure > self.state.best:
            self.state.best, self.state.best_epoch = figure, int(line["epoch"])
            checkpoints.save({"network": self.network.state_dict()}, self.run.path / BEST)
        checkpoints.save(
            {
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "random": checkpoints.random_state(),
                "history": self.state.history,
                "best": self.state.best,
                "best_epoch": self.state.best_epoch,
            },
            self.run.path / LAST,
        )
        self.run.history(self.state.history)

    def _restore(self) -> None:
        saved: dict[str, Any] = checkpoints.read(self.run.path / LAST)
        try:
            self.network.load_state_dict(saved["network"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.schedule.load_state_dict(saved["schedule"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise DataProblem(f"{self.run.path / LAST} is of another network: {error}") from error
        checkpoints.restore_random(saved["random"])
        self.state = State(saved["history"], saved["best"], saved["best_epoch"])

    def range_test(self, teller: Teller, steps: int = RANGE_STEPS) -> tuple[list[float], list[float]]:
        """Rates tried and the loss at each; weights, optimiser and schedule are as before afterwards."""
        network, optimizer = copy.deepcopy(self.network.state_dict()), copy.deepcopy(self.optimizer.state_dict())
        random = checkpoints.random_state()
        shares = [group["lr"] / self.optimizer.param_groups[-1]["lr"] for group in self.optimizer.param_groups]
        ladder, losses, epoch = rates.ladder(steps), list[float](), 0
        self.network.train()
        with teller.track("range test", steps) as tick:
            while len(losses) < steps and not (losses and rates.diverged(losses)):
                epoch += 1
                for batch in self.feeder.training(self.samples, epoch, grouped=self.plan.grouped):
                    for group, share in zip(self.optimizer.param_groups, shares, strict=True):
                        group["lr"] = ladder[len(losses)] * share
                    losses.append(self._step(batch))
                    tick(len(losses), f"loss {losses[-1]:.3f}")
                    if len(losses) == steps or rates.diverged(losses):
                        break
        self.network.load_state_dict(network)
        self.optimizer.load_state_dict(optimizer)
        checkpoints.restore_random(random)
        return ladder[: len(losses)], losses


def predicted(
    network: VectorNetwork, feeder: Feeder, samples: Sequence[Sample], device: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vectors and logits, a row a sample."""
    vectors, logits = [], []
    with torch.inference_mode():
        for batch in feeder.judging(samples):
            found = network(_laid_out(batch, device))
            vectors.append(found.cpu().numpy())
            logits.append(network.logits(found).cpu().numpy())
    return np.concatenate(vectors), np.concatenate(logits)


def _laid_out(batch: Batch, device: str) -> torch.Tensor:
    return torch.from_numpy(batch.images).to(device, memory_format=torch.channels_last)
