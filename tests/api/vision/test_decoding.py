"""Every kind of picture becomes upright RGB or one clear refusal, in bounded time and memory."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from api.settings import VisionSettings
from api.vision.decoder_child import in_one_scan
from api.vision.decoding import Decoders
from api.vision.errors import PictureError, PictureFault
from tests.api.vision import pictures
from tests.api.vision.work import little_work
from tests.patience import HANGS_S, until

MAX_BYTES = 20 * 1024**2


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    opened = Decoders(VisionSettings(decoders=1), MAX_BYTES)
    yield opened
    opened.close()


def quarter_colours(pixels: np.ndarray) -> list[tuple[int, int, int]]:
    """The colours in the middle of the four quarters, reading order."""
    rows, columns = pixels.shape[:2]
    places = [(rows // 4, columns // 4), (rows // 4, columns * 3 // 4), (rows * 3 // 4, columns // 4)]
    return [tuple(int(v) for v in pixels[place]) for place in [*places, (rows * 3 // 4, columns * 3 // 4)]]


def assert_upright_quarters(pixels: np.ndarray, tolerance: int = 6) -> None:
    expected = [pictures.RED, pictures.GREEN, pictures.BLUE, pictures.WHITE]
    assert np.abs(np.array(quarter_colours(pixels)) - np.array(expected)).max() <= tolerance


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF"])
def test_every_format_keeps_its_colours_and_places(decoders: Decoders, kind: str) -> None:
    picture = decoders.decode(pictures.encoded(pictures.quarters(), kind, quality=95))
    assert (picture.width, picture.height) == (48, 32)
    assert picture.pixels.shape == (32, 48, 3)
    assert_upright_quarters(picture.pixels, 12)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_held_in_any_way_gives_the_same_upright_picture(decoders: Decoders, orientation: int) -> None:
    picture = decoders.decode(pictures.oriented_jpeg(orientation))
    assert (picture.width, picture.height) == (48, 32)
    assert_upright_quarters(picture.pixels)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation_counts_in_other_formats_too(decoders: Decoders, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = pictures.quarters().transpose(Image.Transpose.ROTATE_90)
    picture = decoders.decode(pictures.encoded(stored, kind, exif=exif, quality=95))
    assert (picture.width, picture.height) == (48, 32)
    assert_upright_quarters(picture.pixels, 12)


def test_a_large_photo_keeps_its_size_and_gives_fewer_pixels(decoders: Decoders) -> None:
    photo = pictures.quarters(4032, 3024)
    picture = decoders.decode(pictures.encoded(photo, "JPEG"))
    assert (picture.width, picture.height) == (4032, 3024)
    assert picture.pixels.shape == (756, 1008, 3)  # a quarter: the next step would fall below 960
    assert_upright_quarters(picture.pixels)


def test_cmyk_is_turned_into_rgb_and_not_into_its_negative(decoders: Decoders) -> None:
    # Pillow writes CMYK as Adobe does: inverted, with the marker.
    data = pictures.encoded(pictures.quarters().convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in data[:200]
    assert_upright_quarters(decoders.decode(data).pixels, 12)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_greys(decoders: Decoders, kind: str) -> None:
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (8, 1))
    pixels = decoders.decode(pictures.encoded(Image.fromarray(ramp), kind)).pixels
    assert np.abs(pixels[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_transparent_parts_are_white(decoders: Decoders) -> None:
    clear = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    clear.paste((200, 0, 0, 255), (0, 0, 4, 8))
    pixels = decoders.decode(pictures.encoded(clear, "PNG")).pixels
    assert tuple(pixels[4, 1]) == (200, 0, 0)
    assert tuple(pixels[4, 6]) == (255, 255, 255)


def test_a_palette_with_a_transparent_colour_is_on_white(decoders: Decoders) -> None:
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 200, 200, 0, 0])
    picture.paste(0, (0, 0, 4, 8))
    pixels = decoders.decode(pictures.encoded(picture, "PNG", transparency=0)).pixels
    assert tuple(pixels[4, 1]) == (255, 255, 255)
    assert tuple(pixels[4, 6]) == (200, 0, 0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P"])
def test_grey_and_palette_pictures_come_as_rgb(decoders: Decoders, mode: str) -> None:
    pixels = decoders.decode(pictures.encoded(pictures.quarters().convert(mode), "PNG")).pixels
    assert pixels.shape == (32, 48, 3)
    assert pixels[24, 40].min() > 240  # white stays white


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_of_an_animation_the_first_frame_counts(decoders: Decoders, kind: str) -> None:
    later = [Image.new("RGB", (48, 32), shade) for shade in ("black", "gray")]
    data = pictures.encoded(pictures.quarters(), kind, save_all=True, append_images=later, lossless=True)
    assert_upright_quarters(decoders.decode(data).pixels)


def test_a_colour_profile_of_junk_costs_nothing(decoders: Decoders) -> None:
    data = pictures.encoded(pictures.quarters(), "JPEG", icc_profile=b"junk" * 500, quality=95)
    assert_upright_quarters(decoders.decode(data).pixels)


def test_broken_exif_costs_nothing(decoders: Decoders) -> None:
    broken = b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xff" * 40
    data = pictures.encoded(pictures.quarters(), "JPEG", exif=broken, quality=95)
    assert_upright_quarters(decoders.decode(data).pixels)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF"])
@pytest.mark.parametrize("share", [0.3, 0.95])
def test_a_truncated_picture_is_refused_as_truncated(decoders: Decoders, kind: str, share: float) -> None:
    data = pictures.encoded(pictures.noise(), kind)
    with pytest.raises(PictureError, match="truncated") as refused:
        decoders.decode(data[: int(len(data) * share)])
    assert refused.value.code is PictureFault.TRUNCATED


def test_a_truncated_progressive_jpeg_is_not_a_blurred_one(decoders: Decoders) -> None:
    data = pictures.encoded(pictures.noise(), "JPEG", progressive=True)
    with pytest.raises(PictureError, match="truncated"):
        decoders.decode(data[: len(data) * 2 // 3])


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"\n <!DOCTYPE html><html></html>", "HTML"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"once upon a time", "not a picture"),
        (b"\xff\xd8\xff", "not a picture"),
    ],
)
def test_what_is_no_picture_is_named(decoders: Decoders, data: bytes, named: str) -> None:
    with pytest.raises(PictureError, match=named) as refused:
        decoders.decode(data)
    assert refused.value.code is PictureFault.UNSUPPORTED


def test_an_empty_picture_is_empty(decoders: Decoders) -> None:
    with pytest.raises(PictureError) as refused:
        decoders.decode(b"")
    assert refused.value.code is PictureFault.EMPTY


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(pictures.png(50_000, 50_000, b"x"), id="a header of 50,000 x 50,000"),
        pytest.param(pictures.black_png(11_000, 10_000), id="a bomb of 110 million pixels"),
        pytest.param(b"\0" * (MAX_BYTES + 1), id="too many bytes"),
    ],
)
def test_oversized_pictures_are_refused_at_once(decoders: Decoders, data: bytes) -> None:
    decoders.decode(pictures.encoded(pictures.quarters(), "PNG"))  # the child is up
    with little_work(decoders), pytest.raises(PictureError) as refused:
        decoders.decode(data)
    assert refused.value.code is PictureFault.TOO_LARGE


def test_a_picture_that_needs_too_much_memory_is_refused() -> None:
    tight = Decoders(VisionSettings(decoders=1, decoder_memory_mb=256), MAX_BYTES)
    try:
        with pytest.raises(PictureError) as refused:
            tight.decode(pictures.black_png(9_900, 9_900))
        assert refused.value.code is PictureFault.TOO_LARGE
        assert_upright_quarters(tight.decode(pictures.encoded(pictures.quarters(), "PNG")).pixels)
    finally:
        tight.close()


def test_a_decode_past_its_deadline_is_ended_and_the_next_one_works() -> None:
    patient = VisionSettings(decoders=1)
    opened = Decoders(patient, MAX_BYTES)
    try:
        opened.decode(pictures.encoded(pictures.quarters(), "PNG"))
        child = opened._slots.queue[0]
        os.kill(child.pid, signal.SIGSTOP)
        opened._settings = patient.model_copy(update={"decode_timeout_s": 0.3})
        with pytest.raises(PictureError) as refused:
            opened.decode(pictures.encoded(pictures.quarters(), "PNG"))
        assert refused.value.code is PictureFault.TOO_SLOW
        assert not Path(f"/proc/{child.pid}").exists()
        opened._settings = patient
        assert_upright_quarters(opened.decode(pictures.encoded(pictures.quarters(), "PNG")).pixels)
    finally:
        opened.close()


def test_a_child_that_died_between_two_pictures_costs_neither(decoders: Decoders) -> None:
    decoders.decode(pictures.encoded(pictures.quarters(), "PNG"))
    child = decoders._slots.queue[0]
    os.kill(child.pid, signal.SIGKILL)
    child._process.wait()
    assert_upright_quarters(decoders.decode(pictures.encoded(pictures.quarters(), "PNG")).pixels)


def test_the_child_can_open_no_file_and_no_socket_and_knows_no_secret(decoders: Decoders) -> None:
    decoders.decode(pictures.encoded(pictures.quarters(), "PNG"))
    child = Path(f"/proc/{decoders._slots.queue[0].pid}")
    limits = (child / "limits").read_text()
    assert "Max open files            0                    0 " in limits
    assert "Max file size             0                    0 " in limits
    assert (child / "environ").read_bytes() == b""


def test_a_cameras_file_says_in_its_head_that_nothing_follows_its_one_scan() -> None:
    """Else all of it is gone through for more: 2 ms of 12 megapixels."""
    photo = pictures.noise(64, 48)
    assert in_one_scan(pictures.encoded(photo, "JPEG"))
    assert in_one_scan(pictures.encoded(photo.convert("L"), "JPEG"))
    assert not in_one_scan(pictures.encoded(photo, "JPEG", progressive=True))
    assert not in_one_scan(pictures.encoded(photo, "JPEG")[:200])


def test_children_end_with_their_parent(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(
        "import os, signal\n"
        "from api.settings import VisionSettings\n"
        "from api.vision.decoding import Decoders\n"
        "decoders = Decoders(VisionSettings(decoders=1), 1000)\n"
        "try: decoders.decode(b'x')\n"
        "except Exception: pass\n"
        "print(decoders._slots.queue[0].pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    import subprocess
    import sys

    root = Path(__file__).resolve().parents[3]
    ran = subprocess.run(
        [sys.executable, str(program)], capture_output=True, env={"PYTHONPATH": str(root)}, timeout=HANGS_S, check=False
    )
    status = Path(f"/proc/{int(ran.stdout)}/status")

    def ended() -> bool:
        try:
            return "State:\tZ" in status.read_text()
        except (FileNotFoundError, ProcessLookupError):  # nobody left it for long
            return True

    until(ended)


def test_many_threads_get_their_own_pictures(decoders: Decoders) -> None:
    """Answers never cross: each of 60 pictures, asked for by 8 threads of 1 child, has its own size."""
    gate = threading.Barrier(8)

    def ask(side: int) -> tuple[int, int]:
        if side < 18:
            gate.wait(HANGS_S)
        picture = decoders.decode(pictures.encoded(pictures.quarters(side, side + 1), "PNG"))
        return picture.width, picture.height

    with ThreadPoolExecutor(8) as threads:
        sides = range(10, 70)
        assert list(threads.map(ask, sides)) == [(side, side + 1) for side in sides]
