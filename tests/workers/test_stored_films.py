"""Films whose storing fails: a full disk, a database or a bucket that is away, a slow index; and the pictures that must
go, or stay. A job waits and says why, is stored whole or not at all, and stays its worker's."""

import errno
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import pytest
from sqlalchemy.exc import OperationalError

from api.kit import blobs as kept_files
from api.kit.clock import FixedClock
from api.media.analysis import LEASE, Analyses
from api.media.frames import Frame
from api.media.models import Media, MediaState, Tag
from api.media.service import analyses_of
from api.media.watching import Watch
from api.settings import FetchSettings, Settings
from tests.api.media import video_files as videos
from tests.api.media.world import Web, World
from tests.patience import until
from workers import lease, video
from workers import media as tasks


@pytest.fixture
def settings(settings: Settings, web: Web) -> Settings:
    return settings.model_copy(update={"fetch": FetchSettings(allow=web.host)})


@pytest.fixture(scope="module")
def clips(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Two seconds of each of two photos."""
    folder, made = tmp_path_factory.mktemp("clips"), []
    for number in (5, 40):
        path = sorted((shared_data / "streetstyle").rglob("*.jpg"))[number]
        frames = videos.pan(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), 2, 10, (360, 540))
        made.append(videos.write(folder / f"{number}.mp4", frames).read_bytes())
    return made


def opened(world: World, data: bytes, path: str = "/film.mp4") -> Media:
    url = world.put(path, data)
    world.media(url, kind="video")
    return world.row(url)


def again(world: World, clock: FixedClock, wait: timedelta = timedelta(minutes=3)) -> Media:
    """What the sweep finds after a while; the row then."""
    world.queue.sent.clear()
    clock.advance(wait)
    tasks.sweep(world.ports)
    world.work()
    (row,) = world.rows(Media)
    return row


def seen(world: World) -> list[tuple[Any, ...]]:
    return sorted((tag.label, tag.from_ms, tag.to_ms, round(tag.x, 3)) for tag in world.rows(Tag))


def test_a_database_that_goes_away_at_any_write_leaves_a_job_that_is_done_later(
    world: World, clips: list[bytes], clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "KEEP_MS", 500)
    monkeypatch.setattr(video, "KEEP_S", 0.0)
    row, write, left = opened(world, clips[0]), world.ports.database.write, [0]

    @contextmanager
    def failing() -> Iterator[Any]:
        left[0] -= 1
        if left[0] == 0:
            raise OperationalError("COMMIT", {}, sqlite3.OperationalError("database or disk is full"))
        with write() as session:
            yield session

    expected: list[tuple[Any, ...]] = []
    for fails_at in range(2, 12):  # without the first, the claim, there is nothing to be left
        left[0] = fails_at
        with monkeypatch.context() as patched:
            patched.setattr(world.ports.database, "write", failing)
            tasks.analyse(world.ports, row.id)
        if left[0] > 0:
            break
        held = world.rows(Media)[0]
        assert held.state in {MediaState.pending, MediaState.running}
        assert (held.analysed_at, seen(world)) == (None, [])
        done = again(world, clock)
        assert (done.state in {MediaState.ready, MediaState.none}, done.error, done.attempts) == (True, None, 0)
        expected = expected or seen(world)
        assert seen(world) == expected
        with write() as session:  # from the beginning
            for tag in world.rows(Tag):
                session.delete(session.get(Tag, tag.id))
            held = session.get(Media, row.id)
            held.state, held.due_at, held.analysed_at = MediaState.pending, clock.now(), None
    assert fails_at >= 5, "a checkpoint and the storing, at least"
    assert expected


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_pictures_that_find_no_room_leave_no_halves_and_the_job_waits(
    world: World, clips: list[bytes], clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, folder = opened(world, clips[0]), world.ports.settings.datadir / "blobs"

    def half(self: Path, data: bytes) -> None:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        full()

    with monkeypatch.context() as patched:
        patched.setattr(kept_files.Path, "write_bytes", half)
        tasks.analyse(world.ports, row.id)
    held = world.rows(Media)[0]
    assert (held.state, held.attempts, seen(world)) == (MediaState.pending, 0, [])
    assert "no room left" in (held.error or "")
    assert str(folder) not in (held.error or "")
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert analyses_of(world.ports).due(5) == [], "not at once again"
    done = again(world, clock)
    assert (done.state in {MediaState.ready, MediaState.none}, done.error) == (True, None)
    assert seen(world)


def test_a_film_that_finds_no_room_on_the_disk_waits_and_the_next_one_is_looked_at(
    world: World, clips: list[bytes], clock: FixedClock
) -> None:
    """A real limit of the system on the size of files, above the database and below the film."""
    most = 40 * 1024**2
    row = opened(world, clips[0] + bytes(most))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        for _ in range(6):  # more often than an analysis may fail
            tasks.analyse(world.ports, row.id)
            clock.advance(timedelta(minutes=3))
        held = world.row(row.url or "")
        other = opened(world, clips[1], "/other.mp4")
        tasks.analyse(world.ports, other.id)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (held.state, held.attempts) == (MediaState.pending, 0)
    assert "no room left" in (held.error or "")
    assert list((world.ports.settings.datadir / "videos").iterdir()) == []
    assert world.row(other.url or "").state in {MediaState.ready, MediaState.none}
    tasks.analyse(world.ports, row.id)
    assert world.row(row.url or "").state in {MediaState.ready, MediaState.none}


@pytest.mark.parametrize("slow", ["index", "eyes"])
def test_a_film_stays_its_workers_however_slow_the_eyes_and_the_index_are(
    world: World, clips: list[bytes], clock: FixedClock, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    row = opened(world, clips[0])
    others: list[object] = []
    shares: list[float] = []

    def slowed(call: Any) -> Any:
        def later(*args: Any, **kwargs: Any) -> Any:
            while len(others) < 3:
                clock.advance(LEASE * 0.6)
                until(lambda: world.rows(Media)[0].due_at == clock.now() + LEASE, "the hold was not renewed")
                others.append(analyses_of(world.ports).claim(row.id))
                shares.append(world.rows(Media)[0].progress)
            return call(*args, **kwargs)

        return later

    owner, name = (Analyses, "_elect") if slow == "index" else (Watch, "take")
    monkeypatch.setattr(owner, name, slowed(getattr(owner, name)))
    monkeypatch.setattr(lease, "RENEW_S", 0.01)
    tasks.analyse(world.ports, row.id)
    assert others
    assert set(others) == {None}
    assert shares == sorted(shares)
    assert shares[-1] < 1.0
    done = world.rows(Media)[0]
    assert (done.state in {MediaState.ready, MediaState.none}, done.progress) == (True, 1.0)


def test_a_film_that_is_deleted_while_it_is_watched_leaves_no_picture(
    world: World, clips: list[bytes], account, monkeypatch: pytest.MonkeyPatch
) -> None:
    developer = account("developer")
    made = world.client.post("/v1/videos", files={"file": ("c.mp4", clips[0])}, headers=developer.auth).json()
    take, deleted = Watch.take, []

    def watched(self: Watch, eyes: Any, frame: Frame, keep: Any) -> None:
        if not deleted:
            deleted.append(world.client.delete(f"/v1/videos/{made['id']}", headers=developer.auth).status_code)
        take(self, eyes, frame, keep)

    monkeypatch.setattr(Watch, "take", watched)
    world.work()
    assert deleted == [204]
    assert list(world.ports.blobs.keys("posters/")) == []
    assert world.rows(Media) == []


def test_pictures_of_films_that_are_gone_are_swept_and_no_others(world: World, clips: list[bytes]) -> None:
    row = opened(world, clips[0])
    world.work()
    kept = set(world.ports.blobs.keys("posters/"))
    assert kept
    world.ports.blobs.put("posters/vid_gone/a.jpg", b"left by a worker that was killed")
    world.ports.blobs.put("videos/upl_x", b"an upload")
    tasks.clear_away(world.ports)
    assert set(world.ports.blobs.keys("posters/")) == kept
    assert list(world.ports.blobs.keys("videos/")) == ["videos/upl_x"]
    assert world.rows(Media)[0].id == row.id


def test_what_the_publisher_keeps_keeps_its_picture_and_the_rest_go(world: World, clips: list[bytes]) -> None:
    row = opened(world, clips[0])
    world.work()
    first = world.rows(Tag)
    assert len(first) >= 2
    auth = world.publisher.auth
    chosen = max(first, key=lambda tag: tag.score)
    answer = world.client.patch(f"/v1/tags/{chosen.id}", json={"label": "the best"}, headers=auth)
    assert answer.status_code == 200, answer.text
    world.put("/film.mp4", clips[1])
    assert world.client.post(f"/v1/media/{row.id}/analyse", headers=auth).status_code == 202
    world.work()
    left = {tag.id: tag for tag in world.rows(Tag)}
    assert chosen.id in left
    assert len(left) > 1
    picture = world.client.get(f"/v1/videos/{row.id}/tags/{chosen.id}/poster.jpg", headers=auth)
    assert picture.status_code == 200
    shown = {tag.poster_key for tag in left.values()} | {world.rows(Media)[0].poster_key}
    assert set(world.ports.blobs.keys("posters/")) == shown


def test_a_film_that_is_taken_up_again_is_as_far_as_it_was(world: World, clips: list[bytes], clock: FixedClock) -> None:
    row, analyses = opened(world, clips[0]), analyses_of(world.ports)
    first = analyses.claim(row.id)
    assert first is not None
    assert analyses.progress(first, 0.6, 9)
    clock.advance(LEASE + timedelta(seconds=1))
    assert analyses.claim(row.id) is not None
    assert world.rows(Media)[0].progress == 0.6
    clock.advance(LEASE + timedelta(seconds=1))
    tasks.analyse(world.ports, row.id)
    answer = world.client.post(f"/v1/media/{row.id}/analyse", headers=world.publisher.auth)
    assert (answer.status_code, world.rows(Media)[0].progress) == (202, 0.0)
