"""What is asked of an embedder: which pictures ask, which answer. From our data, or from a user's folders and lists."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api.vision.picture import Box
from workers.training import pictures
from workers.training.judging.seeing import Item
from workers.training.own import deepfashion, folders
from workers.training.own.problem import DataProblem
from workers.training.own.samples import Sample


@dataclass(frozen=True)
class Task:
    """Rows of `items`; where `queries` are `gallery` every item asks all others."""

    title: str
    told: str
    items: list[Item]
    queries: NDArray[np.intp]
    gallery: NDArray[np.intp]
    product: bool

    @property
    def others(self) -> bool:
        return np.array_equal(self.queries, self.gallery)


def is_ours(data: Path) -> bool:
    return (data / "grocery" / "catalog").is_dir()


def tasks(data: Path, most: int, seed: int = 0) -> list[Task]:
    """At most `most` queries and ten times as many answers a task; 0 takes all. Raises DataProblem."""
    if is_ours(data):
        return _ours(data, most, seed)
    if deepfashion.is_deepfashion(data):
        samples = deepfashion.deepfashion(data)
        told = "pictures of the test part (else of validation) ask those of the training part for their category"
        return [_asked(f"{data.name}: category", told, samples, most, seed, product=False)]
    if any((data / name).is_dir() for name in folders.PARTS):
        told = "pictures of the judged part ask those of the training part for their class"
        return [_asked(f"{data.name}: class", told, folders.class_folders(data), most, seed, product=False)]
    samples = folders.product_folders(data)
    if any(sample.studio for sample in samples) and not all(sample.studio for sample in samples):
        told = "photos ask the studio pictures for their product"
    else:
        told = "every picture asks all others for another of its product"
    return [_asked(f"{data.name}: product", told, samples, most, seed, product=True)]


def _ours(data: Path, most: int, seed: int) -> list[Task]:
    every = pictures.gather(data)
    found = []
    for title, told, asking, answering, product in (
        ("Shop photo to studio picture", "phone photos of groceries ask the catalog's pictures for their product",
         "photo-val", "studio", True),
        ("Shop photo to shop photo", "phone photos ask other shoppers' photos for their product",
         "photo-val", "photo-train", True),
        ("Garment to garment", "photos of garments ask others' photos for their category",
         "garment-val", "garment-train", False),
    ):  # fmt: skip
        queries = [Item(p.path, p.name) for p in every if p.source == asking]
        gallery = [Item(p.path, p.name) for p in every if p.source == answering]
        if queries and gallery:
            found.append(_task(title, told, queries, gallery, most, seed, product=product))
    if not found:
        raise DataProblem(f"{data} has neither photos of groceries nor of garments to ask with")
    return found


def _asked(title: str, told: str, samples: Sequence[Sample], most: int, seed: int, *, product: bool) -> Task:
    judged = [s for s in samples if s.part == "test"] or [s for s in samples if s.part == "val"]
    studio = [s for s in samples if s.studio]
    if judged:
        queries, gallery = judged, [s for s in samples if s.part == "train"]
    elif studio and len(studio) < len(samples):
        queries, gallery = [s for s in samples if not s.studio], studio
    else:
        return _task(title, told, [_item(s) for s in samples], [], most, seed, product=product)
    return _task(title, told, [_item(s) for s in queries], [_item(s) for s in gallery], most, seed, product=product)


def _item(sample: Sample) -> Item:
    if sample.box is None:
        return Item(sample.path, sample.label)
    # Boxes of lists are in pixels; the size is read from the file's head alone.
    from PIL import Image  # noqa: PLC0415 - only lists with boxes need it

    try:
        with Image.open(sample.path) as picture:
            width, height = picture.size
    except (OSError, ImportError):  # the latter from the opener that Ultralytics puts in Pillow's place
        return Item(sample.path, sample.label)
    x1, y1, x2, y2 = sample.box
    return Item(sample.path, sample.label, Box(x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height))


def _task(
    title: str, told: str, queries: list[Item], gallery: list[Item], most: int, seed: int, *, product: bool
) -> Task:
    """An empty gallery: the queries are one another's."""
    queries = _some(queries, most, seed)
    if not gallery:
        rows = np.arange(len(queries))
        return Task(title, told, queries, rows, rows, product)
    # A catalog is judged whole: fewer answers would make the task easier.
    gallery = _some(gallery, most * 10, seed)
    asking, answering = np.arange(len(queries)), np.arange(len(queries), len(queries) + len(gallery))
    return Task(title, told, [*queries, *gallery], asking, answering, product)


def _some(items: list[Item], most: int, seed: int) -> list[Item]:
    if not most or len(items) <= most:
        return items
    chosen = random.Random(seed).sample(range(len(items)), most)  # noqa: S311 - a repeatable choice
    return [items[index] for index in sorted(chosen)]
