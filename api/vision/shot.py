"""How much of a person a picture shows, told from the parts that were found on it."""

from collections.abc import Sequence
from enum import StrEnum

from api.vision.picture import Detection

SURE = 0.4  # a weaker detection is no evidence of a whole person
UPPER = frozenset({"top", "outerwear"})
LOWER = frozenset({"pants", "shorts", "skirt"})
SMALL = frozenset({"footwear", "bag", "eyewear", "headwear", "belt", "scarf"})


class Shot(StrEnum):
    """`full`: dressed from the shoulders to the feet; `half`: the upper or the lower half of somebody; `detail`:
    nothing but accessories; `unknown`: anything else, above all one garment alone, which may lie on a table."""

    full = "full"
    half = "half"
    detail = "detail"
    unknown = "unknown"


def shot_of(found: Sequence[Detection]) -> Shot:
    """Of a whole picture with these detections."""
    labels = {item.label for item in found if item.score >= SURE}
    body = labels & (UPPER | LOWER | {"dress"})
    both = "dress" in body or bool(body & UPPER and body & LOWER)
    if both and "footwear" in labels:
        return Shot.full
    if (both and len(labels) > 1) or (body and labels & SMALL):
        return Shot.half
    if labels and labels <= SMALL:
        return Shot.detail
    return Shot.unknown
