"""Detectors of users: exports of Ultralytics are read as they are, and what is none is told at start."""

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from api.settings import VisionSettings
from api.vision import ultralytics_export
from api.vision.picture import Picture
from api.vision.runtime import ModelUnusable
from api.vision.service import Eyes
from tests.api.vision import small_models

RED = 204  # of 255: 0.8
PAD = 114 / 255


def eyes_of(detector: Path, cache: Path | None = None, **settings: object) -> Eyes:
    return Eyes(
        VisionSettings.model_validate({"detector": detector, "embedder": VisionSettings().embedder, **settings}),
        1000,
        cache,
    )


def red_picture(width: int, height: int) -> Picture:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = RED
    return Picture(width, height, pixels)


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_scores_in_columns_are_read_with_the_labels_of_the_file(tmp_path: Path, kind: str) -> None:
    """A picture of the model's own shape: nothing is padded, so the means are those of its colours."""
    eyes = eyes_of(small_models.write(tmp_path / "raw.onnx", "columns", small_models.told(), kind=kind))  # type: ignore[arg-type]  # a parameter of the test
    assert eyes.labels == ["red thing", "blue thing"]
    [found] = eyes.detect(red_picture(192, 128), 0.25, 20)
    assert (found.label, found.score) == ("red thing", pytest.approx(0.8, abs=2e-3))
    assert (found.box.x, found.box.y, found.box.w, found.box.h) == pytest.approx((1 / 3, 3 / 8, 1 / 3, 1 / 4))
    eyes.close()


def test_a_picture_of_another_shape_is_padded_as_ultralytics_pads(tmp_path: Path) -> None:
    eyes = eyes_of(small_models.write(tmp_path / "raw.onnx", "columns", small_models.told()))
    by_label = {item.label: item.score for item in eyes.detect(red_picture(100, 100), 0.001, 20)}
    assert by_label == pytest.approx({"red thing": (0.8 * 64 + PAD * 32) / 96, "blue thing": PAD * 32 / 96}, abs=1e-3)
    eyes.close()


def test_rows_that_are_suppressed_already_are_read(tmp_path: Path) -> None:
    eyes = eyes_of(small_models.write(tmp_path / "end2end.onnx", "rows", small_models.told(end2end="True")))
    [found] = eyes.detect(Picture(96, 64, np.full((64, 96, 3), 127, np.uint8)), 0.25, 20)
    assert (found.label, found.score) == ("blue thing", pytest.approx(127 / 255, abs=1e-3))
    assert (found.box.x, found.box.y, found.box.w, found.box.h) == pytest.approx((1 / 3, 3 / 8, 1 / 3, 1 / 4))
    eyes.close()


def test_a_model_of_any_size_gets_the_size_it_was_exported_for(tmp_path: Path) -> None:
    """96 px and a stride of 32: of a 2:1 picture 96 by 64 are fed, 48 rows of them picture."""
    made = small_models.write(tmp_path / "any.onnx", "columns", small_models.told(), sides=("height", "width"))
    eyes = eyes_of(made)
    [found, _] = eyes.detect(red_picture(400, 200), 0.001, 20)
    assert found.score == pytest.approx((0.8 * 48 + PAD * 16) / 64, abs=1e-3)
    assert (found.box.y, found.box.h) == pytest.approx((24 / 48, 16 / 48))
    eyes.close()


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "neither a description .*raw.json nor the metadata"),
        (small_models.told(task="segment"), "a model to segment"),
        (small_models.told(names="{0: 'a', 2: 'b'}"), "'names'"),
        (small_models.told(names="__import__('os').getcwd()"), "'names' cannot be read"),
        (small_models.told(names="[" * 5000), "'names' cannot be read"),
        (small_models.told(imgsz="[0, 0]"), "'imgsz'"),
        (small_models.told(stride="'many'"), "'stride'"),
    ],
)
def test_a_file_that_is_no_detector_is_refused_at_start(tmp_path: Path, metadata: dict[str, str], reason: str) -> None:
    made = small_models.write(tmp_path / "raw.onnx", "columns", metadata)
    with pytest.raises(ModelUnusable, match=reason):
        eyes_of(made)


def test_labels_that_do_not_fit_the_output_are_told_at_start(tmp_path: Path) -> None:
    made = small_models.write(tmp_path / "raw.onnx", "columns", small_models.told(names="['one', 'two', 'three']"))
    with pytest.raises(ModelUnusable, match="3 labels do not fit"):
        eyes_of(made).load()


