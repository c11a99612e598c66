import msgspec
import numpy as np
import pytest

from api.media.boxes import Xywh
from api.media.tracks import Seen, Track, Tracker, Vectors
from api.media.ways import KEYFRAME_TOLERANCE, Place, keyframes, thinned

A = np.eye(4, dtype=np.float32)[0]
B = np.eye(4, dtype=np.float32)[1]


class Sight:
    """Looks by label colour: what is embedded is counted."""

    def __init__(self, looks: dict[Xywh, np.ndarray] | None = None) -> None:
        self.looks = looks or {}
        self.embedded = 0
        self.worths: dict[Xywh, float] = {}

    def embed(self, boxes: list[Xywh]) -> Vectors:
        self.embedded += len(boxes)
        return np.stack([self.looks.get(box, A) for box in boxes])

    def worth(self, seen: Seen) -> float:
        return self.worths.get(seen.box, seen.score)

    def poster(self, box: Xywh) -> bytes:
        return repr(box).encode()


def bag(x: float, label: str = "bag", score: float = 0.8, y: float = 0.2) -> Seen:
    return Seen(label, score, (round(x, 4), y, 0.2, 0.4))


def ended(tracker: Tracker, ms: int) -> list[Track]:
    tracker.cut(ms)
    return sorted(tracker.taken(), key=lambda track: track.from_ms)


def test_a_drifting_object_is_one_track_with_its_span() -> None:
    tracker = Tracker()
    for step in range(8):
        tracker.see(step * 500, [bag(0.1 + step * 0.05)], Sight())
    (track,) = ended(tracker, 4000)
    assert (track.from_ms, track.until_ms) == (0, 4000)
    # a straight way needs its two ends, and the end of the span
    assert [row[0] for row in track.way()] == [0, 3500, 4000]


def test_frames_at_any_distance_in_time_make_one_track() -> None:
    tracker = Tracker()
    for ms in (0, 350, 900, 2900, 3400, 5300):
        tracker.see(ms, [bag(0.1 + ms / 20_000)], Sight())
    (track,) = ended(tracker, 6000)
    assert (track.from_ms, track.until_ms, track.sightings) == (0, 6000, 6)


def test_two_objects_that_pass_each_other_keep_their_looks() -> None:
    tracker = Tracker()
    for step in range(9):
        left, right = bag(0.1 + step * 0.05), bag(0.5 - step * 0.05)
        tracker.see(step * 500, [left, right], Sight({left.box: A, right.box: B} if step != 4 else {left.box: A}))
    tracks = ended(tracker, 4500)
    assert len(tracks) >= 2
    assert all(len({vote.data for vote in track.votes}) == 1 for track in tracks)


def test_an_object_half_hidden_keeps_its_track_and_a_weak_one_begins_none() -> None:
    tracker = Tracker()
    for step in range(6):
        weak = step in {2, 3, 4}
        tracker.see(step * 800, [bag(0.1, score=0.15 if weak else 0.8), bag(0.7, score=0.2)], Sight())
    (track,) = ended(tracker, 4800)
    assert (track.from_ms, track.until_ms, track.sightings) == (0, 4800, 6)


def test_a_cut_ends_every_track_at_its_time() -> None:
    tracker = Tracker()
    for ms in (0, 500, 1000):
        tracker.see(ms, [bag(0.3)], Sight())
    tracker.cut(1200)
    for ms in (1200, 1700):
        tracker.see(ms, [bag(0.3)], Sight())
    first, second = ended(tracker, 2000)
    assert (first.from_ms, first.until_ms) == (0, 1200)
    assert (second.from_ms, second.until_ms) == (1200, 2000)


def test_what_was_gone_before_the_cut_ends_between_the_looks() -> None:
    tracker = Tracker()
    for ms in (0, 500, 1000):
        tracker.see(ms, [bag(0.3)], Sight())
    tracker.see(1600, [], Sight())
    (track,) = ended(tracker, 2000)
    assert track.until_ms == 1300


