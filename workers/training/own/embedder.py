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
from workers.training.own.progress import Teller
from workers.training.own.samples import Sample
from workers.training.own.splitting import by_label, hold_out
from workers.training.own.vector_network import VectorNetwork
from workers.training.retrieval import Threshold, exact_threshold

AT = 10
# Known products among which the held-out ones must be found when the exact threshold is set.
CROWD = 1000


def train_own_embedder(data: Path, choices: Choices, teller: Teller) -> dict[str, Any]:
    """Train, export, judge the exported files on products that were held out; returns what to tell."""
    course = Course("embedder", data, product_folders(data), choices, teller)
    division = hold_out(course.samples, choices.validation, choices.seed)
    names, held = list(by_label(division.train)), by_label(division.validation)
    teller.say(f"{len(names)} products to train on, {len(held)} held out to judge by")
    feeder = course.feeder(names)

    def judge(network: VectorNetwork) -> dict[str, float]:
        vectors, _ = fitting.predicted(network, feeder, division.validation, course.device)
        return figures(vectors, division.validation)

    network, state = course.train(names, division.train, judge, grouped=True)
    files = exporting.export(network, "embedder", choices.out, course.side, division.train)
    judged: dict[str, dict[str, float]] = {}
    exact: dict[str, Threshold] = {}
    crowd = division.train[:: max(len(division.train) // CROWD, 1)][:CROWD]
    for name, model in (("fp32", files.fp32), ("int8", files.int8)):
        vectors = exporting.outputs(model, [*division.validation, *crowd], course.side)[0]
        judged[name] = figures(vectors[: len(division.validation)], division.validation)
        exact[name] = threshold(vectors, [*division.validation, *crowd], len(division.validation))
    default = exporting.better(judged, f"map{AT}")
    card = exporting.write_card(files, course.side, judged, exact, default, trained=course.told())
    told = {**judged, "exact": {"precision": exact[default].precision, "coverage": exact[default].coverage}}
    return course.report(card, default, state, told, f"map{AT}", len(division.validation))


def roles(samples: Sequence[Sample]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows that ask and rows that answer: photos ask the studio pictures where there are both, else all ask all."""
    studio = np.array([sample.studio for sample in samples], bool)
    if studio.any() and not studio.all():
        return np.flatnonzero(~studio), np.flatnonzero(studio)
    return np.arange(len(samples)), np.arange(len(samples))


def figures(vectors: NDArray[np.float32], samples: Sequence[Sample]) -> dict[str, float]:
    """mAP@10 and top-1 of finding each product's other pictures, or its studio pictures by its photos."""
    names = np.array([sample.label for sample in samples])
    asking, answering = roles(samples)
    itself = asking if len(asking) == len(answering) else None
    found = ranking.nearest(vectors[asking], vectors[answering], AT, distance="cosine", same=itself)
    hits = names[answering][found.order] == names[asking][:, None]
    relevant = (names[answering][None, :] == names[asking][:, None]).sum(1) - (0 if itself is None else 1)
    judged = relevant > 0
    if not judged.any():
        return {f"map{AT}": 0.0, "top1": 0.0}
    precisions = ranking.average_precisions(hits[judged], relevant[judged], AT)
    return {f"map{AT}": float(precisions.mean()), "top1": float(hits[judged, 0].mean())}


def threshold(vectors: NDArray[np.float32], samples: Sequence[Sample], held: int) -> Threshold:
    """The exact threshold: the first `held` rows, never trained on, ask; every other row may answer."""
    names = np.array([sample.label for sample in samples])
    asking, answering = roles(samples)
    asking = asking[asking < held]
    scores = vectors[asking] @ vectors[answering].T
    scores[asking[:, None] == answering[None, :]] = -1
    right = names[answering][scores.argmax(1)] == names[asking]
    return exact_threshold(np.asarray(scores.max(1), np.float32), right)