class TestWeights:
    """`.pt` files: here is no PyTorch, so a program of the same name stands in for Ultralytics' own."""

    @pytest.fixture
    def weights(self, tmp_path: Path) -> Path:
        path = tmp_path / "mine.pt"
        path.write_bytes(b"a pickle")
        return path

    @pytest.fixture
    def program(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Beside the Python that runs: `yolo`, which notes what it knows and writes a model where it was asked to."""
        small_models.write(tmp_path / "made.onnx", "columns", small_models.told())
        folder = tmp_path / "bin"
        folder.mkdir()
        script = folder / "yolo"
        script.write_text(
            "#!/bin/sh\n"
            f'env > "{tmp_path}/environment"; echo "$@" >> "{tmp_path}/calls"\n'
            'for word in "$@"; do case "$word" in model=*) model="${word#model=}";; esac; done\n'
            f'cp "{tmp_path}/made.onnx" "${{model%.pt}}.onnx"\n'
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(ultralytics_export.sys, "executable", str(folder / "python"))
        return script

    def test_they_are_exported_once_and_served(self, tmp_path: Path, weights: Path, program: Path) -> None:
        for _ in range(2):
            eyes = eyes_of(weights, tmp_path / "models")
            assert eyes.labels == ["red thing", "blue thing"]
            eyes.close()
        [call] = (tmp_path / "calls").read_text().splitlines()
        assert call.startswith("export model=")
        assert "format=onnx" in call
        assert [path.suffix for path in (tmp_path / "models").iterdir()] == [".onnx"]

    def test_other_weights_of_the_same_name_are_exported_anew(
        self, tmp_path: Path, weights: Path, program: Path
    ) -> None:
        eyes_of(weights, tmp_path / "models").close()
        weights.write_bytes(b"another pickle")
        eyes_of(weights, tmp_path / "models").close()
        assert len((tmp_path / "calls").read_text().splitlines()) == 2

    def test_what_a_pickle_runs_learns_no_secret(
        self, tmp_path: Path, weights: Path, program: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SHOPLIGHT_SECRET_SESSION_KEY", "very secret")
        eyes_of(weights, tmp_path / "models").close()
        known = (tmp_path / "environment").read_text()
        assert "HOME=" in known
        assert "SHOPLIGHT" not in known

    def test_a_failed_export_is_told_with_its_last_line(self, tmp_path: Path, weights: Path, program: Path) -> None:
        program.write_text("#!/bin/sh\necho 'UnpicklingError: no pickle' >&2; exit 1\n")
        with pytest.raises(ModelUnusable, match=r"mine\.pt could not be exported .*UnpicklingError: no pickle"):
            eyes_of(weights, tmp_path / "models")
        assert list((tmp_path / "models").iterdir()) == []

    def test_without_ultralytics_the_setting_and_the_command_are_named(
        self, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ultralytics_export.sys, "executable", str(tmp_path / "python"))
        monkeypatch.setattr(ultralytics_export.os, "defpath", os.devnull)
        with pytest.raises(ModelUnusable) as refused:
            eyes_of(weights, tmp_path / "models")
        told = str(refused.value)
        assert "SHOPLIGHT_VISION_DETECTOR" in told
        assert f"yolo export model={weights} format=onnx" in told
        assert "make train-env" in told


class TestPrecision:
    """A card may name a file a precision; the setting chooses, and vectors of two files never compare."""

    @pytest.fixture
    def card(self, tmp_path: Path) -> Path:
        shipped = VisionSettings().embedder
        told = json.loads(shipped.with_suffix(".json").read_text())
        told |= {"files": {"fp32": "full.onnx", "int8": "small.onnx"}, "default": "int8"}
        model = tmp_path / "embedder.onnx"
        model.with_suffix(".json").write_text(json.dumps(told))
        for name, content in (("full.onnx", b"full"), ("small.onnx", b"small")):
            (tmp_path / name).write_bytes(content)
        return model

    def version(self, card: Path, precision: str) -> str:
        settings = {"detector": VisionSettings().detector, "embedder": card, "precision": precision}
        return Eyes(VisionSettings.model_validate(settings), 1000).embedder_version

    def test_the_setting_chooses_and_else_the_card(self, card: Path) -> None:
        assert self.version(card, "default") == self.version(card, "int8")
        assert self.version(card, "fp32") != self.version(card, "int8")
        assert self.version(card, "fp32").startswith("full-")

    def test_a_precision_that_the_card_does_not_have_is_refused(self, card: Path) -> None:
        told = json.loads(card.with_suffix(".json").read_text())
        card.with_suffix(".json").write_text(json.dumps(told | {"files": {"fp32": "full.onnx"}}))
        with pytest.raises(ModelUnusable, match="'int8', only fp32"):
            self.version(card, "int8")

    def test_a_card_names_files_beside_it_alone(self, card: Path) -> None:
        told = json.loads(card.with_suffix(".json").read_text())
        card.with_suffix(".json").write_text(json.dumps(told | {"files": {"int8": "../small.onnx"}}))
        with pytest.raises(ModelUnusable, match="not the name of a file beside it"):
            self.version(card, "int8")


def test_a_graph_that_takes_whole_numbers_is_fed_pixels_as_they_are() -> None:
    from api.vision.feeding import Feeding

    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    whole = Feeding(padding_value=1.0, dtype="uint8", layout="NHWC")
    batch = whole.batch(1, 3, 4)
    whole.put(batch[0], pixels)
    assert batch.dtype == np.uint8
    assert np.array_equal(batch[0, :2], pixels)
    assert (batch[0, 2] == 255).all()
    parts = Feeding(padding_value=1.0)
    floats = parts.batch(1, 3, 4)
    parts.put(floats[0], pixels)
    assert floats[0].transpose(1, 2, 0) == pytest.approx(batch[0] / 255, abs=1e-6)