def test_one_sighting_is_noise_where_more_could_be_and_all_there_is_in_a_short_shot() -> None:
    noisy, short = Tracker(), Tracker()
    noisy.see(0, [bag(0.3)], Sight())
    noisy.see(500, [], Sight())
    short.see(0, [bag(0.3)], Sight())
    assert [len(ended(tracker, 900)) for tracker in (noisy, short)] == [0, 1]


def test_a_standing_picture_keeps_what_was_in_it_last() -> None:
    tracker = Tracker()
    gone = bag(0.7)
    tracker.see(0, [bag(0.3), gone], Sight({gone.box: B}))
    tracker.see(500, [bag(0.3)], Sight())
    tracker.stand(60_000)
    tracker.see(60_500, [bag(0.3)], Sight())
    (track,) = ended(tracker, 61_000)
    assert (track.from_ms, track.until_ms) == (0, 61_000)


def test_an_object_that_comes_back_after_a_while_is_a_new_track() -> None:
    tracker = Tracker()
    for ms in (0, 500):
        tracker.see(ms, [bag(0.3)], Sight())
    for ms in (1000, 2000, 3000):
        tracker.see(ms, [], Sight())
    for ms in (3500, 4000):
        tracker.see(ms, [bag(0.3)], Sight())
    assert [(track.from_ms, track.until_ms) for track in ended(tracker, 5000)] == [(0, 750), (3500, 5000)]


def test_a_box_that_leaves_no_doubt_is_not_embedded_again_and_again() -> None:
    tracker, sight = Tracker(), Sight()
    for step in range(40):
        tracker.see(step * 500, [bag(0.3)], sight)
    assert sight.embedded == 3
    (track,) = ended(tracker, 20_000)
    assert len(track.votes) == 3


def test_better_sights_take_the_place_of_worse_ones_and_make_the_poster() -> None:
    tracker, sight = Tracker(), Sight()
    for step in range(20):
        seen = bag(0.3 + step * 0.001)
        sight.worths[seen.box] = 0.1 * 1.2**step
        tracker.see(step * 500, [seen], sight)
    (track,) = ended(tracker, 10_000)
    assert len(track.votes) == 8
    assert track.votes[0].weight == pytest.approx(0.1 * 1.2**19)
    assert track.poster == repr(track.best_box).encode() == repr(bag(0.319).box).encode()


def test_keyframes_follow_a_turn_within_the_tolerance() -> None:
    xs = [0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.1]
    frames = keyframes([Place(step * 500, bag(x).box) for step, x in enumerate(xs)], 3000)
    assert len(frames) < len(xs)
    for step, x in enumerate(xs):
        drawn = np.interp(step * 500, [row[0] for row in frames], [row[1] for row in frames])
        assert drawn == pytest.approx(x, abs=KEYFRAME_TOLERANCE)


def test_a_way_of_hours_takes_bounded_room() -> None:
    rng = np.random.default_rng(2)
    places = [Place(step * 500, bag(float(x)).box) for step, x in enumerate(rng.uniform(0, 0.8, 400))]
    thin = thinned(places)
    assert len(thin) <= 200
    assert (thin[0], thin[-1]) == (places[0], places[-1])
    tracker = Tracker()
    for step in range(3000):
        tracker.see(step * 500, [bag(0.4 + 0.1 * float(np.sin(step / 3)))], Sight())
    assert len(tracker.open[0].places) <= 401


def test_the_label_is_voted_on() -> None:
    tracker = Tracker()
    tracker.see(0, [bag(0.3, label="top", score=0.9)], Sight())
    for ms in range(500, 6000, 500):
        tracker.see(ms, [bag(0.3, label="dress", score=0.5)], Sight())
    (track,) = ended(tracker, 6000)
    assert track.label == "dress"


def test_a_tracker_that_is_written_down_goes_on_as_if_nothing_had_been() -> None:
    plain, moved = Tracker(), Tracker()
    for step in range(12):
        for tracker in (plain, moved):
            tracker.see(step * 500, [bag(0.1 + step * 0.02), bag(0.6, label="top")], Sight())
        moved = msgspec.msgpack.decode(msgspec.msgpack.encode(moved), type=Tracker)
    assert ended(plain, 6000) == ended(moved, 6000)
