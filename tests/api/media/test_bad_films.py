"""Films that break rules or expectations: a right answer or a clear reason, within time and memory, and a server that
goes on."""

import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from api.media.frames import Frame, Kind, SamplingLimits, VideoError, VideoSampler
from tests.api.media import video_files as videos
from tests.api.media.films import Pixels, encode

LIMITS = SamplingLimits(max_ms=60_000, wall_s=30)
FPS = 10


def pictures(count: int = 20, size: tuple[int, int] = (160, 96)) -> list[Pixels]:
    """A white square that wanders over a coloured ground."""
    width, height = size
    made = []
    for index in range(count):
        pixels = np.full((height, width, 3), (40, 90, 160), np.uint8)
        x = (width // 2) * index // max(1, count)
        pixels[height // 4 : 3 * height // 4, x : x + width // 3] = 250
        made.append(pixels)
    return made


def film(path: Path, count: int = 20, size: tuple[int, int] = (160, 96), **options: Any) -> Path:
    return encode(path, iter(pictures(count, size)), FPS, **options)


def watched(path: Path, limits: SamplingLimits = LIMITS) -> tuple[VideoSampler, list[Frame]]:
    sampler = VideoSampler(path, limits)
    return sampler, [frame for frame in sampler.frames() if frame.kind is Kind.look]


def fault(path: Path, limits: SamplingLimits = LIMITS) -> str:
    with pytest.raises(VideoError) as caught:
        watched(path, limits)
    assert caught.value.reason
    return caught.value.code


def first(looks: list[Frame]) -> Pixels:
    assert looks[0].pixels is not None
    return looks[0].pixels


def raw(path: Path, frames: Iterator[av.VideoFrame], codec: str, pix_fmt: str, **options: str) -> Path:
    """Frames as they are, with their own times where they have some."""
    with av.open(str(path), "w") as container:
        stream: Any = None
        for index, frame in enumerate(frames):
            if frame.pts is None:
                frame.pts, frame.time_base = index * 100, Fraction(1, 1000)
            if stream is None:
                stream = container.add_stream(codec, rate=FPS, options=options)
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, pix_fmt
                stream.codec_context.time_base = Fraction(1, 1000)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def timed(times_ms: list[int], pix_fmt: str = "yuv420p") -> Iterator[av.VideoFrame]:
    for ms, pixels in zip(times_ms, pictures(len(times_ms)), strict=True):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pix_fmt)
        frame.pts, frame.time_base = ms, Fraction(1, 1000)
        yield frame


def test_a_film_of_varying_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0, 40, 80, 1000, 1040, 1080, 5000, 5040]
    sampler, looks = watched(raw(tmp_path / "vfr.mkv", timed(times), "libx264", "yuv420p", bf="0"))
    assert [frame.ms for frame in looks] == [0, 1000, 5000]
    assert sampler.end_ms == pytest.approx(5100, abs=60)


def test_a_frame_that_stands_for_hours_does_not_make_a_film_of_days(tmp_path: Path) -> None:
    path = raw(tmp_path / "sparse.mkv", timed([0, 36_000_000]), "libx264", "yuv420p")
    sampler, looks = watched(path, SamplingLimits(max_ms=60_000, wall_s=30))
    assert (sampler.truncated, sampler.end_ms, [frame.ms for frame in looks]) == (True, 60_000, [0])
    sampler, looks = watched(path, SamplingLimits(max_ms=10**9, wall_s=30))
    assert (sampler.truncated, sampler.end_ms, len(looks)) == (False, pytest.approx(36_000_000, abs=1000), 2)


def test_a_header_that_claims_ten_hours_is_not_believed(tmp_path: Path) -> None:
    data = bytearray(film(tmp_path / "claims.mp4").read_bytes())
    for box in (b"mvhd", b"tkhd", b"mdhd"):
        at = data.index(box) + 4
        skip = {b"mvhd": 16, b"tkhd": 20, b"mdhd": 16}[box]
        data[at + skip : at + skip + 4] = struct.pack(">I", 0x7FFFFFFF)
    (tmp_path / "claims.mp4").write_bytes(data)
    sampler, looks = watched(tmp_path / "claims.mp4", SamplingLimits(max_ms=10**9, wall_s=30))
    assert looks
    assert sampler.end_ms == pytest.approx(2000, abs=110)


