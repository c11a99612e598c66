from pathlib import Path

import numpy as np
import pytest

from api.media import frames as frames_module
from api.media.frames import Frame, Kind, SamplingLimits, VideoError, VideoSampler
from tests.api.media import video_files as videos

LIMITS = SamplingLimits(max_ms=60_000, wall_s=30)


def sampled(path: Path, limits: SamplingLimits = LIMITS) -> tuple[VideoSampler, list[Frame]]:
    sampler = VideoSampler(path, limits)
    return sampler, list(sampler.frames())


def looks(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.kind is Kind.look]


def fault(path: Path, limits: SamplingLimits = LIMITS) -> str:
    with pytest.raises(VideoError) as caught:
        sampled(path, limits)
    assert caught.value.reason
    return caught.value.code


@pytest.fixture(scope="module")
def two_photos(street_photos: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of one photo, four of another."""
    frames = [f for photo in street_photos for f in videos.pan(photo, 4, 10, (360, 540))]
    path: Path = videos.write(tmp_path_factory.mktemp("videos") / "two.mp4", frames)
    return path


def test_looks_come_as_the_film_moves_and_the_cut_at_its_time(two_photos: Path) -> None:
    sampler, frames = sampled(two_photos)
    assert [frame.ms for frame in frames if frame.kind is Kind.cut] == [4000]
    seen = [frame.ms for frame in looks(frames)]
    assert (seen[0], 4000 in seen) == (0, True)
    assert 8 <= len(seen) <= 18
    assert (sampler.duration_ms, sampler.end_ms, sampler.truncated) == (8000, 8000, False)
    pixels = looks(frames)[0].pixels
    assert pixels is not None
    assert pixels.shape == (540, 360, 3)


def test_a_film_is_taken_up_where_it_was_left(two_photos: Path) -> None:
    _, whole = sampled(two_photos)
    _, rest = sampled(two_photos, SamplingLimits(max_ms=60_000, from_ms=3000, wall_s=30))
    assert min(frame.ms for frame in rest) > 3000
    assert [frame.ms for frame in rest if frame.kind is Kind.cut] == [4000]
    assert [frame.ms for frame in looks(rest) if frame.ms >= 4000] == [f.ms for f in looks(whole) if f.ms >= 4000]


def test_a_piece_of_a_film_tells_what_is_certain_and_the_next_piece_the_rest(two_photos: Path) -> None:
    first = VideoSampler(two_photos, SamplingLimits(max_ms=60_000, final=False, wall_s=30))
    told = list(first.frames())
    assert 6000 <= first.told_ms < first.end_ms
    assert max(frame.ms for frame in told) <= first.told_ms
    _, rest = sampled(two_photos, SamplingLimits(max_ms=60_000, from_ms=first.told_ms, wall_s=30))
    assert min(frame.ms for frame in rest) > first.told_ms


def test_what_comes_back_looks_like_the_photo(two_photos: Path, street_photos: list) -> None:
    _, frames = sampled(two_photos)
    original = videos.pan(street_photos[0], 4, 10, (360, 540))[0].astype(float)
    assert frames[0].pixels is not None
    assert np.abs(frames[0].pixels - original).mean() < 6


def test_seconds_beyond_the_limit_are_left_out(two_photos: Path) -> None:
    sampler, frames = sampled(two_photos, SamplingLimits(max_ms=3000))
    assert frames[-1].ms <= 3000
    assert (sampler.truncated, sampler.end_ms) == (True, 3000)


def test_a_large_picture_comes_back_smaller(two_photos: Path) -> None:
    _, frames = sampled(two_photos, SamplingLimits(max_ms=1000, side=270))
    assert frames[0].pixels is not None
    assert frames[0].pixels.shape == (270, 180, 3)


def test_a_standing_picture_is_sent_once(tmp_path: Path) -> None:
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[30:90, 40:80] = (200, 120, 40)
    _, frames = sampled(videos.write(tmp_path / "still.mp4", [picture] * 30))
    assert [(frame.ms, frame.kind) for frame in frames] == [(0, Kind.look), (3000, Kind.stand)]


@pytest.mark.parametrize(("rotation", "shape"), [(90, (320, 160)), (180, (160, 320)), (270, (320, 160))])
def test_rotated_videos_stand_upright(tmp_path: Path, rotation: int, shape: tuple) -> None:
    top_white = np.zeros((160, 320, 3), np.uint8)
    top_white[:80] = 255
    _, frames = sampled(videos.write(tmp_path / "turned.mp4", [top_white] * 10, rotation=rotation))
    pixels = frames[0].pixels
    assert pixels is not None
    assert pixels.shape[:2] == shape
    edges = {90: pixels[:, :20], 180: pixels[-20:], 270: pixels[:, -20:]}  # counter-clockwise: the top goes left
    assert edges[rotation].mean() > 250


@pytest.mark.parametrize("suffix", ["mkv", "avi", "mov", "ts"])
def test_other_containers_are_read(tmp_path: Path, suffix: str) -> None:
    noise = [np.random.default_rng(i).integers(0, 255, (64, 64, 3), np.uint8) for i in range(20)]
    sampler, frames = sampled(videos.write(tmp_path / f"clip.{suffix}", noise))
    assert looks(frames)
    assert sampler.end_ms == pytest.approx(2000, abs=110)


def test_a_broken_tail_ends_the_video_there(street_photos: list, tmp_path: Path) -> None:
    frames = [f for photo in street_photos for f in videos.pan(photo, 4, 10, (360, 540))]
    whole = videos.write(tmp_path / "whole.mkv", frames).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 3 // 4])
    sampler, frames = sampled(tmp_path / "cut.mkv")
    assert looks(frames)
    assert 3000 < sampler.end_ms < 8000


def test_bad_files_say_what_is_wrong(two_photos: Path, tmp_path: Path) -> None:
    whole = two_photos.read_bytes()
    bad = {
        "empty.mp4": (b"", "empty"),
        "text.mp4": (b"I am no video. " * 500, "not_a_video"),
        "truncated.mp4": (whole[: len(whole) // 2], "not_a_video"),  # its index stood at the end
        "noise.mp4": (np.random.default_rng(1).bytes(50_000), "not_a_video"),
    }
    for name, (content, code) in bad.items():
        (tmp_path / name).write_bytes(content)
        assert fault(tmp_path / name) == code, name
    assert fault(videos.audio_only(tmp_path / "sound.mp4")) == "no_video_stream"


def test_no_playlist_leads_to_another_file(two_photos: Path, tmp_path: Path) -> None:
    """A decoder that followed these would read files and call addresses for strangers."""
    lists = {
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:8\n#EXTINF:8,\nfile://{two_photos}\n#EXT-X-ENDLIST\n",
        "concat.mp4": f"ffconcat version 1.0\nfile '{two_photos}'\n",
        "dash.mpd": f'<?xml version="1.0"?><MPD><Period><BaseURL>file://{two_photos}</BaseURL></Period></MPD>',
        "sdp.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
        assert fault(tmp_path / name) == "not_a_video", name


def test_too_many_pixels_and_too_much_time_are_refused(two_photos: Path) -> None:
    assert fault(two_photos, SamplingLimits(max_ms=60_000, max_pixels=100_000)) == "too_large"
    assert fault(two_photos, SamplingLimits(max_ms=60_000, wall_s=0.01)) == "timeout"


@pytest.mark.parametrize("said", ['{"ms": 4', '{"ms": 4, "kind": "look", "height": 9, "width": 9}\\nxy'])
def test_a_decoder_that_dies_in_the_middle_of_a_word_is_told_as_dead(
    two_photos: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr(frames_module, "START", f"print('{said}', end='', flush=True)")
    assert fault(two_photos) == "decoder_died"


def test_the_child_is_gone_when_nobody_reads_on(two_photos: Path) -> None:
    sampler = VideoSampler(two_photos, LIMITS)
    frames = sampler.frames()
    next(frames)
    frames.close()
    assert sampler.pid is not None
    assert not Path(f"/proc/{sampler.pid}").exists()
