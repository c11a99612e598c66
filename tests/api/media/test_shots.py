"""Cuts, dissolves and fades between real photographs are found at their times; cameras that move are none of them."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import pytest

from api.media.joins import BLANK, Join, JoinFinder, Thumb
from api.media.shots import LATEST_MS, LATEST_STANDING_MS, SOONEST_MS, Cut, Event, Look, Shots, Stand
from tests.api.media.films import Pixels, Shot, frames_of, joins_of

FPS, SIZE = 12, (128, 72)
STEP_MS = 1000 / FPS


def thumbs(frames: Iterator[Pixels] | Sequence[Pixels]) -> list[tuple[int, Thumb]]:
    small = (cv2.resize(frame, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32) for frame in frames)
    return [(round(index * STEP_MS), thumb) for index, thumb in enumerate(small)]


def film(*shots: Shot) -> list[tuple[int, Thumb]]:
    return thumbs(frames_of(shots, FPS, SIZE))


def joins_in(frames: list[tuple[int, Thumb]]) -> list[Join]:
    finder = JoinFinder()
    for ms, thumb in frames:
        finder.see(ms, thumb)
    return finder.joins


def events_of(frames: list[tuple[int, Thumb]]) -> list[Event]:
    shots = Shots()
    found = [event for ms, thumb in frames for event in shots.see(ms, thumb, lambda at=ms: f"picture of {at}")]
    return found + list(shots.end(frames[-1][0]))


@pytest.mark.parametrize("move", ["pan", "zoom", "still", "shake"])
def test_a_moving_camera_is_no_new_shot(street_photos: list[Pixels], move: str) -> None:
    for photo in street_photos:
        assert joins_in(film(Shot(photo, 5, move))) == []


@pytest.mark.parametrize("moves", [("pan", "zoom"), ("still", "still"), ("zoom", "pan")])
def test_a_hard_cut_is_found_at_its_frame(street_photos: list[Pixels], moves: tuple[str, str]) -> None:
    a, b = street_photos
    (join,) = joins_in(film(Shot(a, 3, moves[0]), Shot(b, 3, moves[1])))
    assert (join.hard, join.at) == (True, 3000)


@pytest.mark.parametrize("moves", [("still", "still"), ("pan", "still"), ("zoom", "pan")])
@pytest.mark.parametrize("seconds", [0.5, 1.0, 1.5])
def test_a_dissolve_is_one_join_within_its_time(
    street_photos: list[Pixels], moves: tuple[str, str], seconds: float
) -> None:
    shots = [Shot(street_photos[0], 4, moves[0], seconds), Shot(street_photos[1], 4, moves[1])]
    ((start, end),) = joins_of(shots)
    joins = joins_in(film(*shots))
    assert len(joins) == 1, joins
    assert start <= joins[0].at <= end + 2 * STEP_MS


def test_a_fade_through_black_is_a_join_and_black_is_not_looked_at(street_photos: list[Pixels]) -> None:
    black = [np.zeros((72, 128, 3), np.uint8)] * FPS
    first, second = (list(frames_of([Shot(photo, 2)], FPS, SIZE)) for photo in street_photos)
    events = events_of(thumbs([*first, *black, *second]))
    assert [event.ms for event in events if isinstance(event, Cut)] == [2000]
    assert not [event for event in events if isinstance(event, Look) and 2000 <= event.ms < 3000]
    assert [event for event in events if isinstance(event, Look) and event.ms == 3000]
    assert max(thumb.std() for _, thumb in thumbs(black)) < BLANK


def test_a_flash_of_light_ends_no_shot(street_photos: list[Pixels]) -> None:
    frames = list(frames_of([Shot(street_photos[0], 4)], FPS, SIZE))
    frames[20] = cv2.addWeighted(frames[20], 0.1, np.full_like(frames[20], 255), 0.9, 0)
    events = events_of(thumbs(frames))
    assert not [event for event in events if isinstance(event, Cut)]


def test_light_that_changes_slowly_ends_no_shot(street_photos: list[Pixels]) -> None:
    frames = [
        np.asarray(frame * (0.35 + 0.65 * index / 36), np.uint8)
        for index, frame in enumerate(frames_of([Shot(street_photos[0], 3, "still")], FPS, SIZE))
    ]
    assert joins_in(thumbs(frames)) == []


def test_no_frame_that_mixes_two_shots_is_looked_at(street_photos: list[Pixels]) -> None:
    shots = [Shot(street_photos[0], 4, "pan", 1.0), Shot(street_photos[1], 4, "pan")]
    ((start, end),) = joins_of(shots)
    looks = [event.ms for event in events_of(film(*shots)) if isinstance(event, Look)]
    assert not [ms for ms in looks if start + 2 * STEP_MS < ms < end - 2 * STEP_MS]
    assert [ms for ms in looks if end - 2 * STEP_MS <= ms <= end + 500]


def test_a_moving_film_is_seen_often_within_a_bound_and_a_standing_one_seldom(street_photos: list[Pixels]) -> None:
    moving = [event.ms for event in events_of(film(Shot(street_photos[0], 6, "pan"))) if isinstance(event, Look)]
    standing = events_of(film(Shot(street_photos[0], 20, "still")))
    assert min(np.diff(moving)) >= SOONEST_MS - 150
    assert max(np.diff(moving)) <= LATEST_MS + 250
    looks = [event.ms for event in standing if isinstance(event, Look)]
    assert len(looks) <= 20_000 / LATEST_STANDING_MS + 1
    assert max(event.ms for event in standing if isinstance(event, Stand)) >= 19_000


def test_something_small_that_comes_into_a_standing_picture_is_looked_at(street_photos: list[Pixels]) -> None:
    frames = list(frames_of([Shot(street_photos[0], 5, "still")], FPS, SIZE))
    for index in range(30, len(frames)):
        frames[index] = frames[index].copy()
        frames[index][20:34, 60:76] = 255 - frames[index][20:34, 60:76]
    looks = [event.ms for event in events_of(thumbs(frames)) if isinstance(event, Look)]
    assert [ms for ms in looks if 2500 <= ms <= 3100]


def test_what_waits_is_bounded_however_the_film_changes() -> None:
    rng = np.random.default_rng(5)
    ends = rng.uniform(0, 255, (2, 18, 32, 3)).astype(np.float32)
    shots = Shots()
    for index in range(600):  # one endless dissolve
        share = np.float32(index / 600)
        list(shots.see(index * 40, ends[0] * (1 - share) + ends[1] * share, lambda: None))
        assert len(shots._queue) < 200
    for index in range(300):  # and noise
        list(shots.see(24_000 + index * 40, rng.uniform(0, 255, (18, 32, 3)).astype(np.float32), lambda: None))
        assert len(shots._queue) < 200
        assert len(shots.finder.joins) < 60
