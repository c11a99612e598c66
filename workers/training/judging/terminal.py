"""An evaluation as tables for the terminal."""

from collections.abc import Iterator

from rich.table import Table

from workers.training.judging.detections import JudgedDetector
from workers.training.judging.evaluation import Evaluation
from workers.training.judging.intervals import Measured
from workers.training.judging.marks import ALARMS, MISSES
from workers.training.judging.ranking import DISTANCES, RankingFigures
from workers.training.judging.retrieval_report import Judged


def tables(found: Evaluation) -> Iterator[Table]:
    if found.detector:
        yield _detector(found.detector)
        yield _errors(found.detector)
    for judged in found.retrieval:
        yield _task(judged)
    if found.compared:
        yield _backbones(found)
    speed = Table("speed", "ms", title="Median (fastest–slowest), decode not counted", title_justify="left")
    speed.add_row("detector, a street photo", _ms(found.detector_ms))
    speed.add_row("embedder, 5 crops", _ms(found.embedder_ms))
    yield speed


def _said(measured: Measured) -> str:
    return f"{100 * measured.value:.1f} % ({100 * measured.low:.1f}–{100 * measured.high:.1f})"


def _ms(measured: Measured | None) -> str:
    return f"{measured.value:.0f} ({measured.low:.0f}–{measured.high:.0f})" if measured else ""


def _detector(found: JudgedDetector) -> Table:
    figures = found.figures
    title = f"Detector, {figures.pictures} photos: mAP50 {_said(found.map50)}, mAP50-95 {_said(found.map50_95)}"
    table = Table("label", "objects", "AP50", "AP50-95", "recall", "precision", title=title, title_justify="left")
    for line in found.labels:
        table.add_row(
            line.label, str(line.objects), _said(line.ap50), _said(line.ap50_95),
            _said(line.served_recall), _said(line.served_precision),
        )  # fmt: skip
    return table


def _errors(found: JudgedDetector) -> Table:
    columns = [*(f"missed: {why}" for why in MISSES), *(f"false: {why}" for why in ALARMS)]
    table = Table("label", *columns, title="Kinds of error, as served", title_justify="left")
    for line in found.errors:
        table.add_row(line.label, *(str(count) for count in [*line.missed, *line.false]))
    return table


def _task(judged: Judged) -> Table:
    first = judged.figures["cosine"]
    title = f"{judged.task.title}: {first.queries} queries, {first.gallery} possible answers"
    table = Table("figure", *DISTANCES, title=title, title_justify="left")
    for name, *measured in zip(_names(first), *(_all(judged.figures[d]) for d in DISTANCES), strict=True):
        table.add_row(str(name), *(_said(one) for one in measured))
    if judged.sureness:
        right, recall = judged.sureness.served
        told = f"precision {_said(right)} at recall {_said(recall)}"
        table.add_row("exact, as served", told, "")
    return table


def _names(figures: RankingFigures) -> list[str]:
    parts = (("top-", figures.top), ("precision@", figures.precision), ("recall@", figures.recall),
             ("mAP@", figures.mean_average_precision))  # fmt: skip
    return [f"{name}{number}" for name, found in parts for number in found]


def _all(figures: RankingFigures) -> list[Measured]:
    parts = (figures.top, figures.precision, figures.recall, figures.mean_average_precision)
    return [measured for found in parts for measured in found.values()]


def _backbones(found: Evaluation) -> Table:
    titles = [judged.task.title for judged in found.retrieval]
    table = Table("backbone", "weights", "numbers", "5 crops", *titles, title="Top-1 by cosine", title_justify="left")
    served = [_said(judged.figures["cosine"].top[1]) for judged in found.retrieval]
    table.add_row("served", found.files[1], str(found.dimensions), _ms(found.embedder_ms), *served)
    for one in found.compared:
        if one.problem:
            table.add_row(one.name, one.problem)
            continue
        row = [_said(judged.figures["cosine"].top[1]) for judged in one.tasks]
        table.add_row(one.name, one.weights, str(one.dimensions), _ms(one.crops_ms), *row)
    return table
