"""Reads detection data as Ultralytics users have it: a data.yaml, or images/ beside labels/ (parts inside or not).

Every label file is read and checked; a wrong line is named with its file. Writes the folder that training reads.
"""

import importlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.training.own.folders import PARTS, pictures
from workers.training.own.problem import DataProblem
from workers.training.own.samples import MOST_PICTURES, Sample, is_picture
from workers.training.own.splitting import divide

DATA, CLASSES = "data.yaml", "classes.txt"
IMAGES, LABELS = "images", "labels"
MOST_CLASSES = 1000
MOST_LINES = 5000
MOST_BYTES = 1_000_000
EDGE = 1e-3

Pair = tuple[Path, Path]


@dataclass(frozen=True)
class Labelled:
    """Pictures with their label files; `validation` is empty where the user split nothing."""

    names: list[str]
    train: list[Pair]
    validation: list[Pair]


def is_yolo(root: Path) -> bool:
    return (root.is_file() and root.suffix in {".yaml", ".yml"}) or (root / DATA).is_file() or (root / LABELS).is_dir()


def read(root: Path) -> Labelled:
    """Raises DataProblem; a picture without a label file counts as one without objects."""
    if not root.exists():
        raise DataProblem(f"{root} is not there")
    file = root if root.is_file() else root / DATA
    found = _described(file) if file.is_file() else _folders(root)
    if not found.train:
        raise DataProblem(f"{root} has no pictures to train on")
    objects = sum(check(labels, len(found.names)) for _, labels in [*found.train, *found.validation])
    if not objects:
        raise DataProblem(f"{root} has {len(found.train):,} pictures and not one box in their label files")
    return found


def split(found: Labelled, share: float, seed: int) -> Labelled:
    """As it is where there is a validation part, else `share` of the pictures become one."""
    if found.validation:
        return found
    labels = dict(found.train)
    division = divide([Sample(path, "all") for path in labels], share, seed)
    train, validation = (
        [(sample.path, labels[sample.path]) for sample in part] for part in (division.train, division.validation)
    )
    return Labelled(found.names, train, validation)


def check(path: Path, classes: int) -> int:
    """How many boxes a label file has; raises DataProblem with its line where one is wrong."""
    if not path.exists():
        return 0
    if path.stat().st_size > MOST_BYTES:
        raise DataProblem(f"{path}: larger than {MOST_BYTES // 1_000_000} MB")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataProblem(f"{path}: no UTF-8 text") from error
    if len(lines) > MOST_LINES:
        raise DataProblem(f"{path}: more than {MOST_LINES:,} lines")
    count = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            _check_line(line.split(), classes, f"{path}, line {number}")
            count += 1
    return count


def _check_line(fields: list[str], classes: int, where: str) -> None:
    if len(fields) != 5:
        raise DataProblem(f"{where}: {len(fields)} numbers; a box has 5 (class, centre x and y, width, height)")
    try:
        label, x, y, w, h = (float(field) for field in fields)
    except ValueError as error:
        raise DataProblem(f"{where}: {' '.join(fields)[:60]!r} are not numbers") from error
    if not (0 <= label < classes and label.is_integer()):
        raise DataProblem(f"{where}: class {fields[0][:20]}; the names are 0 to {classes - 1}")
    if not (0 <= x <= 1 and 0 <= y <= 1 and 0 < w <= 1 + EDGE and 0 < h <= 1 + EDGE):
        raise DataProblem(f"{where}: the box {' '.join(fields[1:])[:60]} is not within 0 to 1")


