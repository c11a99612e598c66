"""Reads lists in the form of DeepFashion's category benchmark (Liu et al., CVPR 2016).

Each list: the number of rows, a line of column names, then the rows. Categories count from 1. Categories without a
picture drop out: of the 50 that are named 46 have any.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from workers.training.own.folders import MOST_LABELS, PARTS, check_classes
from workers.training.own.problem import DataProblem
from workers.training.own.samples import MOST_PICTURES, SUFFIXES, Part, Sample

CATEGORIES = "list_category_cloth.txt"
LABELS = "list_category_img.txt"
PARTITION = "list_eval_partition.txt"
BOXES = "list_bbox.txt"
PLACES = ("", "Anno", "Anno_coarse", "Eval")
PICTURE_PLACES = ("", "Img", "img")
LONGEST_LINE = 1024


@dataclass(frozen=True)
class Row:
    """One line of a list: the columns, and where it stands for whoever must mend it."""

    fields: list[str]
    where: str


def is_deepfashion(root: Path) -> bool:
    return _find(root, LABELS) is not None


def deepfashion(root: Path) -> list[Sample]:
    """Every listed picture with its category, part and box; without a partition the split is left to the caller."""
    names = [row.fields[0] for row in _required(root, CATEGORIES, 2, MOST_LABELS)]
    parts = {picture: _part(row) for picture, row in _by_picture(root, PARTITION, 2).items()}
    boxes = {picture: _box(row) for picture, row in _by_picture(root, BOXES, 5).items()}
    samples = []
    base = _pictures_at(root)
    for row in _required(root, LABELS, 2, MOST_PICTURES):
        picture = _picture(row)
        if parts and picture not in parts:
            raise DataProblem(f"{row.where}: {picture} is not in {PARTITION}")
        if boxes and picture not in boxes:
            raise DataProblem(f"{row.where}: {picture} is not in {BOXES}")
        samples.append(Sample(base / picture, _category(row, names), parts.get(picture, ""), boxes.get(picture)))
    check_classes(samples, root)
    return samples


def _pictures_at(root: Path) -> Path:
    """Where `img/...` lies: beside the lists, or in the folder Img as the benchmark is unpacked."""
    return next((root / place for place in PICTURE_PLACES if (root / place / "img").is_dir()), root)


def _category(row: Row, names: list[str]) -> str:
    number = _number(row, 1)
    if not 1 <= number <= len(names):
        raise DataProblem(f"{row.where}: category {number}; {CATEGORIES} names 1 to {len(names)}")
    return names[number - 1]


def _part(row: Row) -> Part:
    if row.fields[1] not in PARTS:
        raise DataProblem(f"{row.where}: {row.fields[1]!r} is none of train, val, test")
    return PARTS[row.fields[1]]


def _box(row: Row) -> tuple[int, int, int, int]:
    x1, y1, x2, y2 = (_number(row, column) for column in range(1, 5))
    if not (0 <= x1 < x2 and 0 <= y1 < y2):
        raise DataProblem(f"{row.where}: the box {x1} {y1} {x2} {y2} is empty")
    return x1, y1, x2, y2


def _number(row: Row, column: int) -> int:
    text = row.fields[column]
    if not text.lstrip("-").isdecimal() or len(text) > 9:
        raise DataProblem(f"{row.where}: {text[:40]!r} is no whole number")
    return int(text)


def _picture(row: Row) -> str:
    """A relative path that stays inside; lists come from others, and might name any file of this machine."""
    path = PurePosixPath(row.fields[0])
    if path.is_absolute() or ".." in path.parts or path.suffix.lower() not in SUFFIXES:
        raise DataProblem(f"{row.where}: {row.fields[0][:100]!r} is no picture under the folder")
    return str(path)


def _by_picture(root: Path, name: str, columns: int) -> dict[str, Row]:
    if _find(root, name) is None:
        return {}
    return {_picture(row): row for row in _required(root, name, columns, MOST_PICTURES)}


def _required(root: Path, name: str, columns: int, most: int) -> Iterator[Row]:
    path = _find(root, name)
    if path is None:
        places = ", ".join(place or "." for place in PLACES)
        raise DataProblem(f"{root} has no {name} (looked in {places})")
    return rows(path, columns, most)


def _find(root: Path, name: str) -> Path | None:
    return next((root / place / name for place in PLACES if (root / place / name).is_file()), None)


def rows(path: Path, columns: int, most: int) -> Iterator[Row]:
    """The rows of a list; raises DataProblem with file and line where it is not as its head says."""
    count = 0
    expected = -1
    try:
        with path.open(encoding="utf-8") as lines:
            for number in range(1, most + 4):
                line = lines.readline(LONGEST_LINE + 1)
                if not line:
                    break
                where = f"{path.name}, line {number}"
                if len(line) > LONGEST_LINE:
                    raise DataProblem(f"{where}: longer than {LONGEST_LINE} characters")
                if number == 1:
                    expected = _count(line, where, most)
                elif number > 2 and line.strip():
                    count += 1
                    yield _row(line, columns, where)
    except UnicodeDecodeError as error:
        raise DataProblem(f"{path.name} is not UTF-8 text") from error
    if count != expected:
        raise DataProblem(f"{path.name}: line 1 says {max(expected, 0):,} rows, {count:,} follow")


def _row(line: str, columns: int, where: str) -> Row:
    # Names of categories may hold spaces; what follows them never does.
    fields = line.strip().rsplit(maxsplit=columns - 1)
    if len(fields) != columns:
        raise DataProblem(f"{where}: {len(fields)} columns where {columns} belong")
    return Row(fields, where)


def _count(line: str, where: str, most: int) -> int:
    text = line.strip()
    if not text.isdecimal() or len(text) > 9:
        raise DataProblem(f"{where}: expected the number of rows, found {text[:40]!r}")
    if int(text) > most:
        raise DataProblem(f"{where}: {int(text):,} rows; at most {most:,} are taken")
    return int(text)
