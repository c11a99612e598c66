"""Detection data as Ultralytics users have it: found, checked line by line, written anew, left untouched."""

import json
from pathlib import Path

import pytest

from tests.workers.training.conftest import Draw
from workers.training.own import yolo_data
from workers.training.own.problem import DataProblem

BOX = "0 0.5 0.5 0.2 0.4\n"


@pytest.fixture
def flat(draw: Draw, tmp_path: Path) -> Path:
    """images/ beside labels/, eight pictures, the last without a label file."""
    (tmp_path / "labels").mkdir()
    for number in range(8):
        draw(f"images/{number}.jpg")
        if number < 7:
            (tmp_path / f"labels/{number}.txt").write_text(BOX + f"{number % 2} 0.2 0.2 0.1 0.1\n")
    (tmp_path / "classes.txt").write_text("cup\nplate\n")
    return tmp_path


def test_a_flat_folder_is_read_and_split(flat: Path) -> None:
    assert yolo_data.is_yolo(flat)
    found = yolo_data.read(flat)
    assert found.names == ["cup", "plate"]
    assert len(found.train) == 8
    divided = yolo_data.split(found, 0.25, seed=1)
    assert (len(divided.train), len(divided.validation)) == (6, 2)
    assert sorted([*divided.train, *divided.validation]) == sorted(found.train)


def test_without_names_classes_are_called_by_their_numbers(flat: Path) -> None:
    (flat / "classes.txt").unlink()
    assert yolo_data.read(flat).names == ["class 0", "class 1"]


def test_a_data_yaml_with_parts_lists_and_names_is_followed(draw: Draw, tmp_path: Path) -> None:
    for part in ("train", "val"):
        draw(f"set/images/{part}/a.jpg")
        label = tmp_path / f"set/labels/{part}/a.txt"
        label.parent.mkdir(parents=True)
        label.write_text(BOX)
    (tmp_path / "set/val.txt").write_text("./images/val/a.jpg\n")
    (tmp_path / "set/data.yaml").write_text(
        "path: .\ntrain: images/train\nval: val.txt\nnames:\n  0: cup\n  1: plate\n"
    )
    found = yolo_data.read(tmp_path / "set")
    assert found.names == ["cup", "plate"]
    assert [label.read_text() for _, label in [*found.train, *found.validation]] == [BOX, BOX]
    assert yolo_data.read(tmp_path / "set/data.yaml") == found
    assert yolo_data.split(found, 0.5, 1) is found


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 0.5 0.5 0.2", "line 1: 4 numbers; a box has 5"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3", "line 1: 7 numbers"),
        ("cup 0.5 0.5 0.2 0.2", "line 1: 'cup 0.5 0.5 0.2 0.2' are not numbers"),
        ("2 0.5 0.5 0.2 0.2", "line 1: class 2; the names are 0 to 1"),
        ("0.5 0.5 0.5 0.2 0.2", "line 1: class 0.5"),
        ("nan 0.5 0.5 0.2 0.2", "line 1: class nan"),
        ("0 1.5 0.5 0.2 0.2", "line 1: the box .* is not within 0 to 1"),
        ("0 0.5 0.5 0 0.2", "line 1: the box .* is not within"),
        ("0 nan 0.5 0.2 0.2", "line 1: the box .* is not within"),
        ("0 320 240 100 80", "line 1: the box .* is not within"),
    ],
)
def test_a_wrong_label_is_named_with_file_and_line(flat: Path, line: str, said: str) -> None:
    (flat / "labels/3.txt").write_text(line + "\n")
    with pytest.raises(DataProblem, match=rf"3\.txt, {said}"):
        yolo_data.read(flat)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2", "no YAML"),
        ("just words", "expected path, train, val and names"),
        ("train: images\nnames: []\n", "names must list"),
        ("train: images\nnames: {1: a, 2: b}\n", "numbered from 0"),
        ("train: elsewhere\nnames: [a, b]\n", "train names elsewhere, which is neither a folder nor a list"),
        ("names: [a, b]\n", "no pictures to train on"),
        ("!!python/object/apply:os.system ['true']", "no YAML"),
    ],
)
def test_a_wrong_data_yaml_is_named(flat: Path, text: str, said: str) -> None:
    (flat / "data.yaml").write_text(text)
    with pytest.raises(DataProblem, match=said):
        yolo_data.read(flat)


def test_pictures_without_one_box_are_nothing_to_learn(flat: Path) -> None:
    for label in (flat / "labels").iterdir():
        label.write_text("")
    with pytest.raises(DataProblem, match="not one box"):
        yolo_data.read(flat)


def test_what_training_reads_is_complete_and_the_users_folder_untouched(flat: Path, tmp_path: Path) -> None:
    before = sorted(path.relative_to(flat) for path in flat.rglob("*"))
    found = yolo_data.split(yolo_data.read(flat), 0.25, seed=1)
    out = tmp_path / "run" / "dataset"
    told = json.loads(yolo_data.write(found, out).read_text())
    assert told["names"] == {"0": "cup", "1": "plate"}
    listed = [Path(line) for part in ("train", "val") for line in (out / f"{part}.txt").read_text().splitlines()]
    assert len(listed) == 8
    for picture in listed:
        assert picture.read_bytes()[:2] == b"\xff\xd8"
        label = Path(str(picture).replace("/images/", "/labels/")).with_suffix(".txt")
        given = flat / "labels" / f"{picture.resolve().stem}.txt"
        assert label.read_text() == (given.read_text() if given.exists() else "")
    after = sorted(path.relative_to(flat) for path in flat.rglob("*") if "run" not in path.relative_to(flat).parts)
    assert after == before
