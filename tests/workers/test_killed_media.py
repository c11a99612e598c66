"""The analysis of a picture and of a video, killed after each commit in turn, asked for twice, and by two at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import cv2
import pytest
from sqlmodel import select

from api.kit.blobs import BlobsUnavailable
from api.media.analysis import LEASE
from api.media.models import MediaState, Tag
from api.media.service import analyses_of
from api.settings import FetchSettings, Settings
from tests.api.media import video_files as videos
from tests.api.media.world import Web, World, street_photo
from tests.patience import until
from tests.workers.dying import Dying
from workers import lease, video
from workers import media as tasks


@pytest.fixture
def settings(settings: Settings, web: Web) -> Settings:
    return settings.model_copy(update={"fetch": FetchSettings(allow=web.host)})


@pytest.fixture
def photo(shared_data: Path) -> bytes:
    return street_photo(shared_data, 5)


@pytest.fixture
def clip(shared_data: Path, tmp_path: Path) -> bytes:
    path = sorted((shared_data / "streetstyle").rglob("*.jpg"))[5]
    frame = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    return videos.write(tmp_path / "clip.mp4", list(videos.pan(frame, 1, 10, (360, 540)))).read_bytes()


def tags_of(world: World, media_id: str) -> list[tuple[object, ...]]:
    with world.ports.database.read() as session:
        rows = session.exec(select(Tag).where(Tag.media_id == media_id)).all()
    return sorted((row.label, round(row.x, 3), round(row.y, 3), row.from_ms, row.to_ms) for row in rows)


@pytest.mark.parametrize("kind", ["image", "video"])
def test_killed_after_any_commit_the_tags_are_the_same_and_there_once(
    world: World, photo: bytes, clip: bytes, clock, queue, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    dying = Dying(world.ports.database, monkeypatch)
    expected: list[tuple[object, ...]] | None = None
    for kill_at in range(10):
        url = world.put(f"/{kind}-{kill_at}", photo if kind == "image" else clip)
        world.media(url, kind=kind)
        media_id = world.row(url).id
        queue.sent.clear()
        died = dying.dies(kill_at or 99, lambda media_id=media_id: tasks.analyse(world.ports, media_id))
        tasks.analyse(world.ports, media_id)  # its message is given out again while the lease still holds
        clock.advance(LEASE + timedelta(seconds=1))
        tasks.sweep(world.ports)
        world.work()
        tasks.analyse(world.ports, media_id)
        row, found = world.row(url), tags_of(world, media_id)
        expected = expected if expected is not None else found
        assert (row.state in {MediaState.ready, MediaState.none}, row.attempts) == (True, 0)
        assert found == expected, f"killed after commit {kill_at}"
        if kill_at and not died:
            break
    assert kill_at >= 3, "a claim and a finish at least"
    assert expected


def test_asked_for_by_two_at_once_a_picture_is_looked_at_once(world: World, photo: bytes, queue) -> None:
    url = world.put("/photo", photo)
    world.media(url)
    media_id = world.row(url).id
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: tasks.analyse(world.ports, media_id), range(4)))
    assert world.row(url).state in {MediaState.ready, MediaState.none}
    assert len(tags_of(world, media_id)) == len(set(tags_of(world, media_id))) > 0


def test_while_blobs_are_away_an_uploaded_video_waits_and_loses_no_attempt(
    world: World, client, account, clip: bytes, clock, queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    developer = account("developer")
    files = {"file": ("clip.mp4", clip, "video/mp4")}
    job = client.post("/v1/videos", files=files, headers=developer.auth).json()

    def away(*_: object) -> None:
        raise BlobsUnavailable("the bucket does not serve")

    with monkeypatch.context() as patched:
        patched.setattr(world.ports.blobs, "path", away)
        for _ in range(8):  # more often than an analysis may fail
            video.analyse_video(world.ports, job["id"])
            clock.advance(timedelta(minutes=1))
    read = client.get(f"/v1/videos/{job['id']}", headers=developer.auth).json()
    assert read["state"] == "queued"
    tasks.sweep(world.ports)
    world.work()
    read = client.get(f"/v1/videos/{job['id']}", headers=developer.auth).json()
    assert read["state"] == "done", read


def test_a_video_that_is_long_on_its_way_stays_its_workers(
    world: World, clip: bytes, clock, queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = world.put("/long", clip)
    world.media(url, kind="video")
    media_id = world.row(url).id
    fetch_to = world.ports.fetcher.fetch_to
    others: list[object] = []

    def slowly(*args, **kwargs) -> object:
        for _ in range(3):
            clock.advance(LEASE * 0.6)
            until(lambda: world.row(url).due_at == clock.now() + LEASE, "the hold was not renewed")
            others.append(analyses_of(world.ports).claim(media_id))
        return fetch_to(*args, **kwargs)

    monkeypatch.setattr(lease, "RENEW_S", 0.02)
    monkeypatch.setattr(world.ports.fetcher, "fetch_to", slowly)
    tasks.analyse(world.ports, media_id)
    assert others == [None, None, None]
    assert world.row(url).state in {MediaState.ready, MediaState.none}
