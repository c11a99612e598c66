"""The worker's way of a video: real photographs panned over, the shipped models, real files."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from api.kit.clock import FixedClock
from api.media.analysis import LEASE
from api.media.frames import Frame, VideoError
from api.media.models import Media, MediaState, VideoCheckpoint
from api.media.service import analyses_of
from api.media.watching import Watch
from api.settings import FetchSettings, LimitSettings, Settings
from api.vision.picture import Picture
from tests.api.media import video_files as videos
from tests.api.media.world import Web, World
from tests.patience import until
from tests.running_demo import REPO
from workers import lease, video
from workers import media as tasks

SIZE = (360, 540)


@pytest.fixture
def settings(settings: Settings, web: Web) -> Settings:
    fetch = FetchSettings(allow=web.host)
    return settings.model_copy(update={"fetch": fetch, "limits": LimitSettings(video_max_seconds=12)})


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
    assert (row.state, row.error, row.duration_ms) == (MediaState.ready, None, 8000)
    assert 8 <= row.frames <= 18
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
    assert (row.state, row.truncated, row.duration_ms) == (MediaState.none, True, 12_000)


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


def test_an_interrupted_video_is_taken_up_again(world: World, clock: FixedClock, clip: bytes, photos: list) -> None:
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


class Interrupted(BaseException):
    """As a kill would do it: nothing of ours may catch it."""


def spans_of(world: World, media_id: str) -> list[tuple[object, ...]]:
    tags = [tag for tag in world.rows() if tag.media_id == media_id]
    return sorted((tag.label, tag.from_ms, tag.to_ms, round(tag.x, 2), round(tag.score, 2)) for tag in tags)


def test_what_was_seen_before_a_crash_is_not_seen_again_and_the_result_is_the_same(
    world: World, clock: FixedClock, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = analysed(world, clip, "/whole.mp4")
    url = world.put("/broken.mp4", clip)
    world.media(url, kind="video")
    monkeypatch.setattr(video, "KEEP_MS", 1500)
    monkeypatch.setattr(video, "KEEP_S", 0.0)
    media_id, looked = world.row(url).id, []
    take = Watch.take

    def dies_at_six_seconds(self: Watch, eyes: object, frame: Frame, keep: object) -> None:
        looked.append(frame.ms)
        if frame.ms >= 6000 and len(world.queue.sent) == 0:
            raise Interrupted
        take(self, eyes, frame, keep)  # type: ignore[arg-type]  # the method that is wrapped

    monkeypatch.setattr(Watch, "take", dies_at_six_seconds)
    with pytest.raises(Interrupted):
        world.work()
    kept = world.rows(VideoCheckpoint)
    assert [row.media_id for row in kept] == [media_id]
    assert 4000 <= kept[0].at_ms < 6000
    clock.advance(LEASE + timedelta(seconds=1))

    def goes_on(self: Watch, eyes: object, frame: Frame, keep: object) -> None:
        looked.append(frame.ms)
        take(self, eyes, frame, keep)  # type: ignore[arg-type]  # the method that is wrapped

    monkeypatch.setattr(Watch, "take", goes_on)
    before = len(looked)
    tasks.sweep(world.ports)
    world.work()
    assert min(looked[before:]) > kept[0].at_ms
    assert world.row(url).state is whole.state
    assert spans_of(world, media_id) == spans_of(world, whole.id)
    assert world.rows(VideoCheckpoint) == []


def test_a_film_that_kills_its_decoder_is_answered_with_what_was_seen(
    world: World, clock: FixedClock, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = world.put("/deadly.mp4", clip)
    world.media(url, kind="video")
    take = Watch.take

    def dies(self: Watch, eyes: object, frame: Frame, keep: object) -> None:
        if frame.ms >= 5000:
            raise VideoError("decoder_died", "the decoder stopped in the middle of the video")
        take(self, eyes, frame, keep)  # type: ignore[arg-type]  # the method that is wrapped

    monkeypatch.setattr(Watch, "take", dies)
    for _ in range(5):
        world.work()
        clock.advance(timedelta(hours=1))
        tasks.sweep(world.ports)
    row = world.row(url)
    assert (row.state in {MediaState.ready, MediaState.none}, row.truncated) == (True, True)
    assert spans_of(world, row.id)


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
    monkeypatch.setattr(lease, "TELL_S", 0.0)  # every frame tells its progress
    looked: list[int] = []
    take = Watch.take

    def counted(self: Watch, eyes: object, frame: Frame, keep: object) -> None:
        looked.append(1)
        take(self, eyes, frame, keep)  # type: ignore[arg-type]  # the method that is wrapped

    monkeypatch.setattr(Watch, "take", counted)
    video.look_at_video(world.ports, analyses, slow)
    assert len(looked) <= 2
    assert world.row(url).lease_id == taken.lease_id
    assert world.rows() == []


def test_a_worker_killed_in_the_middle_is_followed_by_one_that_goes_on_from_there(
    world: World, clock: FixedClock, clip: bytes, account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 of a real process."""
    developer = account("developer")
    whole = analysed(world, clip, "/whole.mp4")
    body = {"url": world.put("/killed.mp4", clip)}
    video_id = world.client.post("/v1/videos", json=body, headers=developer.auth).json()["id"]
    mine = world.ports.settings
    own = mine.datadir.parent / "worker"  # the spool is one process's alone
    own.mkdir()
    (own / "blobs").symlink_to(mine.datadir / "blobs")
    command = [sys.executable, "-m", "tests.workers.watching_child", str(own), mine.database_url, video_id]
    worker = subprocess.Popen([*command, world.web.host], cwd=REPO)
    try:
        until(lambda: worker.poll() is not None or [row for row in world.rows(VideoCheckpoint) if row.at_ms >= 2000])
        assert worker.poll() is None, "the worker has ended by itself"
    finally:
        worker.kill()
        worker.wait()
    (kept,) = world.rows(VideoCheckpoint)
    first_told: list[int] = []
    take = Watch.take

    def noted(self: Watch, eyes: object, frame: Frame, keep: object) -> None:
        first_told.append(frame.ms)
        take(self, eyes, frame, keep)  # type: ignore[arg-type]  # the method that is wrapped

    monkeypatch.setattr(Watch, "take", noted)
    clock.advance(LEASE + timedelta(seconds=1))
    world.queue.sent.clear()
    tasks.sweep(world.ports)
    world.work()
    assert first_told[0] > kept.at_ms
    job = world.client.get(f"/v1/videos/{video_id}", headers=developer.auth).json()
    assert (job["state"], job["duration_ms"], job["counts"]["frames"]) == ("done", 8000, whole.frames)
    assert spans_of(world, video_id) == spans_of(world, whole.id)
