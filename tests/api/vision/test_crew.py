"""One caller's tasks on several cores: order, errors, and callers that never wait for helpers of others."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from api.settings import Settings, VisionSettings
from api.vision.crew import Crew
from api.vision.picture import WHOLE, Box, Picture
from api.vision.service import Eyes
from tests.api.vision import pictures
from tests.patience import HANGS_S


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew("test-helper", 2)
    yield made
    made.close()


def test_results_come_in_the_order_of_the_tasks(crew: Crew) -> None:
    held = threading.Event()

    def first() -> str:
        assert held.wait(HANGS_S)
        return "first"

    def last() -> str:
        held.set()  # so the first cannot have ended before
        return "last"

    assert crew.both([first, last], [lambda: 3]) == (["first", "last"], [3])
    assert crew.all([]) == []
    assert crew.both([], [lambda: 1, lambda: 2]) == ([], [1, 2])


def test_two_tasks_run_at_the_same_time(crew: Crew) -> None:
    """Each waits for the other."""
    both = threading.Barrier(2)
    assert sorted(crew.all([partial(both.wait, HANGS_S)] * 2)) == [0, 1]


def test_the_caller_and_a_helper_begin_at_different_ends(crew: Crew) -> None:
    """So that two kinds of work go on beside each other, not one after the other."""
    both = threading.Barrier(2)

    def meeting() -> int:
        both.wait(HANGS_S)
        return threading.get_ident()

    one, other = crew.both([meeting, threading.get_ident], [threading.get_ident, meeting])
    assert one[0] == threading.get_ident() != other[1]


def test_who_has_one_core_does_all_of_it_alone() -> None:
    crew = Crew("test-helper", 1)
    assert set(crew.all([threading.get_ident] * 5)) == {threading.get_ident()}
    crew.close()


def test_a_caller_waits_for_no_helper_that_has_not_begun(crew: Crew) -> None:
    """The one helper is held by somebody else's task."""
    begun, held = threading.Semaphore(0), threading.Event()

    def holding() -> None:
        begun.release()
        assert held.wait(HANGS_S)

    other = threading.Thread(target=crew.all, args=([holding, holding],))
    other.start()
    for _ in range(2):  # the other caller, and the helper
        assert begun.acquire(timeout=HANGS_S)
    assert set(crew.all([threading.get_ident] * 3)) == {threading.get_ident()}
    held.set()
    other.join(HANGS_S)
    assert not other.is_alive()


@pytest.mark.parametrize("bad", [0, 1, 4])
def test_an_error_is_the_callers_whoever_met_it_and_the_next_tasks_are_done(crew: Crew, bad: int) -> None:
    def task(number: int) -> int:
        if number == bad:
            raise ValueError("this one")
        return number

    with pytest.raises(ValueError, match="this one"):
        crew.all([partial(task, number) for number in range(5)])
    assert crew.all([partial(task, 7)] * 3) == [7, 7, 7]


def test_after_an_error_nobody_does_the_rest(crew: Crew) -> None:
    done: list[int] = []
    met = threading.Barrier(2)

    def failing() -> None:
        met.wait(HANGS_S)  # both threads have taken one
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        crew.both([failing, *(partial(done.append, number) for number in range(100))], [failing])
    assert done == []


@pytest.mark.parametrize("boxes", [[Box(0.1, 0.1, 0.3, 0.5), WHOLE, Box(0.5, 0.2, 0.4, 0.7)], [WHOLE], []])
def test_together_eyes_see_what_they_see_one_after_the_other(boxes: list[Box]) -> None:
    picture = Picture(300, 200, np.array(pictures.noise(300, 200)))
    labels: list[str | None] = ["top", None, "bag"][: len(boxes)]
    seen = []
    for threads in (1, 3):
        vision = VisionSettings(threads=threads)
        eyes = Eyes(vision, Settings(datadir=Path("unused")).fetch.max_picture_bytes)
        seen.append((eyes.embed(picture, boxes), eyes.attributes(picture, boxes, labels)))
        seen.append(eyes.look(picture, boxes, labels))
        eyes.close()
    for vectors, attributes in seen:
        assert vectors.shape == (len(boxes), eyes.dim)
        assert vectors == pytest.approx(seen[0][0], abs=1e-6)
        assert attributes == seen[0][1]
