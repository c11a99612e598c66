"""Trains the detector with Ultralytics; export and judging live beside it.

What differs from the defaults: an ImageNet backbone that learns slower than the neck, and a memory layout that takes
a step on two cores from 1.5 s to 0.9 s.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn import tasks

from workers.training import network
from workers.training.dataset import photographs
from workers.training.own import yolo_data

LEARNING_RATE = 1e-3
BACKBONE_FRACTION = 0.3


class DetectorTrainer(DetectionTrainer):  # type: ignore[misc]  # Ultralytics ships no types
    """Ultralytics' trainer with our network and two learning rates."""

    def __init__(self, start: Path | None, **settings: Any):
        network.register()
        self.start = start
        super().__init__(overrides=settings)

    def get_model(
        self, cfg: Any = None, weights: nn.Module | None = None, verbose: bool = True
    ) -> tasks.DetectionModel:
        model = network.build(len(self.data["names"]))
        if weights is None and self.start is not None:
            weights = load_weights(self.start)
        if weights is not None:
            model.load_state_dict(weights.float().state_dict())
        return model.to(memory_format=torch.channels_last)

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch = super().preprocess_batch(batch)
        batch["img"] = batch["img"].contiguous(memory_format=torch.channels_last)
        return batch

    def build_optimizer(
        self,
        model: nn.Module,
        name: str = "AdamW",
        lr: float = LEARNING_RATE,
        momentum: float = 0.9,
        decay: float = 5e-4,
        iterations: float = 0,
    ) -> torch.optim.Optimizer:
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for key, parameter in model.named_parameters():
            group = (key.startswith("model.0."), parameter.ndim > 1)
            groups.setdefault(group, []).append(parameter)
        return torch.optim.AdamW(
            [
                {
                    "params": parameters,
                    "lr": lr * (BACKBONE_FRACTION if backbone else 1.0),
                    "weight_decay": decay if weights else 0.0,
                    "param_group": "weight" if weights else "bn",
                }
                for (backbone, weights), parameters in groups.items()
            ],
            betas=(momentum, 0.999),
        )


def load_weights(checkpoint: Path) -> tasks.DetectionModel:
    """The averaged weights of a checkpoint that `train_detector` wrote (a pickle: load only your own)."""
    network.register()
    saved = torch.load(checkpoint, map_location="cpu", weights_only=False)
    model = saved.get("ema") or saved["model"]
    return model.float()


def train_detector(
    shared: Path,
    out: Path,
    *,
    epochs: int = 30,
    image_size: int = 384,
    scenes: Sequence[Path] = (),
    twice: Collection[str] = (),
    start: Path | None = None,
    resume: bool = False,
    learning_rate: float = LEARNING_RATE,
    batch: int = 16,
    plain_epochs: int = 8,
    threads: int = 2,
    seed: int = 1,
) -> Path:
    """Train on street photos and `scenes` (see dataset.photographs); return the best checkpoint under `out`.

    `start` continues from another run's weights with a fresh schedule; `resume` continues this very run. The last
    `plain_epochs` see single pictures instead of mosaics of four.
    """
    torch.set_num_threads(threads)
    data = yolo_data.write(photographs(shared, scenes, twice), out.resolve() / "dataset")
    last = out / "run" / "weights" / "last.pt"
    settings = run_settings(
        data,
        out,
        epochs=epochs,
        image_size=image_size,
        learning_rate=learning_rate,
        batch=batch,
        hours=None,
        plain_epochs=plain_epochs,
        seed=seed,
    )
    settings |= {"resume": str(last) if resume else False, "warmup_epochs": 0.5 if start else 1.0}
    trainer = DetectorTrainer(start, **settings)
    trainer.train()
    return Path(trainer.best)


def run_settings(
    data: Path,
    out: Path,
    *,
    epochs: int,
    image_size: int,
    learning_rate: float,
    batch: int,
    hours: float | None,
    plain_epochs: int,
    seed: int,
) -> dict[str, Any]:
    """What Ultralytics is told, for our data and a user's alike."""
    return {
        "model": "shoplight.yaml",
        "data": str(data),
        "project": str(out.resolve()),
        "name": "run",
        "exist_ok": True,
        "epochs": epochs,
        "time": hours,
        "imgsz": image_size,
        "batch": batch,
        "nbs": batch,
        "lr0": learning_rate,
        "lrf": 0.02,
        "cos_lr": True,
        "momentum": 0.9,
        "weight_decay": 0.01,
        "warmup_bias_lr": 0.0,
        "close_mosaic": plain_epochs,
        "optimizer": "AdamW",
        "cache": "ram",
        "amp": False,
        "device": "cpu",
        "plots": False,
        "patience": 0,
        "seed": seed,
    }
