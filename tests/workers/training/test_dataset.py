"""What the shipped detector learns from: nothing that judges, rare labels twice."""

from pathlib import Path

import pytest

from workers.training.dataset import kept_back, photographs
from workers.training.split import LABELS, is_validation

SKIRT, TOP = LABELS.index("skirt"), LABELS.index("top")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    for folder in ("streetstyle", "scenes"):
        (tmp_path / folder / "images").mkdir(parents=True)
        (tmp_path / folder / "labels").mkdir()
        for number in range(30):
            (tmp_path / folder / "images" / f"{number}.jpg").touch()
            label = SKIRT if number % 3 == 0 else TOP
            (tmp_path / folder / "labels" / f"{number}.txt").write_text(
                f"{label} 0.5 0.5 0.1 0.1\n{TOP} 0.1 0.1 0.1 0.1\n"
            )
    return tmp_path


def test_what_judges_is_not_learnt_from(shared: Path) -> None:
    found = photographs(shared, [shared / "scenes"])
    learnt, judged = ({path for path, _ in part} for part in (found.train, found.validation))
    assert not learnt & judged
    assert {path.parent.parent.name for path in judged} == {"streetstyle"}
    held = {path for path, _ in kept_back([shared / "scenes"])}
    assert held
    assert not held & learnt
    assert len(learnt | judged | held) == 60
    assert all(is_validation(path.name) for path in judged | held)
    assert all(labels.stem == path.stem and labels.is_file() for path, labels in [*found.train, *found.validation])


def test_street_photos_of_rare_labels_are_seen_twice_and_scenes_are_not(shared: Path) -> None:
    found = photographs(shared, [shared / "scenes"], twice=["skirt"])
    times = {path: [one for one, _ in found.train].count(path) for path, _ in found.train}
    skirts = {path for path in times if int(path.stem) % 3 == 0 and path.parent.parent.name == "streetstyle"}
    assert skirts
    assert {path for path, count in times.items() if count == 2} == skirts
    assert set(times.values()) == {1, 2}
