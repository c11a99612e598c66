"""What a detector did to each object of a photo, and the kind of each error."""

from pathlib import Path

import numpy as np
import pytest

from workers.training.judging.marks import ALARMS, MISSES, Photo, Why, confusions, errors, marks, total

NAMES = ["top", "bag", "hat"]
TOP, BAG, HAT = range(3)
Row = tuple[float, ...]


def rows(*found: Row) -> np.ndarray:
    return np.array(found, np.float32).reshape(-1, 6)


def truth(*objects: Row) -> np.ndarray:
    return np.array(objects, np.float32).reshape(-1, 5)


def told(found: np.ndarray, there: np.ndarray, unsure: np.ndarray | None = None) -> list[tuple[str, str, Why]]:
    drawn = marks(found, there, NAMES, rows() if unsure is None else unsure)
    return [(mark.kind, mark.label, mark.why) for mark in drawn if mark.kind != "hit"]


def test_marks_tell_hits_misses_mistakes_and_false_alarms() -> None:
    there = truth((0, 0, 1, 1, TOP), (0, 0, 0.2, 0.2, BAG), (0.8, 0.8, 1, 1, HAT))
    found = rows((0, 0, 1, 0.9, 0.9, TOP), (0, 0, 0.2, 0.2, 0.8, HAT), (0.5, 0, 0.6, 0.1, 0.7, BAG))
    drawn = marks(found, there, NAMES)
    assert [(mark.kind, mark.label, mark.taken_for) for mark in drawn] == [
        ("hit", "top", ""), ("missed", "bag", "hat"), ("missed", "hat", ""), ("false", "hat", ""), ("false", "bag", ""),
    ]  # fmt: skip


def test_of_two_equal_objects_each_hit_has_its_own() -> None:
    there = truth((0, 0, 0.4, 1, TOP), (0.1, 0, 0.5, 1, TOP))
    found = rows((0, 0, 0.4, 1, 0.9, TOP), (0.1, 0, 0.5, 1, 0.8, TOP))
    assert [mark.score for mark in marks(found, there, NAMES)] == pytest.approx([0.9, 0.8])


def test_a_missed_object_is_misnamed_badly_boxed_unsure_or_unseen() -> None:
    there, box = truth((0, 0, 0.4, 0.4, BAG)), (0, 0, 0.4, 0.4)
    assert told(rows((*box, 0.9, HAT)), there)[0] == ("missed", "bag", Why.label)
    assert told(rows((0.2, 0, 0.6, 0.4, 0.9, BAG)), there)[0] == ("missed", "bag", Why.place)
    assert told(rows(), there, rows((*box, 0.1, BAG))) == [("missed", "bag", Why.unsure)]
    # Another label, and elsewhere: neither is this bag.
    assert told(rows(), there, rows((*box, 0.1, HAT), (0.6, 0.6, 1, 1, 0.1, BAG))) == [("missed", "bag", Why.unseen)]


def test_a_box_that_is_right_about_one_thing_is_not_what_another_was_taken_for() -> None:
    """A coat covers the top under it."""
    there = truth((0, 0, 0.5, 1, HAT), (0, 0, 0.4, 1, TOP))
    assert told(rows((0, 0, 0.5, 1, 0.9, HAT)), there) == [("missed", "top", Why.unseen)]


def test_a_false_box_is_double_misnamed_off_or_of_nothing() -> None:
    there = truth((0, 0, 0.4, 0.4, BAG), (0.6, 0.6, 1, 1, TOP), (0, 0.6, 0.4, 1, BAG))
    hits = [(0, 0, 0.4, 0.4, 0.9, BAG), (0.6, 0.6, 1, 1, 0.9, TOP)]
    again, part = (0, 0, 0.4, 0.36, 0.8, BAG), (0, 0, 0.2, 0.2, 0.75, BAG)
    misnamed, off, nothing = (0.6, 0.6, 1, 1, 0.7, HAT), (0.2, 0.6, 0.6, 1, 0.6, BAG), (0.5, 0, 0.6, 0.1, 0.5, TOP)
    drawn = told(rows(*hits, again, part, misnamed, off, nothing), there)
    assert drawn[0] == ("missed", "bag", Why.place)
    assert [why for _, _, why in drawn[1:]] == [Why.twice, Why.twice, Why.label, Why.place, Why.nothing]


def test_errors_are_counted_by_label_and_kind() -> None:
    there = truth((0, 0, 0.4, 0.4, BAG), (0.6, 0.6, 1, 1, TOP))
    photo = Photo(Path("a.jpg"), marks(rows((0, 0, 0.4, 0.4, 0.9, HAT)), there, NAMES))
    lines = errors([photo, photo], NAMES)
    assert [(line.label, sum(line.missed), sum(line.false)) for line in lines] == [
        ("top", 2, 0),
        ("bag", 2, 0),
        ("hat", 0, 2),
    ]
    assert dict(zip(MISSES, lines[1].missed, strict=True))[Why.label] == 2
    assert dict(zip(ALARMS, lines[2].false, strict=True))[Why.label] == 2
    assert (sum(total(lines).missed), sum(total(lines).false)) == (4, 2)
    assert confusions([photo, photo], 3) == [("bag", "hat", 2)]
