"""Which of a user's pictures train and which judge, where the user has not said so: seeded, fair to small classes."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from workers.training.own.problem import DataProblem
from workers.training.own.samples import Sample

T = TypeVar("T")


@dataclass(frozen=True)
class Division:
    train: list[Sample]
    validation: list[Sample]


def by_label(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.label].append(sample)
    return dict(sorted(groups.items()))


def divide(samples: Sequence[Sample], share: float, seed: int) -> Division:
    """The user's own split where there is one (its test part is left for `evaluate`), else `share` of every class."""
    train = [sample for sample in samples if sample.part == "train"]
    validation = [sample for sample in samples if sample.part == "val"]
    if train and validation:
        return Division(train, validation)
    chosen = Division([], [])
    for name, members in by_label(train or samples).items():
        shuffled = _shuffled(members, seed, name)
        # A class of one is learnt, not judged: it cannot be both.
        kept = min(max(round(len(shuffled) * share), 1), len(shuffled) - 1)
        chosen.validation.extend(shuffled[:kept])
        chosen.train.extend(shuffled[kept:])
    if not chosen.validation:
        raise DataProblem("every class has a single picture; at least one needs two, to judge by")
    return chosen


def hold_out(samples: Sequence[Sample], share: float, seed: int) -> Division:
    """Whole products are held out: what an embedder is for is products that it has never seen."""
    products = by_label(samples)
    judged = [name for name, members in products.items() if len(members) > 1]
    # One product alone would say little: two are held out where as many are left to learn from.
    held = set(_shuffled(judged, seed, "products")[: max(round(len(judged) * share), min(len(judged) // 2, 2))])
    return Division(
        train=[sample for sample in samples if sample.label not in held],
        validation=[sample for sample in samples if sample.label in held],
    )


def _shuffled(items: Sequence[T], seed: int, name: str) -> list[T]:
    copy = list(items)
    random.Random(f"{seed}:{name}").shuffle(copy)  # noqa: S311 - a repeatable choice, nothing secret
    return copy
