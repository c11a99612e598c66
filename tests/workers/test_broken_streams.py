"""Streams that break in the middle: what was seen before is stored and paid for; nothing is fetched twice or without
bound; clocks that jump do not take the film with them."""

import itertools
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import pytest

from api.kit.clock import FixedClock
from api.media import reels
from api.media.models import Media, MediaState, Tag, VideoCheckpoint
from api.media.reels import Stream
from api.media.service import analyses_of
from api.media.watching import Position
from api.settings import FetchSettings, LimitSettings, Settings
from tests.api.media.world import Web, World, open_world
from tests.workers.hls_streams import live, near, playlist, serve, spans, watched
from workers import media as tasks
from workers import video

GOOD = [f"ts-{number}.seg" for number in range(4)]
PRIVATE = "http://169.254.169.254/secret.ts"


@pytest.fixture
def settings(settings: Settings, web: Web) -> Settings:
    fetch = FetchSettings(allow=web.host, timeout_s=15)
    return settings.model_copy(update={"fetch": fetch, "limits": LimitSettings(video_max_seconds=60)})


@pytest.fixture
def world(client, ports, queue, web: Web, account, hls_folder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    opened = open_world(client, ports, queue, web, account)
    serve(opened, hls_folder)
    monkeypatch.setattr(reels, "WINDOW_MS", 2000)  # a window a segment
    return opened


@pytest.fixture
def metered(world: World, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    recorded: list[tuple[Any, ...]] = []
    monkeypatch.setattr(world.ports.meter, "record", lambda *args: recorded.append(args))
    return recorded


def segments(*names: str) -> list[str]:
    return [line for name in names for line in ("#EXTINF:2,", name)]


def asked_for(world: World, account: Any, body: bytes) -> tuple[Any, str]:
    """A developer's job with this playlist, watched as far as it goes: (who asked, the video)."""
    world.put("/s/film.m3u8", body)
    developer = account("developer")
    made = world.client.post("/v1/videos", json={"url": world.url("/s/film.m3u8")}, headers=developer.auth)
    world.work()
    return developer, made.json()["id"]


def read(world: World, developer: Any, video_id: str) -> dict[str, Any]:
    found: dict[str, Any] = world.client.get(f"/v1/videos/{video_id}", headers=developer.auth).json()
    return found


KEY = '#EXT-X-KEY:METHOD=AES-128,URI="gone"'


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (segments(PRIVATE), "private or local"),
        ([KEY, *segments("ts-2.seg")], "AES-128"),
        (segments(*["gone.seg"] * 7), "404"),
        (["#EXTINF:2,", "#EXT-X-BYTERANGE:99999999@0", "ts-2.seg"], "too many bytes"),
    ],
    ids=["refused", "encrypted", "missing", "huge"],
)
def test_what_was_seen_before_a_stream_breaks_is_stored_with_the_reason_and_paid_for(
    world: World, account, metered: list[tuple[Any, ...]], rest: list[str], reason: str
) -> None:
    developer, video_id = asked_for(world, account, playlist(*segments("ts-0.seg", "ts-1.seg"), *rest))
    job = read(world, developer, video_id)
    assert (job["state"], job["truncated"], job["live"]) == ("done", True, False)
    assert reason in job["error"]
    assert 2500 < job["duration_ms"] <= 4200
    found = {(tag.from_ms, tag.to_ms) for tag in world.rows(Tag)}
    assert found
    assert max(end for _, end in found) <= 4200
    assert metered == [(developer.tenant_id, "video_minute", 1, video_id)]
    assert world.rows(VideoCheckpoint) == []


def test_a_stream_whose_server_struggles_is_asked_again_before_it_is_given_up(
    world: World, account, clock: FixedClock, metered: list[tuple[Any, ...]]
) -> None:
    world.web.broken.add("/s/down.seg")
    developer, video_id = asked_for(world, account, playlist(*segments(*GOOD, "down.seg")))
    states = []
    for _ in range(5):
        states.append(read(world, developer, video_id)["state"])
        assert metered == ([] if states[-1] == "queued" else [(developer.tenant_id, "video_minute", 1, video_id)])
        clock.advance(timedelta(minutes=20))
        tasks.sweep(world.ports)
        world.work()
    assert [state for state, _ in itertools.groupby(states)] == ["queued", "done"]
    assert "503" in read(world, developer, video_id)["error"]
    assert len([path for path in world.web.asked if path == "/s/ts-0.seg"]) == 1, "it goes on from where it was"


def test_a_stream_that_breaks_before_anything_was_seen_fails_and_costs_nothing(
    world: World, account, metered: list[tuple[Any, ...]]
) -> None:
    developer, video_id = asked_for(world, account, playlist(*segments(PRIVATE)))
    job = read(world, developer, video_id)
    assert (job["state"], job["truncated"], metered) == ("failed", False, [])


