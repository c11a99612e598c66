"""What an object looks like: its colours, its pattern, how sharp it is and how much of the picture it takes. Measured
on its pixels alone, in about 1.5 ms; what it is, and for whom, is told elsewhere (its label, audience.py)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from api.vision.colours import Colour, Lab, colours_of, lab_of
from api.vision.crops import Context, Pixels, crops, patch, reduced, scaled
from api.vision.ground import Weights, object_weights
from api.vision.pattern import Pattern, pattern_of
from api.vision.picture import Box, Picture

WORKING_SIDE = 112  # of a crop with its surroundings (half of SIDE: a fast one); more finds no other colours
PATCH_SIDE = 112  # of the part of a crop where the pattern is told
VERSION = 3  # of the way attributes are measured; those stored by another version are measured anew


@dataclass(frozen=True, slots=True)
class Attributes:
    """Colours come largest share first; `sharpness` and `size` (the part of the picture taken) are 0 to 1."""

    colours: tuple[Colour, ...]
    pattern: Pattern
    sharpness: float
    size: float

    def stored(self) -> dict[str, Any]:
        """As the JSON that is kept with a product."""
        colours = [{"name": one.name, "share": one.share, "lab": list(one.lab)} for one in self.colours]
        return {"version": VERSION, "colours": colours, "pattern": str(self.pattern), "sharpness": self.sharpness}


def attributes_in(picture: Picture, boxes: Sequence[Box] | None, labels: Sequence[str | None]) -> list[Attributes]:
    """Of the objects in these boxes, one label a box; None stands for the picture as a whole."""
    return [attributes_of(pixels, context) for pixels, context in crops(picture, boxes, labels)]


def attributes_of(pixels: Pixels, context: Context) -> Attributes:
    """Of the object on one crop (rows x columns x 3, RGB), as `crops` cuts it."""
    lab, weights = separated(pixels, context)
    left, top, right, bottom = context.inner
    return Attributes(
        colours_of(lab, weights),
        pattern_of(*surface(pixels, weights)),
        round(sharpness_of(pixels[top:bottom, left:right]), 3),
        round(context.size if context.size < 1 else _extent(weights), 4),
    )


def separated(pixels: Pixels, context: Context) -> tuple[Lab, Weights]:
    """The crop at working size, and for each of its pixels how much it is the object's."""
    small, scale = reduced(pixels, WORKING_SIDE)
    inner, *others = (scaled(each, scale, small) for each in (context.inner, *context.others))
    lab = lab_of(small)
    return lab, object_weights(lab, inner, others, worn=context.worn)


def surface(pixels: Pixels, weights: Weights) -> tuple[Lab, Weights]:
    """Where the pattern is told, with its weights."""
    near, near_weights = patch(pixels, weights, PATCH_SIDE)
    return lab_of(near), near_weights


def sharpness_of(pixels: Pixels) -> float:
    """How much of its fine detail a picture loses by blurring it: what is blurred already loses little (Crete and
    others, The Blur Effect, 2007). 0 for an even surface."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    kept = [0.0]
    for kernel, here, there in (((9, 1), np.s_[:, 1:], np.s_[:, :-1]), ((1, 9), np.s_[1:], np.s_[:-1])):
        if not grey[here].size:
            continue
        blurred = cv2.blur(grey, kernel)
        before, after = (cv2.absdiff(one[here], one[there]) for one in (grey, blurred))
        total = cv2.sumElems(before)[0]
        lost = cv2.sumElems(np.maximum(before - after, 0))[0]
        kept.append(lost / total if total > before.size else 0.0)
    return max(kept)


def _extent(weights: Weights) -> float:
    """The part of the picture under the rectangle around what was found."""
    found = weights > 0.25 * float(weights.max())
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    if not rows.size:
        return 1.0
    return float((rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)) / found.size
