"""`shoplight train classifier`: one class a picture, from folders or DeepFashion's lists."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.training import charts
from workers.training.judging.intervals import wilson
from workers.training.own import exporting, fitting
from workers.training.own.course import Choices, Course
from workers.training.own.deepfashion import deepfashion, is_deepfashion
from workers.training.own.folders import class_folders
from workers.training.own.progress import Teller
from workers.training.own.samples import Sample
from workers.training.own.splitting import by_label, divide
from workers.training.own.vector_network import VectorNetwork
from workers.training.retrieval import Threshold, exact_threshold

RARE = 10


def train_classifier(data: Path, choices: Choices, teller: Teller) -> dict[str, Any]:
    """Train, export, judge the exported files; returns what to tell. Everything lies under `choices.out`."""
    samples = deepfashion(data) if is_deepfashion(data) else class_folders(data)
    course = Course("classifier", data, samples, choices, teller)
    division = divide(course.samples, choices.validation, choices.seed)
    names = list(by_label(division.train))
    judged = [sample for sample in division.validation if sample.label in set(names)]
    _tell_balance(division.train, teller)
    feeder = course.feeder(names)

    def judge(network: VectorNetwork) -> dict[str, float]:
        _, logits = fitting.predicted(network, feeder, judged, course.device)
        return figures(logits, feeder.numbers(judged))

    network, state = course.train(names, division.train, judge, grouped=False)
    files = exporting.export(network, "classifier", choices.out, course.side, _calibration(division.train), names)
    truth = feeder.numbers(judged)
    judged_files: dict[str, dict[str, float]] = {}
    exact: dict[str, Threshold] = {}
    for name, model in (("fp32", files.fp32), ("int8", files.int8)):
        probabilities = exporting.outputs(model, judged, course.side)[1]
        judged_files[name] = figures(probabilities, truth)
        exact[name] = exact_threshold(*_nearest(exporting.vectors(files, name, judged, course.side), truth))
        if name == "fp32":
            choices.out.joinpath("confusion.svg").write_text(_confusion(truth, probabilities, names), encoding="utf-8")
    default = exporting.better(judged_files, "top1")
    card = exporting.write_card(files, course.side, judged_files, exact, default, labels=names, trained=course.told())
    interval = wilson(round(judged_files["fp32"]["top1"] * len(judged)), len(judged))
    told = {**judged_files, "top1_interval": [interval.low, interval.high]}
    return course.report(card, default, state, told, "top1", len(judged))


def figures(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> dict[str, float]:
    """Balanced first: where one class has most pictures, plain accuracy rewards naming it always."""
    order = np.argsort(-scores, axis=1, kind="stable")
    right = order[:, 0] == truth
    recalls = [right[truth == label].mean() for label in np.unique(truth)]
    return {
        "balanced": float(np.mean(recalls)),
        "top1": float(right.mean()),
        "top3": float((order[:, :3] == truth[:, None]).any(1).mean()),
        "top5": float((order[:, :5] == truth[:, None]).any(1).mean()),
    }


def _nearest(vectors: NDArray[np.float32], truth: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Each picture's nearest other: the cosine, and whether it is of its class."""
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -1)
    return np.asarray(scores.max(1), np.float32), truth[scores.argmax(1)] == truth


def _confusion(truth: NDArray[np.int64], scores: NDArray[np.float32], names: Sequence[str]) -> str:
    matrix = np.zeros((len(names), len(names)), np.intp)
    np.add.at(matrix, (truth, scores.argmax(1)), 1)
    return charts.confusion("Confusion on the validation part", matrix, names)


def _calibration(samples: Sequence[Sample]) -> list[Sample]:
    """Every class in turn, so that the ranges are not those of the largest alone."""
    groups = list(by_label(samples).values())
    longest = max(len(group) for group in groups)
    return [group[turn] for turn in range(longest) for group in groups if turn < len(group)]


def _tell_balance(samples: Sequence[Sample], teller: Teller) -> None:
    counts = Counter(sample.label for sample in samples).most_common()
    (most, largest), (least, smallest) = counts[0], counts[-1]
    teller.say(
        f"{len(counts)} classes, {len(samples):,} pictures to train on: most of {most} ({largest:,}), "
        f"fewest of {least} ({smallest:,})"
    )
    rare = [name for name, count in counts if count < RARE]
    if rare:
        teller.say(f"fewer than {RARE} pictures each: {', '.join(rare[:8])}" + (" and others" if rare[8:] else ""))
