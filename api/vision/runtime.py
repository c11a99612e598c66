"""ONNX Runtime sessions as every model here runs: on the processor, without spinning threads."""

from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import cv2
import msgspec
import onnxruntime

T = TypeVar("T")

# Two thread pools that spin fight for the same cores: with this, a whole photo takes 60 instead of 109 ms on two cores.
cv2.setNumThreads(1)


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
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelUnusable(f"{path} cannot be loaded: {error}") from error


def description(path: Path, kind: type[T]) -> T:
    """The JSON beside an ONNX file (same name, .json), checked against `kind`."""
    beside = path.with_suffix(".json")
    try:
        return msgspec.json.decode(beside.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise ModelUnusable(f"{beside}: {error}") from error
