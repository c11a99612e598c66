"""Folders of classes and products: what is read from them, and what is said where they cannot be used."""

from pathlib import Path

import pytest

from tests.workers.training.conftest import Draw
from workers.training.own.folders import class_folders, product_folders
from workers.training.own.problem import DataProblem


def test_a_folder_a_class_is_read_in_order_and_hidden_files_are_not_pictures(draw: Draw, tmp_path: Path) -> None:
    for name in ("hats/b.jpg", "hats/a.png", "shoes/c.jpg", "shoes/.d.jpg", ".cache/e.jpg"):
        draw(name)
    (tmp_path / "hats/notes.txt").write_text("not a picture")
    found = class_folders(tmp_path)
    assert [(sample.label, sample.path.name, sample.part) for sample in found] == [
        ("hats", "a.png", ""),
        ("hats", "b.jpg", ""),
        ("shoes", "c.jpg", ""),
    ]


def test_a_users_own_split_is_kept(draw: Draw, tmp_path: Path) -> None:
    for part in ("train", "validation", "test"):
        for label in ("hats", "shoes"):
            draw(f"{part}/{label}/a.jpg")
    parts = {(sample.part, sample.label) for sample in class_folders(tmp_path)}
    assert parts == {(part, label) for part in ("train", "val", "test") for label in ("hats", "shoes")}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "no folder with pictures"),
        (["hats/a.jpg"], "one class, hats"),
        (["train/hats/a.jpg", "train/shoes/a.jpg", "val/bags/a.jpg"], "bags has pictures to judge by"),
    ],
)
def test_classes_that_cannot_be_learnt_are_named(draw: Draw, tmp_path: Path, names: list[str], said: str) -> None:
    for name in names:
        draw(name)
    with pytest.raises(DataProblem, match=said):
        class_folders(tmp_path)


def test_an_empty_class_is_named_and_so_is_a_missing_folder(draw: Draw, tmp_path: Path) -> None:
    draw("hats/a.jpg")
    (tmp_path / "shoes").mkdir()
    with pytest.raises(DataProblem, match=r"shoes has no pictures \(.*\.jpg"):
        class_folders(tmp_path)
    with pytest.raises(DataProblem, match="gone is no folder"):
        class_folders(tmp_path / "gone")


def test_products_have_their_studio_pictures_told_apart(draw: Draw, tmp_path: Path) -> None:
    for name in ("mug/studio/a.jpg", "mug/photos/b.jpg", "jar/c.jpg", "jar/d.jpg"):
        draw(name)
    found = {(sample.label, sample.path.name, sample.studio) for sample in product_folders(tmp_path)}
    assert found == {("mug", "a.jpg", True), ("mug", "b.jpg", False), ("jar", "c.jpg", False), ("jar", "d.jpg", False)}


def test_studio_and_photos_may_stand_outside_and_hold_a_picture_or_a_folder_a_product(
    draw: Draw, tmp_path: Path
) -> None:
    for name in ("studio/mug.jpg", "studio/jar/x.jpg", "photos/mug/a.jpg", "photos/jar/b.jpg"):
        draw(name)
    found = {(sample.label, sample.path.name, sample.studio) for sample in product_folders(tmp_path)}
    assert found == {("mug", "mug.jpg", True), ("jar", "x.jpg", True), ("mug", "a.jpg", False), ("jar", "b.jpg", False)}


def test_products_with_a_single_picture_each_teach_nothing(draw: Draw, tmp_path: Path) -> None:
    for name in ("mug/a.jpg", "jar/b.jpg", "pot/c.jpg"):
        draw(name)
    with pytest.raises(DataProblem, match="0 of 3 products have two pictures"):
        product_folders(tmp_path)
    (tmp_path / "pan").mkdir()
    with pytest.raises(DataProblem, match="pan has no pictures"):
        product_folders(tmp_path)
