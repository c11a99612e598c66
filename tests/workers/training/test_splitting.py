"""Splits: every class on both sides, products held out whole, the same for the same seed."""

from pathlib import Path

import pytest

from workers.training.own.problem import DataProblem
from workers.training.own.samples import Part, Sample
from workers.training.own.splitting import divide, hold_out


def some(label: str, count: int, part: Part = "") -> list[Sample]:
    return [Sample(Path(f"{label}-{number}.jpg"), label, part) for number in range(count)]


def test_small_classes_are_judged_too_and_a_class_of_one_is_learnt() -> None:
    division = divide([*some("many", 100), *some("few", 3), *some("one", 1)], 0.15, seed=1)
    judged = [sample.label for sample in division.validation]
    assert (judged.count("many"), judged.count("few"), judged.count("one")) == (15, 1, 0)
    assert len(division.train) + len(division.validation) == 104
    assert not set(division.train) & set(division.validation)


def test_the_same_seed_splits_alike_whatever_the_order_and_another_one_does_not() -> None:
    samples = some("a", 40)
    first = divide(samples, 0.2, seed=1).validation
    assert divide(samples, 0.2, seed=1).validation == first
    assert divide(samples, 0.2, seed=2).validation != first
    # another class beside it changes nothing for this one
    with_more = divide([*some("b", 7), *samples], 0.2, seed=1).validation
    assert [sample for sample in with_more if sample.label == "a"] == first


def test_a_users_split_is_kept_and_the_test_part_never_seen() -> None:
    samples = [*some("a", 5, "train"), *some("a2", 2, "val"), *some("a", 4, "test")]
    division = divide(samples, 0.5, seed=1)
    assert {s.part for s in division.train} == {"train"}
    assert {s.part for s in division.validation} == {"val"}
    # without a validation part one comes out of train, not out of test
    division = divide([*some("a", 10, "train"), *some("a", 4, "test")], 0.3, seed=1)
    assert {s.part for s in [*division.train, *division.validation]} == {"train"}
    assert len(division.validation) == 3


def test_products_are_held_out_whole() -> None:
    samples = [sample for number in range(20) for sample in some(f"p{number}", 4)] + some("lonely", 1)
    division = hold_out(samples, 0.2, seed=3)
    held = {sample.label for sample in division.validation}
    assert len(held) == 4
    assert not held & {sample.label for sample in division.train}
    # a product of one picture cannot ask for its like
    assert "lonely" not in held


@pytest.mark.parametrize(("products", "held"), [(2, 1), (3, 1), (4, 2), (8, 2), (40, 6)])
def test_of_few_products_two_judge_where_two_are_left_to_learn(products: int, held: int) -> None:
    samples = [sample for number in range(products) for sample in some(f"p{number}", 3)]
    division = hold_out(samples, 0.15, seed=1)
    assert len({sample.label for sample in division.validation}) == held
    assert len({sample.label for sample in division.train}) == products - held


def test_classes_of_one_picture_each_cannot_be_judged() -> None:
    with pytest.raises(DataProblem, match="single picture"):
        divide([*some("a", 1), *some("b", 1)], 0.2, seed=1)
