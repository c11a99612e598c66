"""Fits the pattern model (api/vision/pattern_model.py) to labelled photographs and drawn garments:
`python -m workers.training.attributes <data> <labels.json>... [--write]`. Labels: looks.json and patterns.json in
tests/api/vision say how."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from api.vision import pattern
from api.vision.attributes import separated, surface
from api.vision.crops import Context, Pixels, crops
from api.vision.crops import scaled as scaled_place
from api.vision.ground import Rectangle
from api.vision.pattern import NAMED, measures_of
from api.vision.pattern_model import MEASURES
from api.vision.picture import Box, Picture
from workers.training.drawn_garments import any_drawing, drawn
from workers.training.small_network import Table, certainty, fitted, scaled
from workers.training.split import bucket

WORN = ("top", "outerwear", "dress", "pants", "shorts", "skirt")
CLASSES = (*WORN, "footwear", "bag", "eyewear", "headwear", "belt", "scarf")
MODEL = Path(pattern.__file__).with_name("pattern_model.py")
DRAWN_A_KIND, DRAWN_WEIGHT, VIEW_WEIGHT = 60, 0.3, 0.5
# Labels were sought among what is hard to tell, where plain things are rarer than they are elsewhere.
KIND_WEIGHTS = {"plain": 1.4, "dotted": 2.0}
NEARER, FURTHER = 1.25, 0.8
PARTS = 5  # of the photographs, each judged by what was fitted to the others
LEAST_CERTAINTY = 0.5
A_LINE = 12  # numbers on a line of the model
NAMES = [str(name) for name in NAMED]
Row = dict[str, Any]


def rows_in(labels: Path) -> list[Row]:
    """Of a file with a row a thing, or of one with names by pattern (`fitted` and `held`)."""
    read = json.loads(labels.read_text())
    if "rows" in read:
        return [row for row in read["rows"] if "pattern" in row]
    return [
        {"picture": picture, "pattern": kind, "held": part == "held"} | ({"object": int(place)} if place else {})
        for part in ("fitted", "held")
        for kind, names in read[part].items()
        for picture, _, place in (name.partition("#") for name in names)
    ]


def crop_of(data: Path, row: Row) -> tuple[Pixels, Context]:
    """A labelled thing on its photograph, among the others whose boxes are known there."""
    path = data / row["picture"]
    read = cv2.imread(str(path))
    if read is None:
        raise FileNotFoundError(path)
    pixels = np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)
    picture = Picture(pixels.shape[1], pixels.shape[0], pixels)
    if "object" not in row:
        return crops(picture, None, [None])[0]
    lines = (data / "streetstyle" / "labels" / Path(row["picture"]).with_suffix(".txt").name).read_text().splitlines()
    found = [line.split() for line in lines]
    places = [[float(each) for each in line[1:]] for line in found]
    boxes = [Box(x - w / 2, y - h / 2, w, h) for x, y, w, h in places]
    at: int = row["object"]
    return crops(picture, boxes, [CLASSES[int(line[0])] for line in found])[at]


def measured(pixels: Pixels, context: Context) -> Table | None:
    """What the model judges by."""
    _, weights = separated(pixels, context)
    return measures_of(*surface(pixels, weights))


def views(pixels: Pixels, context: Context) -> list[tuple[Pixels, Context]]:
    """The crop, and how it would look from nearer, from further away, and in a mirror in dimmer light."""
    found = [(pixels, context)]
    for scale in (FURTHER, NEARER):
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        other = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=way), np.uint8)
        inner, *others = (scaled_place(each, scale, other) for each in (context.inner, *context.others))
        found.append((other, replace(context, inner=inner, others=tuple(others))))
    dimmer = np.clip((pixels[:, ::-1].astype(np.float32) - 128) * 0.75 + 118, 0, 255).astype(np.uint8)
    inner, *others = (_mirrored(each, pixels.shape[1]) for each in (context.inner, *context.others))
    return [*found, (dimmer, replace(context, inner=inner, others=tuple(others)))]


def _mirrored(place: Rectangle, wide: int) -> Rectangle:
    left, top, right, bottom = place
    return wide - right, top, wide - left, bottom


def examples(data: Path, rows: list[Row]) -> tuple[Table, NDArray[np.intp], Table, NDArray[np.intp]]:
    """Measures, kinds, weights and parts: of the labelled photographs that are not held back, which fall into parts by
    name so that each can be judged by a model that has not seen it, and of drawn garments (part -1)."""
    found: list[tuple[Table | None, str, float, int]] = []
    for row in rows:
        if not row["held"]:
            part = bucket(row["picture"]) % PARTS
            for at, view in enumerate(views(*crop_of(data, row))):
                found.append((measured(*view), row["pattern"], VIEW_WEIGHT if at else 1.0, part))
    for kind in NAMES:
        for seed in range(DRAWN_A_KIND):
            pixels = drawn(any_drawing(kind, seed))
            crop = crops(Picture(pixels.shape[1], pixels.shape[0], pixels), None, [None])[0]
            found.append((measured(*crop), kind, DRAWN_WEIGHT, -1))
    seen = [
        (numbers, NAMES.index(kind), weight * KIND_WEIGHTS.get(kind, 1.0), part)
        for numbers, kind, weight, part in found
        if numbers is not None
    ]
    measures, kinds, weights, parts = zip(*seen, strict=True)
    return np.array(measures), np.array(kinds, np.intp), np.array(weights), np.array(parts, np.intp)


def crossed(inputs: Table, kinds: NDArray[np.intp], weights: Table, parts: NDArray[np.intp]) -> NDArray[np.intp]:
    """How photographs (a row a pattern) are told (a column each, then unknown) by models fitted to the other parts."""
    told = np.zeros((len(NAMES), len(NAMES) + 1), np.intp)
    whole = weights >= np.array([KIND_WEIGHTS.get(name, 1.0) for name in NAMES])[kinds]  # no further views, no drawings
    for part in range(PARTS):
        judged = (parts == part) & whole
        sure = certainty(inputs[judged], fitted(inputs[parts != part], kinds[parts != part], weights[parts != part]))
        best = np.where(sure.max(axis=1) >= LEAST_CERTAINTY, sure.argmax(axis=1), len(NAMES))
        np.add.at(told, (kinds[judged], best), 1)
    return told


def written(means: Table, spreads: Table, layers: tuple[Table, Table]) -> str:
    """The model as a module: numbers that a person can compare, and no file to be read at start."""

    def lines(values: Table) -> str:
        parts = [values[start : start + A_LINE] for start in range(0, len(values), A_LINE)]
        return ",\n     ".join(", ".join(f"{value:.3f}" for value in part) for part in parts)

    def rows(table: Table) -> str:
        return "".join(f"    [{lines(row)}],\n" for row in table)

    return f'''"""The numbers by which patterns are told (pattern.py), written by workers/training/attributes.py."""

import numpy as np

MEASURES = (
{"".join(f'    "{name}",{chr(10)}' for name in MEASURES)})
LEAST_CERTAINTY = {LEAST_CERTAINTY}  # below, the answer is unknown
# fmt: off
MEANS = np.array(
    [{lines(means)}])
SPREADS = np.array(
    [{lines(spreads)}])
# a row a measure, the last for an offset; a column a hidden unit
HIDDEN = np.array([
{rows(layers[0])}])
# a row a hidden unit, the last for an offset; the columns are {", ".join(NAMES)}
WEIGHTS = np.array([
{rows(layers[1])}])
# fmt: on
'''


def main() -> None:
    """Fit, tell how well photographs are told by models that have not seen them, and write the model if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("labels", type=Path, nargs="+")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    rows = [row for labels in given.labels for row in rows_in(labels)]
    measures, kinds, weights, parts = examples(given.data, rows)
    means, spreads = measures.mean(axis=0), measures.std(axis=0) + 1e-6
    inputs = scaled(measures, means, spreads)
    told = crossed(inputs, kinds, weights, parts)
    print(f"{int(told.trace())} of {int(told.sum())} photographs are told right; told as {NAMES}, unknown:")  # noqa: T201
    for name, row in zip(NAMES, told, strict=True):
        print(f"{name:>8} {row}")  # noqa: T201
    if given.write:
        MODEL.write_text(written(means, spreads, fitted(inputs, kinds, weights)))


if __name__ == "__main__":
    main()
