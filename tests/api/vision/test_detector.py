"""From a model's raw lines to detections, and what both shipped models do to real pictures."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from api.settings import VisionSettings
from api.vision.detector import read_detections
from api.vision.detector_card import DetectorCard, DetectorInput, DetectorOutput
from api.vision.picture import WHOLE, Box, Picture
from api.vision.runtime import ModelUnusable
from api.vision.service import Eyes
from tests.api.vision import pictures

CARD = DetectorCard(
    input=DetectorInput(longest_side=416, padding_value=0.5), output=DetectorOutput(0.6), labels=["top", "pants"]
)
MAX_BYTES = 20 * 1024**2


def lines(*rows: tuple[float, ...]) -> np.ndarray:
    """x1 y1 x2 y2, score of top, score of pants."""
    return np.array(rows, np.float32)


@pytest.fixture(scope="module")
def eyes() -> Iterator[Eyes]:
    opened = Eyes(VisionSettings(), MAX_BYTES)
    yield opened
    opened.close()


def test_boxes_are_parts_of_the_picture_and_clipped_to_it() -> None:
    [found] = read_detections(lines((-10, 50, 100, 500, 0.9, 0)), (200, 400), CARD, 0.25, 20)
    assert found.label == "top"
    assert (found.box.x, found.box.y) == (0, 0.125)
    assert (found.box.w, found.box.h) == pytest.approx((0.5, 0.875))


def test_the_best_comes_first_and_the_limit_cuts_the_rest() -> None:
    raw = lines((0, 0, 10, 10, 0.3, 0), (50, 50, 60, 60, 0, 0.8), (90, 90, 99, 99, 0.5, 0))
    found = read_detections(raw, (100, 100), CARD, 0.25, 2)
    assert [(item.label, round(item.score, 3)) for item in found] == [("pants", 0.8), ("top", 0.5)]


def test_scores_below_the_minimum_are_left_out_and_the_minimum_itself_is_not() -> None:
    raw = lines((0, 0, 10, 10, 0.25, 0), (50, 50, 60, 60, 0.2499, 0))
    assert len(read_detections(raw, (100, 100), CARD, 0.25, 20)) == 1


def test_of_boxes_that_overlap_the_best_of_each_label_stays() -> None:
    raw = lines((0, 0, 50, 50, 0.9, 0), (2, 0, 52, 50, 0.8, 0), (1, 0, 51, 50, 0, 0.7), (30, 0, 80, 50, 0.6, 0))
    found = read_detections(raw, (100, 100), CARD, 0.25, 20)
    assert [(item.label, round(item.score, 3)) for item in found] == [("top", 0.9), ("pants", 0.7), ("top", 0.6)]


def test_many_thousand_candidates_are_sorted_out_like_a_plain_loop_does() -> None:
    random = np.random.default_rng(3)
    corners = random.uniform(0, 300, (400, 2))
    sizes = random.uniform(20, 120, (400, 2))
    raw = np.concatenate([corners, corners + sizes, random.uniform(0, 1, (400, 2))], axis=1).astype(np.float32)
    found = read_detections(raw, (416, 416), CARD, 0.001, 300)
    expected = plain_suppression(raw)[:300]
    assert [(item.label, item.score) for item in found] == expected


def plain_suppression(raw: np.ndarray) -> list[tuple[str, float]]:
    """The textbook's way, one pair after the other."""
    pairs = sorted(((float(line[4 + k]), k, line[:4]) for line in raw for k in (0, 1)), key=lambda pair: -pair[0])
    kept: list[tuple[float, int, np.ndarray]] = []
    for score, label, box in pairs:
        if score >= 0.001 and all(label != other or iou(box, place) <= 0.6 for _, other, place in kept):
            kept.append((score, label, box))
    return [(CARD.labels[label], score) for score, label, _ in kept]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(w, 0) * max(h, 0)
    return float(shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared))


def test_the_contracts_labels_are_the_twelve_names_and_product(eyes: Eyes) -> None:
    names = "top outerwear dress pants shorts skirt footwear bag eyewear headwear belt scarf product"
    assert eyes.labels == names.split()


def test_a_turned_photo_with_its_tag_gives_the_same_boxes(eyes: Eyes, shared_data: Path) -> None:
    photo = Image.open(sorted((shared_data / "streetstyle" / "images").glob("*.jpg"))[0]).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = eyes.decode(pictures.encoded(photo, "PNG"))
    turned = eyes.decode(pictures.encoded(photo.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif))
    assert np.array_equal(upright.pixels, turned.pixels)
    found = eyes.detect(upright, 0.001, 300)
    assert found
    assert found == eyes.detect(turned, 0.001, 300)


