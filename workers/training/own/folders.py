"""Reads folders of pictures: one a class, or one a product with its studio pictures and photos."""

from collections.abc import Iterator
from pathlib import Path

from workers.training.own.problem import DataProblem
from workers.training.own.samples import MOST_PICTURES, SUFFIXES, Part, Sample, is_picture

PARTS: dict[str, Part] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
}  # fmt: skip
STUDIO, PHOTOS = "studio", "photos"
MOST_LABELS = 20_000
KINDS = ", ".join(sorted(SUFFIXES))


def class_folders(root: Path) -> list[Sample]:
    """`<class>/*.jpg`, or `train/<class>/*.jpg` beside `val/` (and `test/`): then the user's own split is kept."""
    divided = {folder: PARTS[folder.name.lower()] for folder in _folders(root) if folder.name.lower() in PARTS}
    if "train" not in divided.values():
        samples = list(_labelled(root, ""))
    else:
        samples = [sample for folder, part in divided.items() for sample in _labelled(folder, part)]
    check_classes(samples, root)
    return samples


def check_classes(samples: list[Sample], root: Path) -> None:
    """Raises DataProblem unless there are two classes to tell apart and every judged class can be learnt."""
    learnt = {sample.label for sample in samples if sample.part in {"train", ""}}
    if not learnt:
        raise DataProblem(f"{root} has no folder with pictures ({KINDS}); expected {root.name}/<class>/picture.jpg")
    if len(learnt) < 2:
        raise DataProblem(f"{root} has one class, {min(learnt)}; a classifier needs two to tell apart")
    unknown = sorted({sample.label for sample in samples} - learnt)
    if unknown:
        raise DataProblem(f"{unknown[0]} has pictures to judge by, but none to train on")


def product_folders(root: Path) -> list[Sample]:
    """`<product>/*.jpg`, `<product>/studio|photos/*.jpg`, or `studio|photos/<product>/*.jpg` (or `<product>.jpg`)."""
    names = {folder.name.lower() for folder in _folders(root)}
    if names and names <= {STUDIO, PHOTOS}:
        samples = [sample for folder in _folders(root) for sample in _by_product(folder)]
    else:
        samples = [sample for folder in _folders(root) for sample in _one_product(folder)]
    counts: dict[str, int] = {}
    for sample in samples:
        counts[sample.label] = counts.get(sample.label, 0) + 1
    if not counts:
        raise DataProblem(f"{root} has no folder with pictures ({KINDS}); expected {root.name}/<product>/picture.jpg")
    if sum(count > 1 for count in counts.values()) < 2:
        several = sum(count > 1 for count in counts.values())
        raise DataProblem(
            f"{root}: {several} of {len(counts)} products have two pictures or more; at least two products need them"
        )
    return samples


def _labelled(root: Path, part: Part) -> Iterator[Sample]:
    for folder in _folders(root):
        found = list(pictures(folder))
        if not found:
            raise DataProblem(f"{folder} has no pictures ({KINDS}); fill it or remove it")
        yield from (Sample(path, folder.name, part) for path in found)


def _one_product(folder: Path) -> list[Sample]:
    found = [Sample(path, folder.name) for path in pictures(folder)]
    for inner in _folders(folder):
        if inner.name.lower() in {STUDIO, PHOTOS}:
            studio = inner.name.lower() == STUDIO
            found += [Sample(path, folder.name, studio=studio) for path in pictures(inner)]
    if not found:
        raise DataProblem(f"{folder} has no pictures ({KINDS}), nor has its {STUDIO}/ or {PHOTOS}/")
    return found


def _by_product(folder: Path) -> Iterator[Sample]:
    studio = folder.name.lower() == STUDIO
    yield from (Sample(path, path.stem, studio=studio) for path in pictures(folder))
    for inner in _folders(folder):
        yield from (Sample(path, inner.name, studio=studio) for path in pictures(inner))


def pictures(folder: Path) -> Iterator[Path]:
    """In the order of their names, so that a seed means the same on every machine."""
    for count, path in enumerate(sorted(filter(is_picture, folder.iterdir()))):
        if count >= MOST_PICTURES:
            raise DataProblem(f"{folder} has more than {MOST_PICTURES:,} pictures")
        yield path


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        raise DataProblem(f"{root} is no folder")
    found = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(found) > MOST_LABELS:
        raise DataProblem(f"{root} has {len(found):,} folders; at most {MOST_LABELS:,} are taken")
    return found
