"""Reading a user's pictures for training: upright, on white, bounded; what cannot be read is listed and left out."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.workers.training.conftest import Draw
from workers.training.own.samples import Sample, UnreadablePicture, load, readable


def test_corrupt_pictures_are_skipped_with_their_reason_and_the_good_ones_kept(draw: Draw, tmp_path: Path) -> None:
    good = draw("a.jpg")
    whole = good.read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("no picture at all")
    (tmp_path / "empty.png").write_bytes(b"")
    names = ("a.jpg", "cut.jpg", "text.jpg", "empty.png", "gone.jpg")
    ticks: list[int] = []
    kept, skipped = readable([Sample(tmp_path / name, "x") for name in names], ticks.append)
    assert [sample.path.name for sample in kept] == ["a.jpg"]
    reasons = {found.path.name: found.reason for found in skipped}
    assert set(reasons) == set(names[1:])
    assert "truncated" in reasons["cut.jpg"].lower()
    assert "cannot identify" in reasons["text.jpg"]
    assert ticks == [1, 2, 3, 4, 5]


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    Image.new("1", (8, 8)).save(path)
    # Its head claims 20,000 by 20,000; what follows is never looked at.
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 20_000, 20_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    with pytest.raises(UnreadablePicture, match=r"pixels"):
        load(Sample(path, "x"), 64)


def test_exif_turns_the_picture_and_transparency_lies_on_white(tmp_path: Path) -> None:
    turned = Image.new("RGB", (40, 20))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert load(Sample(tmp_path / "turned.jpg", "x"), 16).shape[:2] == (40, 20)
    Image.new("RGBA", (16, 16), (10, 200, 30, 0)).save(tmp_path / "clear.png")
    assert load(Sample(tmp_path / "clear.png", "x"), 16).min() == 255


def test_a_box_is_cut_out_and_one_beside_the_picture_is_refused(tmp_path: Path) -> None:
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[20:40, 30:60] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = load(Sample(tmp_path / "a.png", "x", box=(30, 20, 60, 40)), 16)
    assert found.shape == (20, 30, 3)
    assert found.min() == 255
    with pytest.raises(UnreadablePicture, match="leaves nothing of 80 x 60"):
        load(Sample(tmp_path / "a.png", "x", box=(200, 20, 260, 40)), 16)


def test_large_jpegs_come_reduced_but_never_below_what_is_asked(draw: Draw) -> None:
    path = draw("large.jpg", size=(1600, 1200))
    height, width = load(Sample(path, "x"), 128).shape[:2]
    assert 128 <= height < 600
    assert abs(width / height - 4 / 3) < 0.02
