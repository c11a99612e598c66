"""Whole pictures: looked at closer, and what stands on white also among others of its kind."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from api.settings import VisionSettings
from api.vision.crops import Pixels
from api.vision.glances import glances, standing_free
from api.vision.picture import WHOLE, Box, Picture
from api.vision.service import Eyes
from tests.api.vision import pictures

RED = (200, 30, 40)


@pytest.fixture(scope="module")
def eyes() -> Iterator[Eyes]:
    opened = Eyes(VisionSettings(), 20_000_000)
    yield opened
    opened.close()


def on_white(width: int = 200, height: int = 300, left: int = 60, right: int = 140) -> Pixels:
    """A red bottle with a white label, on white."""
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[30:270, left:right] = RED
    picture[120:160, left + 20 : right - 20] = 255
    return picture


def test_a_thing_on_white_is_cut_out_with_the_white_that_is_its_own() -> None:
    thing = standing_free(on_white())
    assert thing is not None
    rows, columns = thing.mask.shape  # of the picture shrunk to 224 pixels, less a pixel of its rim
    assert (rows, columns) == (pytest.approx(240 * 224 / 300, abs=4), pytest.approx(80 * 224 / 300, abs=4))
    assert thing.mask[rows // 2 - 5, columns // 2] == 1  # the label
    assert np.median(thing.pixels[5, 5:-5], axis=0) == pytest.approx(RED, abs=3)


@pytest.mark.parametrize(
    "picture",
    [
        np.array(pictures.noise(300, 200)),
        np.full((200, 300, 3), 255, np.uint8),
        np.zeros((200, 300, 3), np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((1, 900, 3), np.uint8),
        on_white(left=98, right=102),  # a line is no thing
    ],
    ids=["photo", "white", "black", "dot", "line", "thin thing"],
)
def test_where_nothing_stands_free_the_picture_is_seen_whole_and_closer(picture: Pixels) -> None:
    assert standing_free(picture) is None
    (whole, weight), (closer, other) = glances(picture)
    assert whole is picture
    assert weight + other == 1
    rows, columns = picture.shape[:2]
    assert closer.shape[:2] == (max(rows - 2 * (rows // 8), 1), max(columns - 2 * (columns // 8), 1))


def test_a_white_corner_makes_no_studio_of_a_photo() -> None:
    photo = np.array(pictures.noise(300, 200))
    photo[:40, :40] = 255
    assert standing_free(photo) is None


def test_on_a_shelf_others_of_its_kind_stand_beside_and_behind_it() -> None:
    picture = on_white()
    (whole, _), (row, _), (shelf, _) = glances(picture)
    assert whole is picture
    middle = row.shape[0] // 2
    assert row[middle // 2, middle] == pytest.approx(RED, abs=6)
    assert row[middle // 2, middle + 70] == pytest.approx(np.array(RED) * 0.7, abs=6)  # its neighbour, dimmer
    assert row[2, middle].max() < 80  # a dark ground above
    assert shelf[shelf.shape[0] // 4, shelf.shape[1] // 2] == pytest.approx(RED, abs=6)
    assert shelf[shelf.shape[0] // 4, 5] == pytest.approx(np.array(RED) * 0.8, abs=6)  # the one behind, half covered
    assert sum(weight for _, weight in glances(picture)) == pytest.approx(1)


def test_a_picture_and_its_copy_have_one_vector(eyes: Eyes) -> None:
    """What is searched for with a catalog's own picture must find it as the same one."""
    for source in (Image.fromarray(on_white()), pictures.quarters(300, 200)):
        one, again = (eyes.embed(eyes.decode(pictures.encoded(source, kind)))[0] for kind in ("PNG", "BMP"))
        assert float(one @ again) == pytest.approx(1, abs=1e-4)


def test_the_vector_is_the_mean_of_the_glances(eyes: Eyes) -> None:
    seen = on_white()
    parts = [weight * alone(eyes, look) for look, weight in glances(seen)]
    mean = np.sum(parts, axis=0)
    assert eyes.embed(Picture(200, 300, seen), [WHOLE])[0] == pytest.approx(mean / np.linalg.norm(mean), abs=2e-3)


def alone(eyes: Eyes, look: Pixels) -> Pixels:
    """One glance and nothing more: a box that grows to the whole picture."""
    rows, columns = look.shape[:2]
    vector: Pixels = eyes.embed(Picture(columns, rows, look), [Box(0.0, 0.0, 1.0, 0.99)])[0]
    return vector


def test_shop_photos_are_nearer_to_what_stands_on_a_shelf(eyes: Eyes, shared_data: Path) -> None:
    """The reason for it all: photos of twenty products against their studio pictures."""
    folders = sorted(folder for folder in (shared_data / "grocery" / "val").iterdir() if folder.is_dir())[::3]
    photos = [read(min(folder.glob("*.jpg"))) for folder in folders]
    studio = [read(next((shared_data / "grocery" / "catalog").glob(f"{folder.name}.*"))) for folder in folders]
    asked = np.concatenate([eyes.embed(Picture(p.shape[1], p.shape[0], p)) for p in photos])
    with_glances = np.concatenate([eyes.embed(Picture(p.shape[1], p.shape[0], p)) for p in studio])
    without = np.stack([alone(eyes, p) for p in studio])
    assert (asked * with_glances).sum(1).mean() > (asked * without).sum(1).mean() + 0.01


def read(path: Path) -> Pixels:
    pixels = cv2.imread(str(path))
    assert pixels is not None
    return np.ascontiguousarray(pixels[..., ::-1], np.uint8)
