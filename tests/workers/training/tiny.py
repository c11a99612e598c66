"""A network small enough to train in a second, and a training of it as a program of its own, to be killed."""

import sys
from pathlib import Path

import torch
from torch import nn

from workers.training.own.batches import Feeder
from workers.training.own.fitting import Fitting, Plan, State, predicted
from workers.training.own.progress import Teller
from workers.training.own.run_folder import RunFolder
from workers.training.own.samples import Sample
from workers.training.own.vector_network import LOSSES, VectorNetwork
from workers.training.own.zoo import Backbone

NAMES = ["green", "red"]


def backbone() -> Backbone:
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU()),
        nn.Sequential(nn.Conv2d(8, 16, 3, 2), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(0.2)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    return Backbone("tiny", network, 16, 32, "tests")


def samples(data: Path) -> list[Sample]:
    return [Sample(path, path.parent.name) for path in sorted(data.glob("*/*.png"))]


def fitting(data: Path, out: Path, *, epochs: int, patience: int, resume: bool, rate: float = 3e-3) -> Fitting:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = VectorNetwork(backbone(), len(NAMES), still_statistics=False)
    plan = Plan(epochs, rate, 0.5, patience, grouped=False, loss=LOSSES["proxy"], device="cpu")
    run = RunFolder(out, {"task": "tiny", "epochs": epochs}, resume=resume)
    return Fitting(network, plan, Feeder(NAMES, 32, 4, seed=1), samples(data), run)


def fit(fitting: Fitting, *, resume: bool) -> State:
    def judge(network: VectorNetwork) -> dict[str, float]:
        _, logits = predicted(network, fitting.feeder, fitting.samples, "cpu")
        right = logits.argmax(1) == fitting.feeder.numbers(fitting.samples)
        return {"top1": float(right.mean())}

    return fitting.fit(judge, Teller(), resume=resume)


if __name__ == "__main__":
    given, folder, resumed = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] == ["--resume"]
    fit(fitting(given, folder, epochs=6, patience=6, resume=resumed), resume=resumed)
