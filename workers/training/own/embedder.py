"""`shoplight train embedder FOLDER`: vectors that find one's own products again, new ones included."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.training.judging import ranking
from workers.training.own import exporting, fitting
from workers.training.own.course import Choices, Course
from workers.training.own.folders import product_folders
from workers.training.own.progress import Teller, counted
from workers.training.own.samples import Sample
from workers.training.own.splitting import by_label, hold_out
from workers.training.own.vector_network import VectorNetwork
from workers.training.retrieval import Threshold, exact_threshold

AT = 10
# Pictures of known products among which those that were held out must be found.
CROWD = 500


def train_own_embedder(data: Path, choices: Choices, teller: Teller) -> dict[str, Any]:
    """Train, export, judge the exported files on products that were held out; returns what to tell."""
    course = Course("embedder", data, product_folders(data), choices, teller)
    division = hold_out(course.samples, choices.validation, choices.seed)
    names, held = list(by_label(division.train)), by_label(division.validation)
    teller.say(f"{counted(len(names), 'product')} to train on, {len(held)} held out to judge by")
    feeder = course.feeder(names)
    crowd = division.train[:: -(-len(division.train) // CROWD)]
    judged, asking = [*division.validation, *crowd], len(division.validation)

    def judge(network: VectorNetwork) -> dict[str, float]:
        return figures(fitting.predicted(network, feeder, judged, course.device)[0], judged, asking)

    network, state = course.train(names, division.train, judge, grouped=True)
    files = exporting.export(network, "embedder", choices.out, course.side, division.train)
    found: dict[str, dict[str, float]] = {}
    exact: dict[str, Threshold] = {}
    for name in ("fp32", "int8"):
        vectors = exporting.vectors(files, name, judged, course.side)
        found[name], exact[name] = figures(vectors, judged, asking), threshold(vectors, judged, asking)
    default = exporting.better(found, f"map{AT}")
    card = exporting.write_card(files, course.side, found, exact, default, trained=course.told())
    told = {**found, "exact": {"precision": exact[default].precision, "coverage": exact[default].coverage}}
    return course.report(card, default, state, told, f"map{AT}", asking)


def figures(vectors: NDArray[np.float32], samples: Sequence[Sample], held: int) -> dict[str, float]:
    """mAP@10 and top-1 of finding another picture of each product, or its studio picture by its photo: the first `held`
    rows ask, every row may answer."""
    names = np.array([sample.label for sample in samples])
    asking, answering = _roles(samples, held)
    # Where a picture may answer, too, it does not find itself.
    place = {row: number for number, row in enumerate(answering.tolist())}
    itself = np.array([place.get(row, -1) for row in asking.tolist()], np.intp)
    same = itself if (itself >= 0).any() else None
    found = ranking.nearest(vectors[asking], vectors[answering], AT, distance="cosine", same=same)
    hits = names[answering][found.order] == names[asking][:, None]
    relevant = (names[answering][None, :] == names[asking][:, None]).sum(1) - (itself >= 0)
    judged = relevant > 0
    if not judged.any():
        return {f"map{AT}": 0.0, "top1": 0.0}
    precisions = ranking.average_precisions(hits[judged], relevant[judged], AT)
    return {f"map{AT}": float(precisions.mean()), "top1": float(hits[judged, 0].mean())}


def threshold(vectors: NDArray[np.float32], samples: Sequence[Sample], held: int) -> Threshold:
    """The exact threshold: the first `held` rows, never trained on, ask; every other row may answer."""
    names = np.array([sample.label for sample in samples])
    asking, answering = _roles(samples, held)
    scores = vectors[asking] @ vectors[answering].T
    scores[asking[:, None] == answering[None, :]] = -1
    right = names[answering][scores.argmax(1)] == names[asking]
    return exact_threshold(np.asarray(scores.max(1), np.float32), right)


def _roles(samples: Sequence[Sample], held: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows that ask and rows that answer: photos ask the studio pictures where there are both, else all ask all."""
    studio = np.array([sample.studio for sample in samples], bool)
    rows = np.arange(len(samples))
    if studio.any() and not studio.all():
        return rows[:held][~studio[:held]], rows[studio]
    return rows[:held], rows
