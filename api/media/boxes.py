"""Boxes on a picture: shares (0..1) of its upright width and height, origin top left."""

from collections.abc import Sequence

Xywh = tuple[float, float, float, float]


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two (x, y, w, h)."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def clamp(box: Sequence[float]) -> Xywh:
    """The part inside the picture, rounded to what a screen can show."""
    left, top = min(max(box[0], 0.0), 1.0), min(max(box[1], 0.0), 1.0)
    right, bottom = min(max(box[0] + box[2], 0.0), 1.0), min(max(box[1] + box[3], 0.0), 1.0)
    return round(left, 5), round(top, 5), round(right - left, 5), round(bottom - top, 5)


def between(a: Sequence[float], b: Sequence[float], share: float) -> Xywh:
    """The box a `share` of the way from `a` to `b`."""
    x, y, w, h = (p + (q - p) * share for p, q in zip(a, b, strict=True))
    return x, y, w, h
