"""What the detector that ships learns from and is judged by: street photos, and scenes and photos boxed besides."""

from collections.abc import Collection, Sequence
from pathlib import Path

from workers.training.own.yolo_data import Labelled, Pair
from workers.training.split import LABELS, divide, streetstyle


def photographs(shared: Path, scenes: Sequence[Path] = (), twice: Collection[str] = ()) -> Labelled:
    """Each of `scenes` holds images/*.jpg and labels/*.txt, split by file name as street photos are. Street photos
    with one of the labels `twice` are seen twice as often.

    Street photos alone judge: figures on pictures we composed would flatter us.
    """
    rare = {LABELS.index(name) for name in twice}
    street, judged = (_pairs(photos) for photos in streetstyle(shared))
    train = [*street, *(pair for pair in street if rare & labels_of(pair[1]))]
    for folder in scenes:
        train += _pairs(divide(sorted((folder / "images").glob("*.jpg")))[0])
    return Labelled(list(LABELS), train, judged)


def kept_back(scenes: Sequence[Path]) -> list[Pair]:
    """The pictures of `scenes` that training leaves out."""
    return [pair for folder in scenes for pair in _pairs(divide(sorted((folder / "images").glob("*.jpg")))[1])]


def labels_of(file: Path) -> set[int]:
    return {int(line.split()[0]) for line in file.read_text(encoding="utf-8").splitlines()}


def _pairs(images: Sequence[Path]) -> list[Pair]:
    return [(image, image.parent.parent / "labels" / f"{image.stem}.txt") for image in images]
