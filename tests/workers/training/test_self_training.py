"""Boxes of our own making: garments drawn where we know, detectors that are sure, unsure, wrong or blind."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from workers.training import detection
from workers.training.drawn_garments import SKIRT, Drawing, drawn
from workers.training.self_training import box_garments, own_box
from workers.training.split import LABELS

SKIRT_LABEL = LABELS.index("skirt")
# drawn_garments draws it there, in parts of the picture.
TRUE = np.array(
    [min(x for x, _ in SKIRT), min(y for _, y in SKIRT), max(x for x, _ in SKIRT), max(y for _, y in SKIRT)]
)


def photo(seed: int = 0) -> np.ndarray:
    return np.ascontiguousarray(drawn(Drawing("plain", (30, 60, 160), outline=2, seed=seed))[..., ::-1])


def found(box: np.ndarray, score: float, label: int = SKIRT_LABEL) -> detection.Array:
    return np.array([[*box * 320, score, label]], np.float32)


def overlap(box: detection.Array | None) -> float:
    assert box is not None
    return float(detection.iou(box[None], TRUE[None].astype(np.float32))[0, 0])


def test_a_sure_detector_is_believed_and_kept_inside_the_picture() -> None:
    box = own_box(photo(), found(np.array([-0.1, 0.2, 0.6, 1.2]), 0.7), SKIRT_LABEL)
    assert box is not None
    assert box.tolist() == pytest.approx([0, 0.2, 0.6, 1], abs=1e-5)


def test_an_unsure_one_must_agree_with_the_outline() -> None:
    near, elsewhere = TRUE + 0.03, np.array([0.0, 0.0, 0.3, 0.3])
    assert overlap(own_box(photo(), found(near, 0.2), SKIRT_LABEL)) > overlap(near.astype(np.float32))
    assert own_box(photo(), found(elsewhere, 0.2), SKIRT_LABEL) is None


@pytest.mark.parametrize("label", [SKIRT_LABEL, LABELS.index("bag")])
def test_where_the_detector_sees_nothing_of_the_label_the_outline_is_the_box(label: int) -> None:
    """Whatever else it sees, and however surely."""
    seen = found(np.array([0.0, 0.0, 1.0, 1.0]), 0.9 if label != SKIRT_LABEL else 0.01, label)
    assert overlap(own_box(photo(), seen, SKIRT_LABEL)) > 0.9
    nothing = np.zeros((0, 6), np.float32)
    assert own_box(np.full((320, 320, 3), 200, np.uint8), nothing, SKIRT_LABEL) is None


def test_photos_of_the_training_part_alone_are_boxed_and_no_more_than_wanted(tmp_path: Path) -> None:
    shared, out = tmp_path / "data", tmp_path / "out"
    for part in ("train", "validation"):
        (shared / "clothing" / part / "skirt").mkdir(parents=True)
        for number in range(4):
            cv2.imwrite(str(shared / "clothing" / part / "skirt" / f"{part}{number}.jpg"), photo(number))
    (shared / "clothing/train/skirt/broken.jpg").write_bytes(b"\xff\xd8\xff")
    nothing = np.zeros((0, 6), np.float32)
    box_garments(shared, lambda _: nothing, out, most={"skirt": 3, "hat": 5})
    images = sorted(path.name for path in (out / "images").iterdir())
    assert len(images) == 3
    assert all(name.startswith("skirt-train") for name in images)
    for name in images:
        truth = detection.read_truth(out / "labels" / f"{name[:-4]}.txt", 1, 1)
        assert truth[:, 4].tolist() == [SKIRT_LABEL]
        assert overlap(truth[0, :4]) > 0.9
