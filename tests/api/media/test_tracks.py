import numpy as np
import pytest

from api.media.tracks import KEYFRAME_TOLERANCE, Sighting, Tracker

A = np.eye(4, dtype=np.float32)[0]
B = np.eye(4, dtype=np.float32)[1]


def sighting(ms: int, x: float, vector: np.ndarray = A, label: str = "bag", score: float = 0.8) -> Sighting:
    return Sighting(ms, label, score, (x, 0.2, 0.2, 0.4), vector)


def test_a_drifting_object_is_one_track_with_its_span() -> None:
    tracker = Tracker(500)
    for step in range(8):
        tracker.see(step * 500, [sighting(step * 500, 0.1 + step * 0.05)])
    (track,) = tracker.finish(4000)
    assert (track.from_ms, track.until_ms) == (0, 4000)
    # a straight way needs its two ends, and the end of the span
    assert [row[0] for row in track.keyframes()] == [0, 3500, 4000]


def test_two_objects_that_pass_each_other_keep_their_looks() -> None:
    tracker = Tracker(500)
    for step in range(9):
        left, right = 0.1 + step * 0.05, 0.5 - step * 0.05
        tracker.see(step * 500, [sighting(step * 500, left, A), sighting(step * 500, right, B)])
    tracks = tracker.finish(4500)
    assert len(tracks) == 2
    assert all(len({s.vector.tobytes() for s in track.sightings}) == 1 for track in tracks)


def test_a_cut_ends_every_track_at_its_time() -> None:
    tracker = Tracker(500)
    for ms in (0, 500, 1000):
        tracker.see(ms, [sighting(ms, 0.3)])
    tracker.see(1200, [sighting(1200, 0.3)], cut=True)
    tracker.see(1700, [sighting(1700, 0.3)])
    first, second = tracker.finish(2000)
    assert (first.from_ms, first.until_ms) == (0, 1200)
    assert (second.from_ms, second.until_ms) == (1200, 2000)


def test_one_sighting_in_a_longer_video_is_noise_and_in_a_short_clip_all_there_is() -> None:
    noisy, clip = Tracker(500), Tracker(500)
    for tracker, end in ((noisy, 5000), (clip, 900)):
        tracker.see(0, [sighting(0, 0.3)])
        tracker.see(500, [])
        tracks = tracker.finish(end)
        assert len(tracks) == (0 if end == 5000 else 1)


def test_a_standing_picture_keeps_what_was_in_it_last() -> None:
    tracker = Tracker(500)
    tracker.see(0, [sighting(0, 0.3), sighting(0, 0.7, B)])
    tracker.see(500, [sighting(500, 0.3)])  # B is gone
    for ms in (1000, 1500, 2000):
        tracker.still(ms)
    (track,) = tracker.finish(2500)
    assert (track.until_ms, len(track.sightings)) == (2500, 5)


def test_an_object_that_comes_back_after_a_while_is_a_new_track() -> None:
    tracker = Tracker(500)
    for ms in (0, 500, 3500, 4000):
        tracker.see(ms, [sighting(ms, 0.3)])
    assert [(t.from_ms, t.until_ms) for t in tracker.finish(5000)] == [(0, 1000), (3500, 4500)]


def test_keyframes_follow_a_turn_within_the_tolerance() -> None:
    tracker = Tracker(500)
    xs = [0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.1]
    for step, x in enumerate(xs):
        tracker.see(step * 500, [sighting(step * 500, x)])
    (track,) = tracker.finish(3000)
    frames = track.keyframes()
    assert len(frames) < len(xs)
    for step, x in enumerate(xs):
        drawn = np.interp(step * 500, [row[0] for row in frames], [row[1] for row in frames])
        assert drawn == pytest.approx(x, abs=KEYFRAME_TOLERANCE)


def test_the_label_is_voted_on_and_vectors_are_the_surest() -> None:
    tracker = Tracker(500)
    tracker.see(0, [sighting(0, 0.3, label="top", score=0.9)])
    for ms in range(500, 6000, 500):
        tracker.see(ms, [sighting(ms, 0.3, label="dress", score=0.5)])
    (track,) = tracker.finish(6000)
    assert track.label == "dress"
    assert track.vectors().shape == (8, 4)
