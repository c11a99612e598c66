"""Boxes that the embedder has judged: here one that sees the mean colour, and detectors that find what we say."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from api.vision.picture import WHOLE, Box, Picture
from workers.training import detection
from workers.training.split import LABELS, PRODUCT
from workers.training.verified_boxes import box_products, own_boxes

SIDE = 100
GREY, RED, BLUE = (120, 120, 120), (40, 40, 220), (220, 40, 40)  # as OpenCV orders them
LEFT, RIGHT = (10, 30, 45, 70), (55, 30, 90, 70)
CRUMB, ALL = (10, 30, 25, 45), (0, 0, 100, 100)
HEADWEAR = LABELS.index("headwear")
Place = tuple[int, int, int, int]


def photo(*blocks: tuple[Place, tuple[int, int, int]]) -> np.ndarray:
    picture = np.full((SIDE, SIDE, 3), GREY, np.uint8)
    for (x1, y1, x2, y2), colour in blocks:
        picture[y1:y2, x1:x2] = colour
    return picture


def colour_of(picture: Picture, boxes: list[Box] | None) -> detection.Array:
    means = []
    for box in boxes or [WHOLE]:
        left, top, right, bottom = box.within(picture.width, picture.height)
        mean = picture.pixels[top:bottom, left:right].reshape(-1, 3).mean(axis=0)
        means.append(mean / np.linalg.norm(mean))
    return np.array(means, np.float32)


CATALOG = np.array([np.array(colour[::-1]) / np.linalg.norm(colour) for colour in (RED, BLUE)], np.float32)


def boxes(picture: np.ndarray, *found: tuple[Place, float], place: int = 0) -> list[tuple[int, ...]]:
    rows = np.array([[*box, score, HEADWEAR] for box, score in found], np.float32).reshape(-1, 6)
    kept = own_boxes(picture, lambda _: rows, colour_of, CATALOG, place)
    return [tuple(round(side * SIDE) for side in (box.x, box.y, box.x + box.w, box.y + box.h)) for box in kept]


def test_what_shows_the_product_is_taken_whatever_it_was_called() -> None:
    red = photo((LEFT, RED), (RIGHT, BLUE))
    assert boxes(red, (RIGHT, 0.9), (LEFT, 0.1)) == [LEFT]
    assert boxes(red, (RIGHT, 0.9), (LEFT, 0.1), place=1) == [RIGHT]


@pytest.mark.parametrize(("place", "score"), [(RIGHT, 0.9), (CRUMB, 0.9), (ALL, 0.9), (LEFT, 0.05)])
def test_another_product_a_crumb_the_photo_itself_and_what_is_hardly_seen_are_not(place: Place, score: float) -> None:
    assert boxes(photo((LEFT, RED), (RIGHT, BLUE)), (place, score)) == []


def test_a_crop_that_shows_it_worse_than_the_photo_does_is_not() -> None:
    heap = photo((ALL, RED))
    heap[30:70, 10:45] = (60, 60, 200)
    assert boxes(heap, (LEFT, 0.9)) == []


def test_a_second_one_must_be_sure_and_apart() -> None:
    two = photo((LEFT, RED), (RIGHT, RED))
    assert sorted(boxes(two, (LEFT, 0.9), (RIGHT, 0.4))) == [LEFT, RIGHT]
    assert len(boxes(two, (LEFT, 0.9), (RIGHT, 0.2))) == 1
    assert len(boxes(two, (LEFT, 0.9), ((12, 30, 47, 70), 0.9))) == 1


def test_training_photos_alone_are_boxed(tmp_path: Path) -> None:
    grocery, out = tmp_path / "grocery", tmp_path / "out"
    for folder, colour, count in (("catalog", RED, 0), ("train/Apple", RED, 9), ("val/Apple", RED, 2)):
        (grocery / folder).mkdir(parents=True)
        for number in range(count):
            cv2.imwrite(str(grocery / folder / f"{folder[:2]}{number}.jpg"), photo((LEFT, colour)))
    for name, colour in (("Apple", RED), ("Blueberry", BLUE)):
        cv2.imwrite(str(grocery / "catalog" / f"{name}.jpg"), photo((ALL, colour)))
    rows = np.array([[*LEFT, 0.9, HEADWEAR]], np.float32)
    box_products(tmp_path, lambda _: rows, colour_of, out)
    images = sorted(path.stem for path in (out / "images").iterdir())
    assert len(images) == 7
    assert all(name.startswith("Apple-tr") for name in images)
    for name in images:
        [truth] = detection.read_truth(out / "labels" / f"{name}.txt", SIDE, SIDE)
        assert truth.tolist() == pytest.approx([*LEFT, PRODUCT], abs=0.01)
