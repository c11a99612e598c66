"""Writes an evaluation as one HTML file with everything inside: figures, curves, pictures. Nothing is fetched."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from api.vision.service import Eyes
from workers.training import charts
from workers.training.judging.evaluation import Evaluation
from workers.training.judging.intervals import Measured
from workers.training.judging.marks import ALARMS, MISSES, Mark, Photo, total
from workers.training.judging.retrieval_report import Example, Judged, Sureness
from workers.training.judging.thumbnails import Thumbnails

TEMPLATES = Path(__file__).with_name("templates")
QUERY_SIDE, ANSWER_SIDE, PHOTO_SIDE = 132, 108, 380
CURVE_POINTS = 200
CAPTION, LETTER = 14.0, 7.4
SIGNS = {"hit": "✓", "missed": "○", "false": "✗"}


@dataclass(frozen=True)
class Thumbnail:
    url: str
    width: int
    height: int


def write(found: Evaluation, eyes: Eyes, path: Path, *, now: datetime | None = None) -> Path:
    """`path` is whole or as it was before."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    small = Thumbnails(eyes)
    environment.filters.update(percent=percent, interval=interval, bar=bar, ms=ms)
    text = environment.get_template("evaluation.html").render(
        found=found,
        data=found.data.name,
        written_at=(now or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC"),
        sureness=lambda judged: Markup(sureness_chart(judged)),  # noqa: S704 - our own SVG; texts in it are escaped
        example=lambda example: _example(example, small),
        photo=lambda photo: _photo(photo, small),
        signs=SIGNS,
        misses=MISSES,
        alarms=ALARMS,
        total=total,
        best=best_of,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".writing")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
    return path


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def interval(measured: Measured) -> str:
    return f"{100 * measured.low:.1f}–{100 * measured.high:.1f}"


def ms(measured: Measured) -> str:
    return f"{measured.value:.0f} ms ({measured.low:.0f}–{measured.high:.0f})"


def bar(measured: Measured, width: int = 120) -> Markup:
    """The value as a bar, its interval as a whisker; the numbers stand beside it, so it says nothing to a reader."""
    value, low, high = (
        round(width * min(max(part, 0), 1), 1) for part in (measured.value, measured.low, measured.high)
    )
    return Markup(  # noqa: S704 - numbers alone
        f'<svg class="bar" viewBox="0 0 {width} 14" width="{width}" height="14" aria-hidden="true">'
        f'<rect width="{width}" height="14" class="rail"/><rect width="{value}" height="14" class="fill"/>'
        f'<path d="M{low} 7H{high}M{low} 3V11M{high} 3V11" class="whisker"/></svg>'
    )


def best_of(values: Sequence[float]) -> float:
    return max(values, default=0.0)


def sureness_chart(judged: Judged) -> str:
    sure: Sureness | None = judged.sureness
    if sure is None:
        return ""
    step = max(len(sure.values) // CURVE_POINTS, 1)
    rows = list(zip(sure.values, sure.precision, sure.recall, strict=True))[::step][::-1]
    drawn = [
        charts.Curve("precision", [(value, precision) for value, precision, _ in rows]),
        charts.Curve("recall", [(value, recall) for value, _, recall in rows]),
    ]
    title = f"How sure a best match is: {judged.task.title}"
    mark = (sure.threshold, f"threshold {sure.threshold:.3f}")
    return charts.curves(title, drawn, x=sure.by, y="share", whole=True, mark=mark)


def _example(example: Example, small: Thumbnails) -> dict[str, Any]:
    return {
        "query": Thumbnail(*small.url(example.query.path, QUERY_SIDE, example.query.box)),
        "name": example.query.name,
        "answers": [
            {
                "picture": Thumbnail(*small.url(answer.item.path, ANSWER_SIDE, answer.item.box)),
                "name": answer.item.name,
                "score": answer.score,
                "right": answer.right,
            }
            for answer in example.answers
        ],
    }


def _photo(photo: Photo, small: Thumbnails) -> dict[str, Any]:
    picture = Thumbnail(*small.url(photo.path, PHOTO_SIDE))
    taken: list[tuple[float, float, float]] = []
    return {"picture": picture, "marks": [_mark(mark, picture, taken) for mark in photo.marks], "name": photo.path.name}


def _mark(mark: Mark, picture: Thumbnail, taken: list[tuple[float, float, float]]) -> dict[str, Any]:
    """In pixels of the thumbnail. `taken`: x, y and width of the captions so far; none covers another."""
    x, y = mark.box.x * picture.width, mark.box.y * picture.height
    caption = f"{SIGNS[mark.kind]} {mark.label}"
    if mark.taken_for:
        caption += f" → {mark.taken_for}"
    room = LETTER * len(caption) + 8
    across = max(min(x, picture.width - room), 0)
    place = _free(across, max(y - CAPTION, 0), room, picture.height, taken)
    taken.append((across, place, room))
    return {
        "kind": mark.kind,
        "x": x, "y": y, "w": mark.box.w * picture.width, "h": mark.box.h * picture.height,
        "caption": caption,
        "room": room,
        "caption_x": across,
        "caption_y": place,
    }  # fmt: skip


def _free(x: float, y: float, room: float, height: int, taken: Sequence[tuple[float, float, float]]) -> float:
    """The nearest height, from `y` down and then up, at which a caption covers no other."""
    steps = [y + step * (CAPTION + 1) for step in range(12)] + [y - step * (CAPTION + 1) for step in range(1, 12)]
    for place in steps:
        inside = 0 <= place <= height - CAPTION
        clear = all(abs(place - b) >= CAPTION or x >= a + c or a >= x + room for a, b, c in taken)
        if inside and clear:
            return place
    return y
