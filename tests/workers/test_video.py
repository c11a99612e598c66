"""The worker's way of a video: real photographs panned over, the shipped models, real files."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from api.kit.clock import FixedClock
from api.media.analysis import LEASE
from api.media.models import Media, MediaState
from api.media.service import analyses_of
from api.settings import FetchSettings, LimitSettings, Settings
from api.vision.picture import Picture
from tests.api.media import video_files as videos
from tests.api.media.world import Web, World, open_web, open_world
from workers import media as tasks
from workers import video

SIZE = (360, 540)


@pytest.fixture
def web() -> Iterator[Web]:
    with open_web() as opened:
        yield opened


@pytest.fixture
def settings(settings: Settings, web: Web) -> Settings:
    fetch = FetchSettings(allow=web.host, timeout_s=3)
    return settings.model_copy(update={"fetch": fetch, "limits": LimitSettings(video_max_seconds=12)})


@pytest.fixture
def world(client, ports, queue, web: Web, account) -> World:
    return open_world(client, ports, queue, web, account)


@pytest.fixture(scope="module")
def photos(shared_data: Path) -> list[np.ndarray]:
    paths = sorted((shared_data / "streetstyle").rglob("*.jpg"))
    return [cv2.cvtColor(cv2.imread(str(paths[number])), cv2.COLOR_BGR2RGB) for number in (5, 40)]


@pytest.fixture(scope="module")
def clip(photos: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Four seconds of each photo, a hard cut between them."""
    frames = [frame for photo in photos for frame in videos.pan(photo, 4, 10, SIZE)]
    return videos.write(tmp_path_factory.mktemp("clip") / "clip.mp4", frames).read_bytes()


def catalog_of(world: World, photo: np.ndarray) -> set[str]:
    """A listed catalog with the garments of one photo."""
    picture = Picture(photo.shape[1], photo.shape[0], np.ascontiguousarray(photo))
    catalog = world.catalog()
    found = world.ports.eyes.detect(picture, 0.5, 10)
    assert found
    vectors = world.ports.eyes.embed(picture, [item.box for item in found])
    return {world.product(catalog, vector).id for vector in vectors}


def test_tags_stand_in_the_span_in_which_their_product_is_seen(world: World, clip: bytes, photos: list) -> None:
    first, second = catalog_of(world, photos[0]), catalog_of(world, photos[1])
    url = world.put("/clip.mp4", clip)
    assert world.media(url, kind="video")[0]["status"] == "pending"
    assert world.work() == 1
    row = world.row(url)
    assert (row.state, row.error, row.duration_ms, row.frames) == (MediaState.ready, None, 8000, 16)
    world.forget()
    tags = world.media(url, kind="video")[0]["tags"]
    spans = {True: [], False: []}
    for tag in tags:
        product = tag["products"][0]
        assert product["id"] in first | second
        if product["score"] > 0.6:  # the thing itself; the others only look like it
            spans[product["id"] in first].append((tag["from_ms"], tag["to_ms"]))
        assert 0 <= tag["from_ms"] < tag["to_ms"] <= 8000
        times = [keyframe[0] for keyframe in tag["track"]]
        assert times == sorted(times)
        assert (times[0], times[-1]) == (tag["from_ms"], tag["to_ms"])
    # what stays in the picture for a whole shot has exactly that shot's span
    assert (0, 4000) in spans[True]
    assert (4000, 8000) in spans[False]
    assert all(end <= 4000 for _, end in spans[True])
    assert all(start >= 4000 for start, _ in spans[False])


def test_the_box_follows_the_pan(world: World, photos: list, tmp_path: Path) -> None:
    frames = videos.pan(photos[0], 4, 10, (300, 300))  # a small window: the pan moves it far
    seen = analysed(world, videos.write(tmp_path / "pan.mp4", frames).read_bytes())
    (longest,) = sorted((tag for tag in world.rows() if tag.media_id == seen.id), key=lambda t: t.from_ms - t.to_ms)[:1]
    way = np.array(longest.track)
    assert longest.to_ms - longest.from_ms >= 1500
    # the window moves down, so what is in it moves up
    assert way[-1][2] < way[0][2] or way[-1][4] < way[0][4]


def analysed(world: World, data: bytes, path: str = "/v.mp4") -> Media:
    url = world.put(path, data)
    world.media(url, kind="video")
    world.work()
    return world.row(url)


def test_only_the_allowed_seconds_are_looked_at(world: World, tmp_path: Path) -> None:
    grey = [np.full((64, 64, 3), 100, np.uint8)] * 75
    row = analysed(world, videos.write(tmp_path / "long.mp4", grey, fps=5).read_bytes())
    assert (row.state, row.truncated) == (MediaState.none, True)
    assert row.frames == 25


@pytest.mark.parametrize(
    ("name", "reason"),
    [("empty", "empty"), ("text", "not a video"), ("truncated", "not a video"), ("sound", "no video stream")],
)
def test_bad_videos_fail_and_say_why(world: World, clip: bytes, tmp_path: Path, name: str, reason: str) -> None:
    data = {
        "empty": b"",
        "text": b"I am text. " * 1000,
        "truncated": clip[: len(clip) // 2],
        "sound": videos.audio_only(tmp_path / "sound.mp4").read_bytes(),
    }[name]
    row = analysed(world, data)
    assert row.state is MediaState.failed
    assert reason in (row.error or "")
    assert row.attempts == 1
    assert list((world.ports.settings.datadir / "videos").iterdir()) == []


def test_an_interrupted_video_starts_again(world: World, clock: FixedClock, clip: bytes, photos: list) -> None:
    catalog_of(world, photos[0])
    url = world.put("/clip.mp4", clip)
    world.media(url, kind="video")
    analyses = analyses_of(world.ports)
    lost = analyses.claim(world.row(url).id)
    assert lost is not None
    assert analyses.progress(lost, 0.4, 7)
    assert world.row(url).progress == 0.4
    world.queue.sent.clear()
    clock.advance(LEASE + timedelta(seconds=1))
    tasks.sweep(world.ports)
    assert world.work() == 1
    assert world.row(url).state is MediaState.ready
    assert analyses.progress(lost, 0.9, 15) is False


def test_a_worker_that_has_lost_its_video_stops(
    world: World, clock: FixedClock, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = world.put("/clip.mp4", clip)
    world.media(url, kind="video")
    media_id = world.row(url).id
    analyses = analyses_of(world.ports)
    slow = analyses.claim(media_id)
    assert slow is not None
    clock.advance(LEASE + timedelta(seconds=1))
    taken = analyses.claim(media_id)
    assert taken is not None
    monkeypatch.setattr(video.time, "monotonic", iter(range(0, 10_000, 5)).__next__)  # every frame tells its progress
    looked: list[int] = []
    original = video.objects_on

    def counted(*args: object) -> object:
        looked.append(1)
        return original(*args)

    monkeypatch.setattr(video, "objects_on", counted)
    video.look_at_video(world.ports, analyses, slow)
    assert len(looked) <= 2
    assert world.row(url).lease_id == taken.lease_id
    assert world.rows() == []