def test_without_a_key_frame_there_is_an_error_or_a_picture_but_no_hang(tmp_path: Path) -> None:
    path = film(tmp_path / "whole.ts", 40, g="20", keyint_min="20", sc_threshold="0")
    with av.open(str(path)) as container:
        packets = [(bytes(p), p.is_keyframe) for p in container.demux(video=0) if p.size]
    keys = [index for index, (_, key) in enumerate(packets) if key]
    assert len(keys) >= 2
    data = b"".join(body for index, (body, _) in enumerate(packets) if index not in keys)
    (tmp_path / "no_keys.ts").write_bytes(data)  # an elementary stream of nothing but differences
    assert fault(tmp_path / "no_keys.ts") in {"not_a_video", "corrupt", "no_frames", "no_video_stream"}


def test_damage_in_the_middle_costs_the_middle(tmp_path: Path) -> None:
    data = bytearray(film(tmp_path / "damaged.mp4", 60, g="10", keyint_min="10").read_bytes())
    start = data.index(b"mdat") + 4
    third = (len(data) - start) // 3
    data[start + third : start + third + third // 2] = np.random.default_rng(3).bytes(third // 2)
    (tmp_path / "damaged.mp4").write_bytes(data)
    sampler, looks = watched(tmp_path / "damaged.mp4")
    assert sampler.end_ms == pytest.approx(6000, abs=200)
    assert {frame.ms // 2000 for frame in looks} >= {0, 2}


def test_a_film_that_breaks_off_is_seen_to_where_it_breaks(tmp_path: Path) -> None:
    data = film(tmp_path / "long.ts", 60, g="10").read_bytes()
    (tmp_path / "long.ts").write_bytes(data[: len(data) // 2])
    sampler, looks = watched(tmp_path / "long.ts")
    assert looks
    assert 1500 < sampler.end_ms < 5000


def test_an_encrypted_film_says_so(tmp_path: Path) -> None:
    secret = "00112233445566778899aabbccddeeff"
    muxing = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": secret, "encryption_kid": secret}
    assert fault(film(tmp_path / "cenc.mp4", muxing=muxing)) == "encrypted"


def test_films_of_odd_sizes_are_seen(tmp_path: Path) -> None:
    frames = (av.VideoFrame.from_ndarray(pixels, format="rgb24") for pixels in pictures(8, (161, 97)))
    _, looks = watched(raw(tmp_path / "odd.mkv", frames, "ffv1", "bgr0"))
    assert first(looks).shape == (97, 161, 3)


def test_one_pixel_is_a_film_with_nothing_on_it(tmp_path: Path) -> None:
    dot = (av.VideoFrame.from_ndarray(np.full((1, 1, 3), 90, np.uint8), format="rgb24") for _ in range(8))
    sampler, looks = watched(raw(tmp_path / "dot.avi", dot, "rawvideo", "bgr24"))
    assert (looks, sampler.end_ms) == ([], pytest.approx(780, abs=60))


def test_8k_comes_back_small_and_more_pixels_are_refused(tmp_path: Path) -> None:
    path = film(tmp_path / "8k.mp4", 1, (7680, 4320), preset="ultrafast")
    _, looks = watched(path)
    assert first(looks).shape == (450, 800, 3)
    assert fault(path, SamplingLimits(max_ms=60_000, max_pixels=3840 * 2160)) == "too_large"


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    path = tmp_path / "wide.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        for pixels in pictures(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    _, looks = watched(path)
    assert first(looks).shape == (96, 320, 3)


def test_ten_bits_and_hdr_keep_their_colours(tmp_path: Path) -> None:
    plain = raw(tmp_path / "ten.mkv", timed([0, 100, 200], "yuv420p10le"), "libx265", "yuv420p10le", preset="ultrafast")
    _, looks = watched(plain)
    assert np.abs(first(looks)[2, 150].astype(int) - (40, 90, 160)).max() <= 6
    hdr = raw(
        tmp_path / "hdr.mkv", timed([0, 100, 200], "yuv420p10le"), "libx265", "yuv420p10le",
        preset="ultrafast",
        **{"x265-params": "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:log-level=none"},
    )  # fmt: skip
    _, looks = watched(hdr)
    shown, signal = first(looks)[2, 150].astype(int), np.array([40, 90, 160])
    assert shown[2] > signal[2]  # the signal's 63 % is brighter than white on paper
    assert shown[0] < shown[1] < shown[2]


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    rgba = np.zeros((96, 160, 4), np.uint8)
    rgba[20:60, 20:60] = (200, 30, 30, 255)
    frames = (av.VideoFrame.from_ndarray(rgba, format="rgba") for _ in range(6))
    _, looks = watched(raw(tmp_path / "alpha.mov", frames, "qtrle", "argb"))
    assert first(looks)[90, 150].tolist() == [255, 255, 255]
    assert first(looks)[40, 40].tolist() == [200, 30, 30]


def moment(number: int) -> Pixels:
    """A white square that runs to the right; two moments a frame."""
    grey = np.full((192, 320), 30, np.uint8)
    x = 8 * number % 240
    grey[48:144, x : x + 64] = 220
    return grey


def laced(path: Path, count: int, rotation: int = 0) -> Path:
    """Each frame holds two moments, line by line."""
    with av.open(str(path), "w") as container:
        options = {"flags": "+ildct+ilme", "x264-params": "interlaced=1:tff=1"}
        stream: Any = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        for index in range(count):
            luma = moment(2 * index)
            luma[1::2] = moment(2 * index + 1)[1::2]
            planes = np.concatenate([luma, np.full((96, 320), 128, np.uint8)])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())
    return path


def combed(pixels: Pixels) -> float:
    """The share of lines that are unlike both of their neighbours, in the same way."""
    grey = pixels[..., 0].astype(float)
    above, below = grey[1:-1] - grey[:-2], grey[1:-1] - grey[2:]
    return float(((np.minimum(abs(above), abs(below)) > 30) & (above * below > 0)).mean())


def test_interlaced_films_have_no_combs(tmp_path: Path) -> None:
    sampler, looks = watched(laced(tmp_path / "laced.mp4", 20))
    assert (sampler.end_ms, looks[0].ms) == (2000, 0)
    assert len(looks) >= 3
    for frame in looks:
        assert frame.pixels is not None
        assert combed(frame.pixels) < 0.002
        both = [moment(frame.ms // 50 + field).astype(float) for field in (0, 1)]
        shown = [((one - 16) * 255 / 219).clip(0, 255) for one in both]  # video's black is 16, its white 235
        assert min(np.abs(frame.pixels[..., 0] - one).mean() for one in shown) < 2
    assert first(watched(laced(tmp_path / "turned.mp4", 5, rotation=90))[1]).shape == (320, 192, 3)


def test_a_gif_is_a_film(tmp_path: Path) -> None:
    frames = (av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="rgb8") for pixels in pictures(10))
    sampler, looks = watched(raw(tmp_path / "wave.gif", frames, "gif", "rgb8"))
    assert looks
    assert sampler.end_ms == pytest.approx(1000, abs=110)


def test_sound_and_covers_are_no_film(tmp_path: Path) -> None:
    assert fault(videos.audio_only(tmp_path / "sound.mp4")) == "no_video_stream"
    assert fault(videos.audio_only(tmp_path / "sound.mkv")) == "no_video_stream"


def test_no_frames_and_no_duration_are_an_error(tmp_path: Path) -> None:
    data = film(tmp_path / "whole.mp4").read_bytes()
    at = data.index(b"mdat")
    size = struct.unpack(">I", data[at - 4 : at])[0]
    hollow = data[: at + 4] + b"\0" * (size - 8) + data[at - 4 + size :]
    (tmp_path / "hollow.mp4").write_bytes(hollow)
    assert fault(tmp_path / "hollow.mp4") in {"corrupt", "no_frames"}
    _, looks = watched(film(tmp_path / "single.mp4", 1))
    assert len(looks) == 1


def test_a_file_that_is_two_things_is_one_of_them(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "page.mp4").write_bytes(b"<html><script>alert(1)</script></html>" + whole)
    assert fault(tmp_path / "page.mp4") == "not_a_video"
    (tmp_path / "zip.mp4").write_bytes(whole + b"PK\x03\x04" + b"\0" * 500)
    assert watched(tmp_path / "zip.mp4")[1]


def test_thousands_of_streams_are_refused_in_no_time(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mp4", 4).read_bytes()
    at = whole.index(b"moov") - 4
    size = struct.unpack(">I", whole[at : at + 4])[0]
    moov = whole[at : at + size]
    track = moov.index(b"trak") - 4
    track_size = struct.unpack(">I", moov[track : track + 4])[0]
    trak = moov[track : track + track_size]
    many = moov[:track] + trak * 5000 + moov[track + track_size :]
    many = struct.pack(">I", len(many)) + many[4:]
    (tmp_path / "many.mp4").write_bytes(whole[:at] + many + whole[at + size :])
    started = time.process_time()
    with suppress(VideoError):
        watched(tmp_path / "many.mp4")
    assert time.process_time() - started < 5
