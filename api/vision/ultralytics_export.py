"""Detectors that users bring: ONNX files as Ultralytics exports them, and `.pt` files that it exports for us."""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.vision.detector_card import BOX_COLUMNS, DetectorCard, DetectorInput, DetectorOutput
from api.vision.runtime import ModelUnusable, card_beside

SETTING = "SHOPLIGHT_VISION_DETECTOR"
# As Ultralytics feeds and suppresses where nobody says otherwise.
PADDING = 114 / 255
IOU_THRESHOLD = 0.7
ROW_COLUMNS = 6  # x1 y1 x2 y2 score label: what a model gives that suppresses by itself
MOST_LABELS = 10_000
LONGEST_TEXT = 1_000_000
EXPORT_TIMEOUT_S = 900
ENGINE_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}


def onnx_of(path: Path, cache: Path | None) -> Path:
    """The ONNX file of a detector; `.pt` weights are exported into `cache`, once for each content."""
    if not path.is_file():
        raise ModelUnusable(f"{SETTING}: there is no file {path}, nor a description {card_beside(path)}")
    if path.suffix != ".pt":
        return path
    if cache is None:
        raise ModelUnusable(f"{SETTING}: {path} is no ONNX file, and here is no folder to export it to")
    done = cache / f"{path.stem}-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}.onnx"
    if not done.is_file():
        _export(path, done)
    return done


def _export(weights: Path, done: Path) -> None:
    """By the program of Ultralytics, in a process of its own: its 700 MB do not stay with us."""
    by_hand = f"yolo export model={weights} format=onnx"
    program = shutil.which("yolo", path=os.pathsep.join((str(Path(sys.executable).parent), os.defpath)))
    if program is None:
        raise ModelUnusable(
            f"{SETTING}: {weights} holds PyTorch weights, and Ultralytics is not installed. Install it with "
            f"`make train-env`, or run `{by_hand}` where it is, and name the .onnx file in {SETTING}."
        )
    done.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=done.parent, prefix="export-") as folder:
        copied = Path(folder, "model.pt")
        shutil.copyfile(weights, copied)
        # A pickle runs the code of whoever made it: it gets to know none of our secrets from the environment.
        bare = {"PATH": os.defpath, "HOME": folder, "YOLO_CONFIG_DIR": folder, "YOLO_AUTOINSTALL": "false"}
        command = [program, "export", f"model={copied}", "format=onnx", "dynamic=True", "simplify=False"]
        try:
            subprocess.run(  # noqa: S603 - the program beside our Python, on a file that the operator named
                command, env=bare, cwd=folder, capture_output=True, check=True, timeout=EXPORT_TIMEOUT_S
            )
            copied.with_suffix(".onnx").replace(done)
        except (subprocess.SubprocessError, OSError) as error:
            told = getattr(error, "stderr", None) or b""
            last = told.decode(errors="replace").strip().splitlines()[-1:] or [str(error)]
            raise ModelUnusable(f"{SETTING}: {weights} could not be exported ({by_hand}): {last[0]}") from error


def card_of(path: Path, engine: Any) -> DetectorCard:
    """From the metadata that Ultralytics writes into its exports, and from the shape of the model's input."""
    told = engine.get_modelmeta().custom_metadata_map
    if "names" not in told or "imgsz" not in told:
        raise ModelUnusable(f"{path}: neither a description {card_beside(path)} nor the metadata of Ultralytics")
    if (task := told.get("task", "detect")) != "detect":
        raise ModelUnusable(f"{path}: a model to {task}, where one to detect is needed")
    [fed, *more] = engine.get_inputs()
    if more or len(fed.shape) != 4 or fed.type not in ENGINE_TYPES:
        raise ModelUnusable(f"{path}: its input is not one picture of floats")
    rows, columns = fed.shape[2:]
    sides = _sides(path, told["imgsz"])
    return DetectorCard(
        input=DetectorInput(
            name=fed.name,
            dtype="float16" if ENGINE_TYPES[fed.type] == "float16" else "float32",
            padding_value=PADDING,
            longest_side=max(sides),
            stride=_stride(path, told.get("stride", "32")),
            fixed=(rows, columns) if isinstance(rows, int) and isinstance(columns, int) else None,
        ),
        output=DetectorOutput(IOU_THRESHOLD),
        labels=_labels(path, told["names"]),
    )


def candidates(output: NDArray[Any], labels: int) -> NDArray[np.float32]:
    """Lines of x1 y1 x2 y2 and a score a label, from either layout of Ultralytics: centres, sizes and scores in
    columns, or rows that are suppressed already."""
    given = output.astype(np.float32, copy=False)
    if given.shape[0] == BOX_COLUMNS + labels and given.shape[1] != ROW_COLUMNS:
        lines = np.ascontiguousarray(given.T)
        halves = lines[:, 2:4] / 2
        lines[:, 2:4] = lines[:, :2] + halves
        lines[:, :2] -= halves
        return lines
    if given.shape[1] != ROW_COLUMNS:
        raise ModelUnusable(f"{labels} labels do not fit an output of {given.shape[0]} by {given.shape[1]}")
    lines = np.zeros((len(given), BOX_COLUMNS + labels), np.float32)
    lines[:, :BOX_COLUMNS] = given[:, :BOX_COLUMNS]
    chosen = given[:, 5].astype(np.intp).clip(0, labels - 1)
    lines[np.arange(len(given)), BOX_COLUMNS + chosen] = given[:, 4]
    return lines


def _literal(path: Path, name: str, text: str) -> Any:
    """Ultralytics writes its metadata as Python literals."""
    try:
        if len(text) > LONGEST_TEXT:
            raise ValueError("too long")
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise ModelUnusable(f"{path}: its metadata {name!r} cannot be read: {error}") from error


def _labels(path: Path, text: str) -> list[str]:
    names = _literal(path, "names", text)
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not 0 < len(names) <= MOST_LABELS or not all(isinstance(n, str) for n in names):
        raise ModelUnusable(f"{path}: its metadata 'names' is not a list of labels")
    return names


def _sides(path: Path, text: str) -> list[int]:
    sides = _literal(path, "imgsz", text)
    sides = [sides] if isinstance(sides, int) else sides
    if not isinstance(sides, list) or not sides or not all(isinstance(n, int) and 32 <= n <= 4096 for n in sides):
        raise ModelUnusable(f"{path}: its metadata 'imgsz' is not a size")
    return sides


def _stride(path: Path, text: str) -> int:
    stride = _literal(path, "stride", text)
    if not isinstance(stride, int) or not 1 <= stride <= 256:
        raise ModelUnusable(f"{path}: its metadata 'stride' is not a number of pixels")
    return stride