def test_a_live_stream_that_turns_hostile_keeps_what_was_seen(
    world: World, account, clock: FixedClock, metered: list[tuple[Any, ...]]
) -> None:
    developer, video_id = asked_for(world, account, live(2))
    assert read(world, developer, video_id)["live"]
    world.put("/s/film.m3u8", live(2) + f"\n#EXTINF:2,\n{PRIVATE}\n".encode())
    clock.advance(timedelta(seconds=30))
    tasks.sweep(world.ports)
    world.work()
    job = read(world, developer, video_id)
    assert (job["state"], job["live"], job["truncated"]) == ("done", False, True)
    assert "private or local" in job["error"]
    assert len(metered) == 1
    assert world.rows(Tag)


class Interrupted(BaseException):
    """As a kill would do it."""


def test_a_film_that_takes_every_worker_down_is_answered_with_what_they_had_seen(
    world: World, account, clock: FixedClock, metered: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    next_reel = Stream.next_reel

    def deadly(self: Stream, at_ms: int) -> Any:
        if at_ms > 2500:
            raise Interrupted
        return next_reel(self, at_ms)

    monkeypatch.setattr(Stream, "next_reel", deadly)
    with pytest.raises(Interrupted):
        asked_for(world, account, playlist(*segments("ts-0.seg", "ts-1.seg", "ts-2.seg")))
    (row,) = world.rows(Media)
    for _ in range(6):
        clock.advance(timedelta(minutes=20))
        try:
            video.analyse_video(world.ports, row.id)
        except Interrupted:
            continue
    (row,) = world.rows(Media)
    assert row.state in {MediaState.ready, MediaState.none}
    assert (row.truncated, row.error) == (True, "the analysis was interrupted too often")
    assert world.rows(Tag)
    assert [call[1:3] for call in metered] == [("video_minute", 1)]


def reels_of(world: World, folder: Path, path: str, most: int = 10**9) -> tuple[Stream, list[bytes]]:
    folder.mkdir(exist_ok=True)
    stream, found, at_ms = Stream(world.ports.fetcher, folder, world.url(path), Position(), most), [], 0
    while reel := stream.next_reel(at_ms):
        found.append(reel.path.read_bytes())
        stream.watched()
        at_ms = reel.ends_ms
    return stream, found


def test_an_init_section_is_fetched_once_and_counts(world: World, tmp_path: Path) -> None:
    stream, found = reels_of(world, tmp_path / "reels", "/s/mp4.m3u8")
    init = world.web.files["/s/mp4-init.mp4"]
    assert len(found) >= 3
    assert all(body.startswith(init) for body in found)
    assert world.web.asked.count("/s/mp4-init.mp4") == 1
    parts = [len(body) for path, body in world.web.files.items() if path.startswith("/s/mp4-") and path.endswith("seg")]
    assert stream.position.fetched == sum(parts) + len(init)


def test_init_sections_alone_use_up_the_bytes_that_a_stream_may_have(world: World, tmp_path: Path) -> None:
    lines = []
    for number in range(40):
        world.web.files[f"/s/init-{number}"] = bytes(100_000)
        lines += [f'#EXT-X-MAP:URI="init-{number}"', "#EXTINF:2,", "tiny"]
    world.web.files["/s/tiny"] = b"x"
    world.put("/s/film.m3u8", playlist(*lines))
    stream, found = reels_of(world, tmp_path / "reels", "/s/film.m3u8", 500_000)
    assert stream.truncated
    assert len(found) <= 6


def test_a_server_that_gives_no_parts_is_asked_for_the_file_once(world: World) -> None:
    world.web.whole_only.add("/s/ranges.seg")
    row = watched(world, "/s/ranges.m3u8")
    assert (row.error, row.truncated) == (None, False)
    assert near(spans(world, row), 0, 4000)
    assert near(spans(world, row), 4000, 8000)
    assert world.web.asked.count("/s/ranges.seg") == 2  # for a part, and for all of it


def test_a_whole_file_in_the_place_of_a_part_is_bounded(world: World) -> None:
    world.web.whole_only.add("/s/ranges.seg")
    world.ports.settings.fetch.max_video_bytes = 1000
    row = watched(world, "/s/ranges.m3u8")
    assert row.state is MediaState.failed
    assert "more than" in (row.error or "")


def test_a_part_behind_the_end_of_a_whole_file_is_told(world: World) -> None:
    world.web.whole_only.add("/s/ts-0.seg")
    lines = ["#EXTINF:2,", "#EXT-X-BYTERANGE:5000@99999999", "ts-0.seg"]
    world.put("/s/film.m3u8", playlist(*lines))
    row = watched(world, "/s/film.m3u8")
    assert row.state is MediaState.failed
    assert "fewer bytes" in (row.error or "")


def later(body: bytes, path: Path, seconds: int) -> bytes:
    """The same segment with another clock."""
    (path / "in.ts").write_bytes(body)
    with av.open(str(path / "in.ts")) as source, av.open(str(path / "out.ts"), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        shift = int(seconds / stream.time_base)
        for packet in source.demux(stream):
            if packet.size:
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, copy
                out.mux(packet)
    return (path / "out.ts").read_bytes()


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize("jump_s", [5 * 3600, -1])
def test_a_clock_that_jumps_for_an_advertisement_leaves_the_films_times_alone(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool, jump_s: int
) -> None:
    monkeypatch.setattr(reels, "WINDOW_MS", 30_000)
    for number in (2, 3):
        body = world.web.files[f"/s/ts-{number}.seg"]
        world.web.files[f"/s/later-{number}.seg"] = later(body, tmp_path, jump_s)
    gap = ["#EXT-X-DISCONTINUITY"] if told else []
    names = ["ts-0.seg", "ts-1.seg"], ["later-2.seg", "later-3.seg"], ["ts-0.seg", "ts-1.seg"]
    world.put("/s/film.m3u8", playlist(*segments(*names[0]), *gap, *segments(*names[1]), *gap, *segments(*names[2])))
    row = watched(world, "/s/film.m3u8")
    found = spans(world, row)
    assert row.error is None
    assert near(found, 0, 4000) if told else any(start == 0 for start, _ in found)
    assert all(0 <= start < end <= 12_200 for start, end in found)
    if told:
        assert near(found, 4000, 8000)
        assert near(found, 8000, 12_000)
        assert (row.duration_ms, row.truncated) == (pytest.approx(12_000, abs=200), False)


def test_a_clock_that_jumps_unannounced_costs_its_window_and_not_the_rest(world: World, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        body = world.web.files[f"/s/ts-{number}.seg"]
        world.web.files[f"/s/ts-{number}.seg"] = later(body, tmp_path, 5 * 3600)
    row = watched(world, "/s/ts.m3u8")
    assert (row.error, row.truncated) == (None, False)
    assert row.duration_ms == pytest.approx(8000, abs=200)
    assert any(start >= 3800 and end >= 7800 for start, end in spans(world, row))


def test_a_live_stream_that_lags_behind_catches_up_without_a_pause(world: World, account) -> None:
    developer, video_id = asked_for(world, account, live(4))
    job = read(world, developer, video_id)
    assert job["live"]
    assert job["duration_ms"] >= 6000, "every window that was there has been watched in one go"


def test_a_live_streams_pictures_are_those_that_are_needed(world: World, account, clock: FixedClock) -> None:
    _, video_id = asked_for(world, account, live(4))
    clock.advance(timedelta(seconds=30))  # a turn with nothing new: what was shown until then is known
    tasks.sweep(world.ports)
    world.work()
    (row,), (checkpoint,) = world.rows(Media), world.rows(VideoCheckpoint)
    kept = set(world.ports.blobs.keys(f"posters/{video_id}/"))
    shown = {tag.poster_key for tag in world.rows(Tag)} | {row.poster_key}
    assert shown <= kept
    assert [key for key in kept - shown if key.encode() not in checkpoint.state] == []


def test_a_window_that_takes_for_ever_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reels, "WINDOW_WALL_S", -1.0)
    row = watched(world, "/s/ts.m3u8")
    assert (row.state, row.attempts) == (MediaState.pending, 1)
    assert "takes longer than" in (row.error or "")
    assert analyses_of(world.ports).due(5) == []


def test_a_hole_that_is_longer_than_a_window_is_left_out_and_the_film_goes_on(world: World) -> None:
    names = ["ts-0.seg", "ts-1.seg", "gone", "gone", "gone", "ts-2.seg", "ts-3.seg"]
    world.put("/s/film.m3u8", playlist(*segments(*names)))
    row = watched(world, "/s/film.m3u8")
    found = spans(world, row)
    assert (row.error, row.truncated) == (None, False)
    assert near(found, 0, 4000)
    assert near(found, 10_000, 14_000)
    assert not any(start < 4200 and end > 9800 for start, end in found)


def test_a_second_look_that_breaks_off_takes_nothing_from_behind_the_break(world: World) -> None:
    world.put("/s/film.m3u8", playlist(*segments(*GOOD)))
    row = watched(world, "/s/film.m3u8")
    before = {tag.id for tag in world.rows(Tag)}
    late = {tag.id for tag in world.rows(Tag) if tag.from_ms >= 4000}
    assert late
    assert before - late
    world.put("/s/film.m3u8", playlist(*segments(*GOOD[:2], PRIVATE)))
    world.client.post(f"/v1/media/{row.id}/analyse", headers=world.publisher.auth)
    world.work()
    again = world.row(row.url or "")
    assert (again.truncated, "private" in (again.error or "")) == (True, True)
    assert {tag.id for tag in world.rows(Tag)} >= late
    assert {tag.id for tag in world.rows(Tag)} & (before - late)


def test_a_live_stream_of_segments_without_length_keeps_no_worker_busy(world: World, account) -> None:
    body = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", *["#EXTINF:0,\nts-0.seg"] * 2000]
    developer, video_id = asked_for(world, account, "\n".join(body).encode())
    assert read(world, developer, video_id)["live"]
    assert world.web.asked.count("/s/film.m3u8") <= 3
