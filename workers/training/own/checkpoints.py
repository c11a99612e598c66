"""What a training needs to go on after a kill, written so that a kill while writing leaves the one before."""

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from workers.training.own.problem import DataProblem


def save(state: dict[str, Any], path: Path) -> None:
    """Atomic: the file is whole or the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".writing")
    with draft.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read(path: Path) -> dict[str, Any]:
    """Tensors and plain values only: a checkpoint from elsewhere cannot run code."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DataProblem(f"{path} is not there; nothing to resume") from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, pickle.PickleError) as error:
        raise DataProblem(f"{path} is no checkpoint: {str(error).splitlines()[0][:200]}") from error
    return state


def random_state() -> dict[str, Any]:
    """Everything else that is drawn follows from seed and epoch."""
    state: dict[str, Any] = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
