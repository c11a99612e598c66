"""Retrieval tasks by hand: who asks whom, what is right, when a match may be called exact."""

from pathlib import Path

import numpy as np
import pytest

from api.search.exactness import ExactRule
from api.vision.calibration import ExactCard
from tests.workers.training.conftest import Draw
from workers.training.judging import retrieval_report, tasks
from workers.training.judging.seeing import Item, Seen
from workers.training.judging.tasks import Task


def made_up(names: str, vectors: list[list[float]]) -> Seen:
    items = [Item(Path(f"{number}.jpg"), name) for number, name in enumerate(names)]
    return Seen(items, np.array(vectors, np.float32), [], [()] * len(items))


def test_a_task_of_all_against_all_by_hand() -> None:
    seen = made_up("aabbc", [[1, 0], [0.9, 0.1], [0, 1], [0.8, 0.3], [0.5, 0.5]])
    rows = np.arange(5)
    task = Task("t", "told", seen.items, rows, rows, product=True)
    found = retrieval_report.judge(task, seen, ExactRule(0.99))
    # a, a find one another; the third finds c; the fourth, which lies among the a, finds an a; c has no other.
    assert found.figures["cosine"].queries == 4
    assert found.figures["cosine"].without == 1
    assert found.figures["cosine"].top[1].value == 0.5
    assert sorted(found.confused) == [("b", "a", 1), ("b", "c", 1)]
    assert {example.query.name for example in found.misses} == {"b"}
    assert {example.query.name for example in found.hits} == {"a"}
    assert [(line.name, line.top1.value) for line in found.names] == [("b", 0.0), ("a", 1.0)]
    assert found.sureness is not None
    precision, recall = found.sureness.served
    assert (precision.value, recall.value) == (1.0, 0.5)


def test_exact_is_judged_by_the_rule_that_serves_lead_and_colours_included() -> None:
    """Three photos ask three studio pictures: one leads by far, one hardly, one has other colours than its best."""
    seen = made_up("abcabc", [[1, 0.1, 0], [0.75, 0.7, 0], [0, 0.1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    red, blue = (("red", 1.0),), (("blue", 1.0),)
    seen = Seen(seen.items, seen.vectors, [], [red, red, blue, red, red, red])
    task = Task("t", "told", seen.items, np.arange(3), np.arange(3, 6), product=True)
    # The sum is lead + agreement: about 0.9 + 1, 0.05 + 1 (to a, which is wrong), 0.9 + 0; leads count to 0.3.
    card = ExactCard(0.0, 1.0, 1.0, 0.0, least=1.2, least_on_page=9.0, colour_unknown=0.0, same_picture=1.1)
    found = retrieval_report.judge(task, seen, ExactRule(0.5, card)).sureness
    assert found is not None
    assert found.values == pytest.approx([1.3, 1.04, 0.3], abs=0.03)
    assert (found.precision, found.threshold) == (pytest.approx([1, 1 / 2, 2 / 3]), 1.2)
    precision, recall = found.served
    assert (precision.value, recall.value) == (1.0, pytest.approx(1 / 3))
    assert recall.low < 1 / 3 < recall.high


def test_pictures_that_cannot_be_read_drop_out_of_both_sides() -> None:
    seen = made_up("aab", [[1, 0], [1, 0.1], [0, 1]])
    lost = Item(Path("lost.jpg"), "a")
    task = Task("t", "told", [lost, *seen.items], np.array([0, 1]), np.array([2, 3]), product=True)
    found = retrieval_report.judge(task, Seen(seen.items, seen.vectors, [(lost, "cut short")]))
    assert (found.figures["cosine"].queries, found.figures["cosine"].gallery, found.unread) == (1, 2, 1)


@pytest.mark.parametrize("name", ["products", "classes"])
def test_a_users_folders_become_tasks(draw: Draw, tmp_path: Path, name: str) -> None:
    if name == "products":
        for file in ("mug/studio/a.jpg", "mug/photos/b.jpg", "jar/studio/c.jpg", "jar/photos/d.jpg"):
            draw(file)
    else:
        for file in ("train/mug/a.jpg", "train/jar/c.jpg", "val/mug/b.jpg", "val/jar/d.jpg"):
            draw(file)
    [task] = tasks.tasks(tmp_path, most=0)
    assert task.product is (name == "products")
    assert [task.items[index].path.name for index in task.queries] == ["d.jpg", "b.jpg"]
    assert [task.items[index].path.name for index in task.gallery] == ["c.jpg", "a.jpg"]
