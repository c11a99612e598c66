"""What calls itself a picture: a right answer or a clear refusal, in bounded time, and the next picture still works."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from api.settings import VisionSettings
from api.vision.decoding import Decoders
from api.vision.errors import PictureError, PictureFault
from tests.api.vision import pictures, profiles
from tests.api.vision.work import little_work

MAX_BYTES = 20 * 1024**2


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    opened = Decoders(VisionSettings(decoders=1), MAX_BYTES)
    opened.decode(pictures.encoded(pictures.quarters(), "PNG"))
    yield opened
    opened.close()


def colours(pixels: np.ndarray) -> list[list[int]]:
    """In the middle of the four quarters."""
    rows, columns = pixels.shape[:2]
    return [pixels[rows * y // 4, columns * x // 4].tolist() for y in (1, 3) for x in (1, 3)]


def assert_quarters(decoders: Decoders, data: bytes, tolerance: int = 6) -> None:
    picture = decoders.decode(data)
    assert (picture.width, picture.height) == (48, 32)
    expected = [pictures.RED, pictures.GREEN, pictures.BLUE, pictures.WHITE]
    assert np.abs(np.array(colours(picture.pixels)) - np.array(expected)).max() <= tolerance


def colour(decoders: Decoders, picture: Image.Image, **options: object) -> list[int]:
    data = pictures.encoded(picture, "TIFF" if picture.mode == "CMYK" else "PNG", **options)
    return [int(value) for value in decoders.decode(data).pixels[0, 0]]


def zip_of_a_script() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("run.sh", "rm -rf /")
    return buffer.getvalue()


@pytest.mark.parametrize("behind", [zip_of_a_script(), b"<script>alert(1)</script>", b"%PDF-1.7", b"\xff\xda" * 4000])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
def test_what_lies_behind_a_picture_is_not_looked_at(decoders: Decoders, kind: str, behind: bytes) -> None:
    assert_quarters(decoders, pictures.encoded(pictures.quarters(), kind, quality=95, subsampling=0) + behind)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GIF89a/*" + b"\0" * 40 + b"*/=1;alert(1)", id="a script that begins like a GIF"),
        pytest.param(b"BM=1;alert(1)//" + b" " * 60, id="a script that begins like a bitmap"),
        pytest.param(zip_of_a_script() + pictures.oriented_jpeg(1), id="an archive with a picture behind it"),
        pytest.param(b"RIFF\x10\0\0\0WEBPjunk" + b"\0" * 8, id="a WebP without a picture"),
        pytest.param(b"\0\0\1\0\1\0" + b"\x10" * 40, id="an icon"),
        pytest.param(b"\x76\x2f\x31\x01" + b"\0" * 60, id="an EXR"),
        pytest.param(b"8BPS\0\1" + b"\0" * 60, id="a Photoshop file"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n(rm) run\n", id="a PostScript program"),
    ],
)
def test_what_only_looks_like_a_picture_is_refused(decoders: Decoders, data: bytes) -> None:
    with pytest.raises(PictureError) as refused:
        decoders.decode(data)
    assert refused.value.code in {
        PictureFault.UNSUPPORTED,
        PictureFault.CORRUPT,
        PictureFault.TRUNCATED,
        PictureFault.TOO_LARGE,
    }


def test_the_first_picture_of_an_animated_png_counts(decoders: Decoders) -> None:
    later = [Image.new("RGB", (48, 32), shade) for shade in ("black", "gray")]
    data = pictures.encoded(pictures.quarters(), "PNG", save_all=True, append_images=later)
    assert b"acTL" in data
    assert_quarters(decoders, data)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (50_000, 1), (50_000, 40), (3, 50_000)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_extreme_shapes_keep_their_size_and_colour(decoders: Decoders, size: tuple[int, int], kind: str) -> None:
    picture = decoders.decode(pictures.encoded(Image.new("RGB", size, pictures.BLUE), kind))
    assert (picture.width, picture.height) == size
    assert max(picture.pixels.shape) < 2 * VisionSettings().kept_side
    assert np.abs(picture.pixels.reshape(-1, 3) - np.array(pictures.BLUE)).max() <= 4


@pytest.mark.parametrize(
    "data", [pictures.deep_png(), pictures.interlaced_png()], ids=["16 bits a channel", "interlaced"]
)
def test_rare_pngs_look_like_plain_ones(decoders: Decoders, data: bytes) -> None:
    assert_quarters(decoders, data, 1)


def test_sixteen_bit_grey_with_a_transparent_grey_is_grey(decoders: Decoders) -> None:
    deep = pictures.encoded(Image.fromarray(np.full((4, 4), 32_896, np.uint16)), "PNG")
    data = deep[:33] + pictures.chunk(b"tRNS", struct.pack(">H", 40_000)) + deep[33:]
    assert np.abs(decoders.decode(data).pixels.astype(int) - 128).max() <= 1


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_what_is_clear_is_white_also_where_the_picture_is_reduced(decoders: Decoders, mode: str) -> None:
    clear = Image.new("RGBA", (2400, 1200), (0, 0, 0, 0))
    clear.paste((10, 10, 10, 255), (0, 0, 1200, 1200))
    data = pictures.encoded(clear.convert(mode), "PNG", **({"transparency": None} if mode == "RGBA" else {}))
    pixels = decoders.decode(data).pixels
    assert pixels.shape == (600, 1200, 3)
    assert pixels[300, 300].max() <= 12
    assert pixels[300, 900].min() >= 250


class TestColourProfiles:
    """Expected colours are computed here, from the definitions of the two spaces."""

    @staticmethod
    def srgb(value: tuple[int, int, int], primaries: tuple[profiles.XYZ, ...], gamma: float) -> list[int]:
        to_linear = np.array(  # from XYZ at D50, Bradford-adapted (brucelindbloom.com)
            [[3.13386, -1.61687, -0.49061], [-0.97877, 1.91614, 0.03345], [0.07195, -0.22899, 1.40524]]
        )
        linear = to_linear @ (np.array(primaries).T @ (np.array(value) / 255) ** gamma)
        linear = linear.clip(0, 1)
        shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        return [round(part * 255) for part in shown]

    @pytest.mark.parametrize("primaries", [profiles.ADOBE_RGB, profiles.DISPLAY_P3], ids=["Adobe RGB", "Display P3"])
    @pytest.mark.parametrize("value", [(180, 90, 60), (90, 160, 100), (128, 128, 128)])
    def test_wide_spaces_are_brought_to_srgb(
        self,
        decoders: Decoders,
        primaries: tuple[profiles.XYZ, profiles.XYZ, profiles.XYZ],
        value: tuple[int, int, int],
    ) -> None:
        profile = profiles.of_primaries(primaries, 2.2)
        shown = colour(decoders, Image.new("RGB", (4, 4), value), icc_profile=profile)
        assert np.abs(np.array(shown) - self.srgb(value, primaries, 2.19921875)).max() <= 3

    def test_grey_follows_its_gamma(self, decoders: Decoders) -> None:
        shown = colour(decoders, Image.new("L", (4, 4), 128), icc_profile=profiles.of_grey(1.0))
        assert np.abs(np.array(shown) - 188).max() <= 1  # half of the light is 188 in sRGB

    def test_inks_follow_the_table_of_their_press(self, decoders: Decoders) -> None:
        """Black ink that prints orange."""
        inks = profiles.of_inks(paper=(255, 128, 128), ink=(170, 168, 198))
        red, green, blue = colour(decoders, Image.new("CMYK", (4, 4), (0, 0, 0, 255)), icc_profile=inks)
        assert red > 180 > green > 80 > blue
        assert min(colour(decoders, Image.new("CMYK", (4, 4)), icc_profile=inks)) > 250

    @pytest.mark.parametrize(
        "profile",
        [
            pytest.param(profiles.of_primaries(profiles.ADOBE_RGB, 2.2)[:300], id="cut off"),
            pytest.param(b"\xff" * 600, id="junk"),
            pytest.param(profiles.of_grey(1.0), id="of a grey picture"),
            pytest.param(profiles.of_inks((255, 128, 128), (0, 128, 128)), id="of a press"),
            pytest.param(profiles.of_primaries(profiles.ADOBE_RGB, 2.2).ljust(5 * 1024**2, b"\0"), id="of 5 MB"),
        ],
    )
    def test_a_profile_that_does_not_fit_costs_nothing(self, decoders: Decoders, profile: bytes) -> None:
        assert colour(decoders, Image.new("RGB", (4, 4), (200, 60, 60)), icc_profile=profile) == [200, 60, 60]


class TestBombs:
    @pytest.mark.parametrize(
        ("name", "before"),
        [(b"zTXt", b"Comment\0\0"), (b"iTXt", b"Comment\0\1\0\0\0"), (b"iCCP", b"profile\0\0")],
    )
    def test_words_that_unpack_to_50_mb_cost_neither_the_picture_nor_time(
        self, decoders: Decoders, name: bytes, before: bytes
    ) -> None:
        data = pictures.with_chunk(name, before + zlib.compress(b"a" * 50_000_000, 1))
        with little_work(decoders):
            assert_quarters(decoders, data, 0)

    def test_many_words_are_passed_over(self, decoders: Decoders) -> None:
        """More than Pillow keeps of text; each below its limit. Workflows of picture generators look like this."""
        words = pictures.chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 1_000_000, 1)) * 80
        data = pictures.encoded(pictures.quarters(), "PNG")
        assert_quarters(decoders, data[:33] + words + data[33:], 0)

    def test_a_jpeg_of_thousands_of_scans_is_refused_at_once(self, decoders: Decoders) -> None:
        data = pictures.many_scans(8000, 4000)
        assert len(data) < 2_000_000
        with little_work(decoders), pytest.raises(PictureError, match="scans") as refused:
            decoders.decode(data)
        assert refused.value.code is PictureFault.TOO_SLOW

    def test_a_sequential_jpeg_whose_components_come_apart_is_no_way_round(self, decoders: Decoders) -> None:
        """One component in its first scan: a decoder looks for the others in all that follow."""
        with pytest.raises(PictureError, match="scans"):
            decoders.decode(pictures.with_scans(pictures.encoded(pictures.noise(64, 64), "JPEG"), 4000, components=1))

    def test_scans_behind_the_only_one_that_may_be_are_damage_and_not_read(self, decoders: Decoders) -> None:
        with pytest.raises(PictureError) as refused:
            decoders.decode(pictures.with_scans(pictures.encoded(pictures.noise(64, 64), "JPEG"), 4000, components=3))
        assert refused.value.code is PictureFault.CORRUPT

    def test_as_many_scans_as_encoders_make_are_none_too_many(self, decoders: Decoders) -> None:
        assert decoders.decode(pictures.many_scans(64, 90)).width == 64

    def test_a_tiff_whose_strips_claim_more_than_there_is_is_refused(self, decoders: Decoders) -> None:
        whole = pictures.encoded(pictures.noise(64, 64), "TIFF", compression="tiff_lzw")
        count = struct.pack("<HHI", 279, 4, 1)  # StripByteCounts, one number
        at = whole.index(count) + len(count)
        with pytest.raises(PictureError):
            decoders.decode(whole[:at] + b"\xff\xff\xff\x7f" + whole[at + 4 :])

    def test_a_tiff_whose_directory_points_at_itself_ends(self, decoders: Decoders) -> None:
        whole = pictures.encoded(pictures.quarters(), "TIFF")
        first = struct.unpack("<I", whole[4:8])[0]
        end = first + 2 + 12 * struct.unpack("<H", whole[first : first + 2])[0]
        assert_quarters(decoders, whole[:end] + struct.pack("<I", first) + whole[end + 4 :])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF"])
def test_damage_anywhere_gives_pixels_or_a_refusal_and_never_more(decoders: Decoders, kind: str) -> None:
    """Sixty files, each with a few bytes changed or a piece taken out, from a seed."""
    chance = np.random.default_rng(kind.encode()[0])
    whole = pictures.encoded(pictures.noise(64, 48), kind)
    for _ in range(60):
        data = bytearray(whole)
        for at in chance.integers(0, len(data), 3):
            data[at] = chance.integers(0, 256)
        if chance.random() < 0.3:
            start = int(chance.integers(0, len(data)))
            del data[start : start + int(chance.integers(1, 200))]
        try:
            picture = decoders.decode(bytes(data))
        except PictureError:
            continue
        assert picture.pixels.ndim == 3
        assert picture.width * picture.height <= VisionSettings().max_pixels
    assert_quarters(decoders, pictures.encoded(pictures.quarters(), "PNG"), 0)
