"""One embedder on one task: figures by both distances, how sure `exact` is, what is confused, examples to look at."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.search.exactness import ExactRule, agreement_of, logit
from workers.training.judging import ranking
from workers.training.judging.intervals import Measured, wilson
from workers.training.judging.ranking import Distance, RankingFigures
from workers.training.judging.seeing import Item, Seen
from workers.training.judging.tasks import Task

MOST_AT = max(*ranking.AT, *ranking.TOPS)
SHOWN = 5
EXAMPLES = 8
PAIRS = 12


@dataclass(frozen=True)
class Answer:
    item: Item
    score: float
    right: bool


@dataclass(frozen=True)
class Example:
    """A query and its nearest five."""

    query: Item
    answers: list[Answer]


@dataclass(frozen=True)
class PerName:
    name: str
    queries: int
    top1: Measured


@dataclass(frozen=True)
class Sureness:
    """From best matches, surest first: at each value, how many are right and which share of queries is answered. The
    value is what the rule compares with its threshold: `by` says which. `served`: precision and recall of the matches
    that the rule itself calls exact."""

    by: str
    values: list[float]
    precision: list[float]
    recall: list[float]
    threshold: float
    served: tuple[Measured, Measured]


@dataclass(frozen=True)
class Judged:
    """A task's whole result; `figures` by distance."""

    task: Task
    figures: dict[Distance, RankingFigures]
    names: list[PerName]
    confused: list[tuple[str, str, int]]
    misses: list[Example]
    hits: list[Example]
    sureness: Sureness | None
    unread: int


def judge(task: Task, seen: Seen, rule: ExactRule | None = None, seed: int = 0) -> Judged:
    """`rule`: when the service says exact; for tasks in which that means something, with `seen.colours`."""
    row = {id(item): number for number, item in enumerate(seen.items)}
    asking = [index for index in task.queries if id(task.items[index]) in row]
    answering = [index for index in task.gallery if id(task.items[index]) in row]
    queries = np.array([row[id(task.items[index])] for index in asking], np.intp)
    gallery = np.array([row[id(task.items[index])] for index in answering], np.intp)
    names = np.array([item.name for item in seen.items])
    same = np.arange(len(queries)) if task.others else None
    relevant = (names[gallery][None, :] == names[queries][:, None]).sum(1) - (0 if same is None else 1)
    found: dict[Distance, RankingFigures] = {}
    for distance in ranking.DISTANCES:
        near = ranking.nearest(seen.vectors[queries], seen.vectors[gallery], MOST_AT, distance=distance, same=same)
        hits = names[gallery][near.order] == names[queries][:, None]
        found[distance] = ranking.figures(hits, relevant, len(gallery))
        if distance == "cosine":
            cosine, right = near, hits
    usable = np.flatnonzero(relevant > 0)
    items = np.array([seen.items[index] for index in gallery], object)
    examples = [
        Example(
            seen.items[queries[index]],
            [
                Answer(item, float(score), bool(hit))
                for item, score, hit in zip(
                    items[cosine.order[index, :SHOWN]], cosine.scores[index], right[index], strict=False
                )
            ],
        )
        for index in usable
    ]
    best = cosine.scores[usable, 0]
    first = right[usable, 0]
    return Judged(
        task=task,
        figures=found,
        names=per_name(names[queries][usable], first),
        confused=confusions(names[queries][usable], names[gallery][cosine.order[usable, 0]]),
        misses=_chosen(examples, ~first, np.argsort(-best, kind="stable")),
        hits=_chosen(examples, first, np.random.default_rng(seed).permutation(len(usable))),
        sureness=None
        if rule is None or not len(usable)
        else sureness(seen, queries[usable], gallery, None if same is None else same[usable], first, rule),
        unread=len(seen.unread),
    )


def _chosen(examples: Sequence[Example], wanted: NDArray[np.bool_], order: NDArray[np.intp]) -> list[Example]:
    """The first few of `order` that are wanted, no name twice while there are others."""
    picked: list[Example] = []
    rest: list[Example] = []
    for index in order:
        if wanted[index]:
            known = {example.query.name for example in picked}
            (rest if examples[index].query.name in known else picked).append(examples[index])
    return [*picked, *rest][:EXAMPLES]


def per_name(names: NDArray[np.str_], right: NDArray[np.bool_]) -> list[PerName]:
    """Worst first."""
    rows = [
        PerName(
            str(name), int((names == name).sum()), wilson(int(right[names == name].sum()), int((names == name).sum()))
        )
        for name in np.unique(names)
    ]
    return sorted(rows, key=lambda line: (line.top1.value, -line.queries, line.name))


def confusions(truth: NDArray[np.str_], taken_for: NDArray[np.str_]) -> list[tuple[str, str, int]]:
    """What is most often taken for what."""
    wrong = truth != taken_for
    pairs = Counter(zip(truth[wrong].tolist(), taken_for[wrong].tolist(), strict=True))
    return [(one, other, count) for (one, other), count in pairs.most_common(PAIRS)]


def sureness(
    seen: Seen,
    queries: NDArray[np.intp],
    gallery: NDArray[np.intp],
    same: NDArray[np.intp] | None,
    right: NDArray[np.bool_],
    rule: ExactRule,
) -> Sureness:
    """`right`: is the nearest of each query its product. `same`: the query's own place in the gallery."""
    names = np.array([seen.items[row].name for row in gallery])
    near = ranking.unit(seen.vectors[queries]) @ ranking.unit(seen.vectors[gallery]).T
    if same is not None:
        near[np.arange(len(same)), same] = -1
    best = near.argmax(1)
    values, said = [], []
    for query, place, scores in zip(queries, best, near, strict=True):
        others = scores[names != names[place]]
        margin = float(scores[place] - others.max()) if len(others) else None
        agreement = agreement_of(seen.colours[query], seen.colours[gallery[place]])
        cosine = float(scores[place])
        values.append(logit(rule.card, cosine, margin or 0.0, agreement) if rule.card else cosine)
        said.append(rule.is_exact(cosine, margin, agreement))
    order = np.argsort(-np.array(values), kind="stable")
    rights = right[order].cumsum()
    hits = int((right & said).sum())
    return Sureness(
        by="likeness, lead and colours" if rule.card else "cosine of the best match",
        values=[values[index] for index in order],
        precision=(rights / np.arange(1, len(order) + 1)).tolist(),
        recall=(rights / len(order)).tolist(),
        threshold=rule.card.least if rule.card else rule.threshold,
        served=(wilson(hits, sum(said)), wilson(hits, len(order))),
    )