def _described(file: Path) -> Labelled:
    """A data.yaml: path (default: its folder), train, val (folders, lists or both) and names."""
    if file.stat().st_size > MOST_BYTES:
        raise DataProblem(f"{file}: larger than {MOST_BYTES // 1_000_000} MB")
    yaml: Any = importlib.import_module("yaml")
    try:
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise DataProblem(f"{file}: no YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(told, dict):
        raise DataProblem(f"{file}: expected path, train, val and names")
    base = file.parent / str(told.get("path") or "")
    if not base.is_dir():
        base = file.parent
    train, validation = (list(_listed(file, base, told.get(part), part)) for part in ("train", "val"))
    return Labelled(_names(file, told.get("names")), train, validation)


def _names(file: Path, told: Any) -> list[str]:
    if isinstance(told, dict) and sorted(told) == list(range(len(told))):
        told = [told[number] for number in range(len(told))]
    if (
        not isinstance(told, list)
        or not 0 < len(told) <= MOST_CLASSES
        or not all(isinstance(n, str | int) for n in told)
    ):
        raise DataProblem(f"{file}: names must list 1 to {MOST_CLASSES} classes, numbered from 0")
    return [str(name)[:80] for name in told]


def _listed(file: Path, base: Path, told: Any, part: str) -> Iterator[Pair]:
    """A folder, a text file with a picture a line, or several of both."""
    if told is None:
        return
    for entry in told if isinstance(told, list) else [told]:
        place = base / str(entry)
        if place.is_dir():
            yield from _paired(pictures(place))
        elif place.is_file() and place.suffix == ".txt":
            lines = (line.strip() for line in place.read_text(encoding="utf-8").splitlines()[: MOST_PICTURES + 1])
            yield from _paired(place.parent / line for line in lines if line)
        else:
            raise DataProblem(f"{file}: {part} names {entry!s:.100}, which is neither a folder nor a list in {base}")


def _folders(root: Path) -> Labelled:
    if not (root / IMAGES).is_dir() or not (root / LABELS).is_dir():
        raise DataProblem(f"{root} has neither a {DATA} nor {IMAGES}/ beside {LABELS}/")
    parts = {
        PARTS[folder.name.lower()]: list(_paired(pictures(folder)))
        for folder in sorted((root / IMAGES).iterdir())
        if folder.is_dir() and folder.name.lower() in PARTS
    }
    if "train" not in parts:
        parts = {"train": list(_paired(pictures(root / IMAGES)))}
    pairs = [*parts["train"], *parts.get("val", [])]
    return Labelled(_class_names(root, pairs), parts["train"], parts.get("val", []))


def _class_names(root: Path, pairs: Sequence[Pair]) -> list[str]:
    """Out of classes.txt; without one the classes are called by their numbers."""
    if (root / CLASSES).is_file():
        names = [line.strip() for line in (root / CLASSES).read_text(encoding="utf-8").splitlines() if line.strip()]
        return _names(root / CLASSES, names)
    highest = -1
    for _, labels in pairs:
        if check(labels, MOST_CLASSES):
            lines = labels.read_text(encoding="utf-8").splitlines()
            highest = max([highest, *(int(float(line.split()[0])) for line in lines if line.strip())])
    return [f"class {number}" for number in range(max(highest + 1, 1))]


def _paired(paths: Iterable[Path]) -> Iterator[Pair]:
    """The label file stands where Ultralytics looks: the last images/ of the path becomes labels/."""
    for path in paths:
        if not is_picture(path):
            continue
        parts = list(path.parts)
        if IMAGES in parts:
            place = len(parts) - 1 - parts[::-1].index(IMAGES)
            parts[place] = LABELS
        yield path, Path(*parts).with_suffix(".txt")


def write(found: Labelled, out: Path) -> Path:
    """The folder that Ultralytics trains on: pictures linked, labels copied, so that the user's own stays untouched."""
    lists: dict[str, list[str]] = {}
    for part, pairs in (("train", found.train), ("val", found.validation)):
        lists[part] = []
        for number, (picture, labels) in enumerate(pairs):
            target = out / IMAGES / f"{part}-{number:06d}{picture.suffix.lower()}"
            label = out / LABELS / f"{part}-{number:06d}.txt"
            for path in (target, label):
                path.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            target.symlink_to(picture.resolve())
            if labels.exists():
                shutil.copyfile(labels, label)
            else:
                label.write_text("", encoding="utf-8")
            lists[part].append(str(target))
        (out / f"{part}.txt").write_text("".join(f"{path}\n" for path in lists[part]), encoding="utf-8")
    data = {"path": str(out), "train": "train.txt", "val": "val.txt", "names": dict(enumerate(found.names))}
    # JSON is YAML: no YAML library is needed to write it.
    (out / DATA).write_text(json.dumps(data, indent=1), encoding="utf-8")
    return out / DATA