def test_real_photos_give_ordered_scores_and_boxes_inside(eyes: Eyes, shared_data: Path) -> None:
    for path in sorted((shared_data / "streetstyle" / "images").glob("*.jpg"))[:8]:
        found = eyes.detect(eyes.decode(path.read_bytes()), 0.001, 300)
        scores = [item.score for item in found]
        assert scores == sorted(scores, reverse=True)
        assert all(
            0 <= b.x < b.x + b.w <= 1 + 1e-9 and 0 <= b.y < b.y + b.h <= 1 + 1e-9 for b in (i.box for i in found)
        )


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 2)])
def test_tiny_and_thin_pictures_are_looked_at_like_others(eyes: Eyes, size: tuple[int, int]) -> None:
    picture = eyes.decode(pictures.encoded(Image.new("RGB", size), "PNG"))
    assert isinstance(eyes.detect(picture, 0.25, 20), list)
    assert eyes.embed(picture, [WHOLE, Box(0.99999, 0.99999, 0.00001, 0.00001)]).shape == (2, eyes.dim)


def test_vectors_are_unit_length_one_a_box_whatever_their_number(eyes: Eyes) -> None:
    picture = eyes.decode(pictures.encoded(pictures.noise(), "PNG"))
    boxes = [Box(n / 40, 0.1, 0.3, 0.5) for n in range(19)]
    vectors = eyes.embed(picture, boxes)
    assert vectors.shape == (19, eyes.dim)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(19), abs=1e-5)
    assert vectors[18] == pytest.approx(eyes.embed(picture, [boxes[18]])[0], abs=1e-4)
    assert eyes.embed(picture, []).shape == (0, eyes.dim)


def test_the_whole_picture_is_embedded_where_no_box_is_named(eyes: Eyes) -> None:
    picture = eyes.decode(pictures.encoded(pictures.quarters(300, 200), "PNG"))
    assert eyes.embed(picture)[0] == pytest.approx(eyes.embed(picture, [WHOLE])[0], abs=1e-6)


def test_a_box_is_seen_with_a_little_around_it_and_nothing_beyond(eyes: Eyes) -> None:
    pixels = np.array(pictures.noise(400, 300))
    box = Box(0.5, 0.2, 0.25, 0.5)  # 200..300, 60..210, with what is around it 185..315, 37..233
    first = eyes.embed(Picture(400, 300, pixels), [box])[0]
    beyond, beside = np.full_like(pixels, 255), np.full_like(pixels, 255)
    beyond[37:233, 185:315] = pixels[37:233, 185:315]
    beside[60:210, 200:300] = pixels[60:210, 200:300]
    assert eyes.embed(Picture(400, 300, beyond), [box])[0] == pytest.approx(first, abs=1e-5)
    assert eyes.embed(Picture(400, 300, beside), [box])[0] != pytest.approx(first, abs=1e-2)


def test_photos_of_one_product_are_nearer_than_photos_of_others(eyes: Eyes, shared_data: Path) -> None:
    """Twelve grocery products, two shop photos each: the twin is the nearest for most."""
    folders = [path for path in sorted((shared_data / "grocery" / "train").iterdir()) if path.is_dir()][::5][:12]
    pairs = [sorted(folder.glob("*.jpg"))[:2] for folder in folders]
    first, second = (
        np.concatenate([eyes.embed(eyes.decode(pair[side].read_bytes())) for pair in pairs]) for side in (0, 1)
    )
    assert ((first @ second.T).argmax(axis=1) == np.arange(len(pairs))).mean() >= 0.6


def test_a_models_version_follows_its_content(eyes: Eyes, tmp_path: Path) -> None:
    shipped = VisionSettings().embedder
    for name in ("embedder.onnx", "embedder-int8.onnx", "embedder.json"):
        (tmp_path / name).write_bytes(shipped.with_name(name).read_bytes())
    copied = VisionSettings(embedder=tmp_path / "embedder.onnx")
    assert Eyes(copied, MAX_BYTES).embedder_version == eyes.embedder_version
    whole = VisionSettings(embedder=tmp_path / "embedder.onnx", precision="fp32")
    assert Eyes(whole, MAX_BYTES).embedder_version != eyes.embedder_version  # its vectors are not quite the same
    (tmp_path / "embedder-int8.onnx").write_bytes(b"another model")
    assert Eyes(copied, MAX_BYTES).embedder_version != eyes.embedder_version


def test_a_missing_or_damaged_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"nowhere\.json"):
        Eyes(VisionSettings(detector=tmp_path / "nowhere.onnx"), MAX_BYTES)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    card = msgspec.json.decode(VisionSettings().detector.with_suffix(".json").read_bytes())
    (tmp_path / "broken.json").write_bytes(msgspec.json.encode(card | {"files": {"int8": "broken.onnx"}}))
    damaged = Eyes(VisionSettings(detector=tmp_path / "broken.onnx"), MAX_BYTES)
    with pytest.raises(ModelUnusable, match=r"broken\.onnx"):
        damaged.load()
