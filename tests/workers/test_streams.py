"""HTTP Live Streaming end to end: real segments from a real server through the house's fetcher, watched by the shipped
models; live streams window by window; hostile playlists."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.kit.clock import FixedClock
from api.media import reels
from api.media.models import MediaState, Tag
from api.settings import FetchSettings, LimitSettings, Settings
from tests.api.media.world import Web, World
from tests.workers.hls_streams import live, near, playlist, serve, spans, watched
from workers import media as tasks
from workers import video


@pytest.fixture
def settings(settings: Settings, web: Web) -> Settings:
    fetch = FetchSettings(allow=web.host, timeout_s=15)
    return settings.model_copy(update={"fetch": fetch, "limits": LimitSettings(video_max_seconds=60)})


@pytest.mark.parametrize("kind", ["ts", "mp4", "ranges", "aes"])
def test_a_stream_is_watched_like_a_file_whatever_its_segments(
    world: World, hls_folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(world, hls_folder)
    text = (hls_folder / f"{kind}.m3u8").read_text()
    expected = {"ts": "#EXTINF", "mp4": "EXT-X-MAP", "ranges": "BYTERANGE", "aes": "AES-128"}[kind]
    assert expected in text
    monkeypatch.setattr(reels, "WINDOW_MS", 3000)  # several windows: what is seen does not end at their borders
    row = watched(world, f"/s/{kind}.m3u8")
    assert row.state in {MediaState.none, MediaState.ready}
    assert (row.error, row.truncated, row.live) == (None, False, False)
    assert row.duration_ms == pytest.approx(8000, abs=150)
    assert near(spans(world, row), 0, 4000)
    assert near(spans(world, row), 4000, 8000)
    assert not any(a < 3850 and b > 4150 for a, b in spans(world, row))
    assert list((world.ports.settings.datadir / "videos").iterdir()) == []


def test_of_a_master_playlist_the_variant_is_watched_and_redirects_are_followed(world: World, hls_folder: Path) -> None:
    serve(world, hls_folder)
    master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=3840x2160\n/s/huge.m3u8\n"
    master += "#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=240x320\nvariant\n"
    world.put("/s/film", master.encode())  # no suffix tells what it is
    world.web.moved["/s/variant"] = "/s/ts.m3u8"
    row = watched(world, "/s/film")
    assert row.error is None
    assert near(spans(world, row), 4000, 8000)
    assert "/s/huge.m3u8" not in world.web.asked


def job_of(world: World, account: Any, hls_folder: Path, count: int) -> tuple[Any, str]:
    serve(world, hls_folder)
    developer = account("developer")
    world.put("/s/live.m3u8", live(count))
    made = world.client.post("/v1/videos", json={"url": world.url("/s/live.m3u8")}, headers=developer.auth)
    assert made.status_code == 202
    world.work()
    return developer, made.json()["id"]


def turn(world: World, clock: FixedClock) -> None:
    clock.advance(timedelta(seconds=30))
    tasks.sweep(world.ports)
    world.work()


def read(world: World, developer: Any, video_id: str) -> dict[str, Any]:
    found: dict[str, Any] = world.client.get(f"/v1/videos/{video_id}", headers=developer.auth).json()
    return found


def tags_of(world: World, video_id: str) -> dict[str, tuple[int, int]]:
    return {tag.id: (tag.from_ms, tag.to_ms) for tag in world.rows(Tag) if tag.media_id == video_id}


def test_a_live_stream_is_followed_window_by_window_to_its_end(
    world: World, hls_folder: Path, account, clock: FixedClock
) -> None:
    developer, video_id = job_of(world, account, hls_folder, 2)
    job = read(world, developer, video_id)
    assert (job["state"], job["live"], job["error"]) == ("running", True, None)
    early = tags_of(world, video_id)
    assert early
    assert max(end for _, end in early.values()) <= 4000
    world.put("/s/live.m3u8", live(3, first=1))
    turn(world, clock)
    job = read(world, developer, video_id)
    assert (job["state"], job["live"]) == ("running", True)
    assert set(early) & set(tags_of(world, video_id)), "tags keep their ids while the film goes on"
    world.put("/s/live.m3u8", live(4, first=2, ended=True))
    turn(world, clock)
    job = read(world, developer, video_id)
    assert (job["state"], job["live"], job["truncated"], job["progress"]) == ("done", False, False, 1.0)
    assert job["duration_ms"] == pytest.approx(8000, abs=150)
    found = set(tags_of(world, video_id).values())
    assert near(found, 0, 4000)
    assert near(found, 4000, 8000)


def test_a_live_stream_that_nobody_feeds_any_more_is_over(
    world: World, hls_folder: Path, account, clock: FixedClock
) -> None:
    developer, video_id = job_of(world, account, hls_folder, 2)
    asked = len(world.web.asked)
    for _ in range(video.IDLE_TURNS + 2):
        turn(world, clock)
    assert read(world, developer, video_id)["state"] == "done"
    assert len(world.web.asked) - asked <= video.IDLE_TURNS + 3
    assert not [path for path in world.web.asked[asked:] if path.endswith(".seg")], "nothing is fetched twice"


def test_a_live_stream_is_over_when_its_playlist_is_gone_and_when_somebody_stops_it(
    world: World, hls_folder: Path, account, clock: FixedClock
) -> None:
    developer, first = job_of(world, account, hls_folder, 2)
    _, second = job_of(world, lambda _: developer, hls_folder, 2)
    answer = world.client.post(f"/v1/videos/{second}/stop", headers=developer.auth)
    assert answer.status_code == 200
    turn(world, clock)
    stopped = read(world, developer, second)
    assert (stopped["state"], stopped["live"]) == ("done", False)
    assert tags_of(world, second)
    again = world.client.post(f"/v1/videos/{second}/stop", headers=developer.auth)
    assert (again.status_code, again.json()["code"]) == (409, "not_running")
    assert read(world, developer, first)["state"] == "running"
    del world.web.files["/s/live.m3u8"]
    turn(world, clock)
    assert read(world, developer, first)["state"] == "done"
    assert tags_of(world, first)


def test_a_live_stream_is_watched_up_to_the_limit(world: World, hls_folder: Path, account, clock: FixedClock) -> None:
    world.ports.settings.limits.video_max_seconds = 3
    developer, video_id = job_of(world, account, hls_folder, 3)
    job = read(world, developer, video_id)
    assert (job["state"], job["truncated"], job["duration_ms"]) == ("done", True, 3000)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (playlist("#EXTINF:2,", "file:///etc/passwd"), "only http and https"),
        (playlist("#EXTINF:2,", "http://169.254.169.254/latest/meta-data"), "private or local"),
        (playlist("#EXTINF:2,", "http://127.0.0.1:1/x.ts"), "private or local"),
        (playlist('#EXT-X-KEY:METHOD=AES-128,URI="http://10.0.0.1/k"', "#EXTINF:2,", "ts-0.seg"), "private or local"),
        (playlist('#EXT-X-MAP:URI="http://[::1]/init"', "#EXTINF:2,", "ts-0.seg"), "private or local"),
        (playlist('#EXT-X-KEY:METHOD=AES-128,URI="short"', "#EXTINF:2,", "ts-0.seg"), "not one of AES-128"),
        (playlist('#EXT-X-KEY:METHOD=AES-128,URI="key"', "#EXTINF:2,", "ts-0.seg"), "cannot be decrypted"),
        (playlist('#EXT-X-KEY:METHOD=AES-128,URI="gone"', "#EXTINF:2,", "ts-0.seg"), r"AES-128\) and its key .* 404"),
        (playlist('#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x"', "#EXTINF:2,", "ts-0.seg"), "encrypted .*SAMPLE-AES"),
        (playlist("#EXT-X-STREAM-INF:BANDWIDTH=1", "hostile.m3u8"), "leads to another one"),
        (playlist("#EXTINF:2,", "loop"), "too many redirects"),
        (playlist(*["#EXTINF:2,", "gone.ts"] * 9), "cannot be fetched"),
        (playlist("#EXTINF:2,", "#EXT-X-BYTERANGE:9999999@0", "ts-0.seg"), "fewer bytes than were asked for"),
        (playlist("#EXTINF:2,", "hostile.m3u8"), "not a video"),
        (playlist(*["#EXTINF:1,\na.ts"] * 60_000), "more than 50000 segments"),
        (b"#EXTM3U\n" + b"#\n" * 2_200_000, "more than"),
        (b"<html>no playlist</html>", "not one"),
    ],
)
def test_hostile_playlists_come_to_a_clear_end(world: World, hls_folder: Path, body: bytes, reason: str) -> None:
    serve(world, hls_folder)
    world.web.files["/s/short"] = b"abc"
    world.web.moved["/s/loop"] = "/s/loop"
    world.put("/s/hostile.m3u8", body)
    row = watched(world, "/s/hostile.m3u8")
    assert row.state is MediaState.failed
    assert re.search(reason, row.error or ""), row.error
    assert len(world.web.asked) < 20
    assert list((world.ports.settings.datadir / "videos").iterdir()) == []


def test_a_stream_with_a_hole_goes_on_behind_it(world: World, hls_folder: Path) -> None:
    serve(world, hls_folder)
    del world.web.files["/s/ts-1.seg"]
    world.web.files["/s/ts-2.seg"] = b"garbage" * 999
    row = watched(world, "/s/ts.m3u8")
    assert (row.error, row.state in {MediaState.none, MediaState.ready}) == (None, True)
    assert np.isfinite(row.duration_ms or np.nan)
