"""Draws figures as SVG text: curves, a confusion matrix. No library, so that a report needs none.

Colour is never alone: curves differ in their dashes too, cells carry their number.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 36, 48
INK, FAINT, GROUND = "#1b1f24", "#d0d7de", "#ffffff"
STROKES = (("#0b62b8", ""), ("#b35900", "7 4"), ("#1a7f37", "2 3"), ("#8250df", "9 3 2 3"))
MOST_CLASSES = 60
CELL = 22


@dataclass(frozen=True)
class Curve:
    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    label: str
    low: float
    high: float
    log: bool = False

    def part(self, value: float) -> float:
        """Where a value stands, 0..1."""
        if self.log:
            return (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        if self.log:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            return [10.0**power for power in range(first, last + 1)]
        step = 10 ** math.floor(math.log10(self.high - self.low))
        step = next(step * part for part in (0.2, 0.5, 1, 2) if (self.high - self.low) / (step * part) <= 6)
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def curves(
    title: str,
    drawn: Sequence[Curve],
    *,
    x: str,
    y: str,
    log_x: bool = False,
    whole: bool = False,
    mark: tuple[float, str] | None = None,
) -> str:
    """`whole`: the y axis shows 0..1. `mark`: a value of x and what to say of it."""
    points = [(px, py) for curve in drawn for px, py in curve.points if math.isfinite(py)]
    if not points:
        return _document(title, WIDTH, HEIGHT, _text(WIDTH / 2, HEIGHT / 2, "nothing to draw", anchor="middle"))
    across = _axis(x, [px for px, _ in points], log=log_x)
    up = Axis(y, 0.0, 1.0) if whole else _axis(y, [py for _, py in points])
    parts = [_frame(across, up)]
    for curve, (colour, dashes) in zip(drawn, (STROKES * len(drawn))[: len(drawn)], strict=True):
        places = [_place(across, up, px, py) for px, py in curve.points if math.isfinite(py)]
        if not places:
            continue
        line = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" '
                     f'stroke-dasharray="{dashes}"/>')  # fmt: skip
        if len(places) <= 30:
            parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="2.5" fill="{colour}"/>' for px, py in places]
    if mark is not None and across.low <= mark[0] <= across.high:
        at = _place(across, up, mark[0], up.low)[0]
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{INK}" '
                     f'stroke-dasharray="3 3"/>')  # fmt: skip
        late = at > WIDTH * 0.6
        # Halfway down, where shares close to 1 do not run through it.
        parts.append(_text(at + (-6 if late else 6), HEIGHT / 2, mark[1], anchor="end" if late else "start", halo=True))
    parts.append(_legend([curve.name for curve in drawn]))
    return _document(title, WIDTH, HEIGHT, "".join(parts))


def range_test(rates: Sequence[float], losses: Sequence[float], suggested: float) -> str:
    """The loss at each rate tried, and the rate that it speaks for."""
    line = Curve("loss, smoothed", list(zip(rates, losses, strict=True)))
    mark = (suggested, f"suggested {suggested:.1e}")
    return curves("Learning-rate range test", [line], x="rate", y="loss", log_x=True, mark=mark)


def confusion(title: str, matrix: NDArray[np.intp], names: Sequence[str]) -> str:
    """Rows are what it is, columns what it was taken for; the classes with the most mistakes where there are many."""
    if len(names) > MOST_CLASSES:
        wrong = matrix.sum(1) + matrix.sum(0) - 2 * np.diag(matrix)
        chosen = np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])
        matrix, names = matrix[np.ix_(chosen, chosen)], [names[index] for index in chosen]
    margin = 16 + 7 * min(max((len(name) for name in names), default=0), 24)
    side = CELL * len(names)
    most = max(int(matrix.max(initial=0)), 1)
    parts = []
    for row, name in enumerate(names):
        middle = TOP + margin + CELL * row + CELL / 2
        short = name if len(name) <= 24 else name[:23] + "…"
        parts.append(_text(margin - 6, middle + 4, short, anchor="end"))
        parts.append(_text(0, 0, short, turn=(margin + CELL * row + CELL / 2 + 4, TOP + margin - 6)))
        for column, count in enumerate(matrix[row]):
            if not count:
                continue
            dark = float(count) / most
            colour = "#0b62b8" if row == column else "#b35900"
            x, y = margin + CELL * column, TOP + margin + CELL * row
            parts.append(f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" fill="{colour}" '
                         f'fill-opacity="{0.12 + 0.88 * dark:.2f}"/>')  # fmt: skip
            ink = "#ffffff" if dark > 0.5 else INK
            parts.append(_text(x + CELL / 2, y + 15, str(count), anchor="middle", size=10, ink=ink))
    parts.append(f'<rect x="{margin}" y="{TOP + margin}" width="{side}" height="{side}" fill="none" stroke="{INK}"/>')
    parts.append(_text(margin, TOP + margin + side + 18, "rows: what it is; columns: what it was taken for"))
    return _document(title, max(margin + side + 16, 380), TOP + margin + side + 28, "".join(parts))


def _axis(label: str, values: Sequence[float], *, log: bool = False) -> Axis:
    low, high = min(values), max(values)
    if log:
        return Axis(label, low, high if high > low else low * 10, log=True)
    room = (high - low) * 0.05 or abs(high) * 0.1 or 1.0
    return Axis(label, low - room if low else 0.0, high + room)


def _place(across: Axis, up: Axis, x: float, y: float) -> tuple[float, float]:
    return (
        LEFT + across.part(x) * (WIDTH - LEFT - RIGHT),
        HEIGHT - BOTTOM - min(max(up.part(y), 0), 1) * (HEIGHT - TOP - BOTTOM),
    )


def _frame(across: Axis, up: Axis) -> str:
    parts = []
    for tick in up.ticks():
        y = _place(across, up, across.low, tick)[1]
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{FAINT}"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{tick:.3g}", anchor="end"))
    for tick in across.ticks():
        x = _place(across, up, tick, up.low)[0]
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 5}" '
                     f'stroke="{INK}"/>')  # fmt: skip
        parts.append(_text(x, HEIGHT - BOTTOM + 18, f"{tick:.3g}", anchor="middle"))
    parts.append(f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="{INK}"/>')
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, across.label, anchor="middle"))
    parts.append(_text(0, 0, up.label, turn=(16, (TOP + HEIGHT - BOTTOM) / 2 + 20)))
    return "".join(parts)


def _legend(names: Sequence[str]) -> str:
    parts, x = [], float(LEFT)
    for name, (colour, dashes) in zip(names, (STROKES * len(names))[: len(names)], strict=True):
        parts.append(f'<line x1="{x:.0f}" x2="{x + 24:.0f}" y1="26" y2="26" stroke="{colour}" stroke-width="2" '
                     f'stroke-dasharray="{dashes}"/>')  # fmt: skip
        parts.append(_text(x + 30, 30, name))
        x += 48 + 7 * len(name)
    return "".join(parts)


def _text(
    x: float,
    y: float,
    said: str,
    *,
    anchor: str = "start",
    size: int = 12,
    ink: str = INK,
    turn: tuple[float, float] | None = None,
    halo: bool = False,
) -> str:
    placed = f'transform="translate({turn[0]:.1f} {turn[1]:.1f}) rotate(-90)"' if turn else f'x="{x:.1f}" y="{y:.1f}"'
    if halo:
        placed += f' stroke="{GROUND}" stroke-width="4" paint-order="stroke"'
    return f'<text {placed} text-anchor="{anchor}" font-size="{size}" fill="{ink}">{escape(said)}</text>'


def _document(title: str, width: float, height: float, inside: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" aria-label={quoteattr(title)} font-family="system-ui, sans-serif">'
        f'<rect width="100%" height="100%" fill="{GROUND}"/>'
        f"{_text(8, 15, title, size=13)}{inside}</svg>"
    )
