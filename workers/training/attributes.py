"""Fits the pattern model (api/vision/pattern_model.py) to labelled photographs and drawn garments:
`python -m workers.training.attributes <data> <labels.json> [--write]`. Labels: tests/api/vision/looks.json says how."""

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from api.vision import pattern
from api.vision.attributes import separated, surface
from api.vision.crops import Context, Pixels, crops
from api.vision.pattern import NAMED, measures_of
from api.vision.pattern_model import MEASURES
from api.vision.picture import Box, Picture
from workers.training.drawn_garments import any_drawing, drawn

WORN = ("top", "outerwear", "dress", "pants", "shorts", "skirt")
CLASSES = (*WORN, "footwear", "bag", "eyewear", "headwear", "belt", "scarf")
MODEL = Path(pattern.__file__).with_name("pattern_model.py")
DRAWN_A_KIND, DRAWN_WEIGHT = 60, 0.4
TURNS, STEP, MOMENTUM, DECAY = 4000, 0.3, 0.9, 0.003
LEAST_CERTAINTY = 0.5
Table = NDArray[np.float64]


def crop_of(data: Path, row: dict[str, Any]) -> tuple[Pixels, Context]:
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


def examples(data: Path, rows: list[dict[str, Any]]) -> tuple[Table, NDArray[np.intp], Table]:
    """Measures, kinds and weights: of the labelled photographs that are not held back, and of drawn garments."""
    names = [str(name) for name in NAMED]
    found: list[tuple[Table | None, str, float]] = [
        (measured(*crop_of(data, row)), row["pattern"], 1.0) for row in rows if "pattern" in row and not row["held"]
    ]
    for kind in names:
        for seed in range(DRAWN_A_KIND):
            pixels = drawn(any_drawing(kind, seed))
            crop = crops(Picture(pixels.shape[1], pixels.shape[0], pixels), None, [None])[0]
            found.append((measured(*crop), kind, DRAWN_WEIGHT))
    usable = [(measures, names.index(kind), weight) for measures, kind, weight in found if measures is not None]
    measures, kinds, weights = zip(*usable, strict=True)
    return np.array(measures), np.array(kinds, np.intp), np.array(weights)


def fitted(measures: Table, kinds: NDArray[np.intp], weights: Table) -> tuple[Table, Table, Table]:
    """Means, spreads and coefficients (measures + 1, kinds) of a multinomial logistic regression with L2 decay."""
    means, spreads = measures.mean(axis=0), measures.std(axis=0) + 1e-6
    inputs = np.c_[np.clip((measures - means) / spreads, -4, 4), np.ones(len(measures))]
    wanted = np.eye(len(NAMED))[kinds]
    found = np.zeros((inputs.shape[1], len(NAMED)))
    speed = np.zeros_like(found)
    for _ in range(TURNS):
        scores = inputs @ found
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        wrong = (raised / raised.sum(axis=1, keepdims=True) - wanted) * weights[:, None]
        slope = inputs.T @ wrong / weights.sum() + DECAY * np.r_[found[:-1], np.zeros((1, len(NAMED)))]
        speed = MOMENTUM * speed - STEP * slope
        found += speed
    return means, spreads, found


def written(means: Table, spreads: Table, found: Table) -> str:
    """The model as a module: numbers that a person can compare, and no file to be read at start."""

    def line(values: Table) -> str:
        return ", ".join(f"{value:.3f}" for value in values)

    named = zip(found, [*MEASURES, "always"], strict=True)
    rows = "\n".join(f"        [{line(row)}],  # {name}" for row, name in named)
    return f'''"""The numbers by which patterns are told (pattern.py), written by workers/training/attributes.py."""

import numpy as np

MEASURES = (
{"".join(f'    "{name}",{chr(10)}' for name in MEASURES)})
LEAST_CERTAINTY = {LEAST_CERTAINTY}  # below, the answer is unknown
MEANS = np.array(
    [{line(means)}]
)
SPREADS = np.array(
    [{line(spreads)}]
)
# a row a measure; the columns are {", ".join(str(name) for name in NAMED)}
WEIGHTS = np.array(
    [
{rows}
    ]
)
'''


def main() -> None:
    """Fit, tell how well the examples themselves are told, and write the model if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    measures, kinds, weights = examples(given.data, json.loads(given.labels.read_text())["rows"])
    model = fitted(measures, kinds, weights)
    scores = np.c_[np.clip((measures - model[0]) / model[1], -4, 4), np.ones(len(measures))] @ model[2]
    for weight, what in ((1.0, "photographs"), (DRAWN_WEIGHT, "drawn garments")):
        right = (scores.argmax(axis=1) == kinds)[weights == weight]
        print(f"{what}: {int(right.sum())} of {len(right)} of those fitted to are told right")  # noqa: T201
    if given.write:
        MODEL.write_text(written(*model))


if __name__ == "__main__":
    main()
