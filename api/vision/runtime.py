"""ONNX Runtime sessions as every model here runs: on the processor, without spinning threads."""

from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import cv2
import msgspec
import onnxruntime

# Two thread pools that spin fight for the same cores: with this, a whole photo takes 60 instead of 109 ms on two cores.
cv2.setNumThreads(1)

PROCESSOR = ("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})


class ModelUnusable(Exception):
    """A model file or its description is missing or does not fit; the message says which and why."""


@lru_cache(maxsize=8)
def session(path: Path, threads: int) -> Any:
    """An onnxruntime.InferenceSession, one a process and file; its run() may be called from several threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    # Pictures have many shapes: a plan of memory for each, and blocks that double, held 40 MB more and saved no time.
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[PROCESSOR])
    except Exception as error:
        raise ModelUnusable(f"{path} cannot be loaded: {error}") from error


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a description that says which file is served; `files` by precision, none where there is but one."""

    files: dict[str, str] = {}
    default: str = "fp32"


C = TypeVar("C", bound=Card)


def card_beside(path: Path) -> Path:
    """The JSON beside an ONNX file: same name, .json."""
    return path.with_suffix(".json")


def description(path: Path, kind: type[C]) -> C:
    """The card beside an ONNX file, checked against `kind`."""
    beside = card_beside(path)
    try:
        return msgspec.json.decode(beside.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise ModelUnusable(f"{beside}: {error}") from error


def served(path: Path, card: Card, precision: str) -> Path:
    """The file that serves at a precision; `default` leaves the choice to the card."""
    wanted = card.default if precision == "default" else precision
    if not card.files:
        return path
    if wanted not in card.files:
        raise ModelUnusable(f"{card_beside(path)}: no file for precision {wanted!r}, only {', '.join(card.files)}")
    name = card.files[wanted]
    if Path(name).name != name:
        raise ModelUnusable(f"{card_beside(path)}: {name!r} is not the name of a file beside it")
    return path.with_name(name)
