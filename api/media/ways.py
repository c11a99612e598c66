"""The way of a box through time: where it will be next, and the few keyframes that a player needs to draw it."""

from msgspec import Struct

from api.media.boxes import Xywh, between, clamp

KEYFRAME_TOLERANCE = 0.01  # of the picture's side: finer than a hotspot is drawn
MAX_AHEAD_MS = 1000  # nothing goes on moving as it did for longer than that
DAMPED = 0.7


class Place(Struct, frozen=True):
    """Where something was at a moment."""

    ms: int
    box: Xywh


def expected(places: list[Place], ms: int) -> Xywh:
    """Where it will be if it goes on as it did: constant velocity of the centre, damped; the size stays."""
    last = places[-1]
    if len(places) < 2 or last.ms <= places[-2].ms:
        return last.box
    before = places[-2]
    share = DAMPED * min(ms - last.ms, MAX_AHEAD_MS) / (last.ms - before.ms)
    x, y, w, h = last.box
    dx = (x + w / 2) - (before.box[0] + before.box[2] / 2)
    dy = (y + h / 2) - (before.box[1] + before.box[3] / 2)
    return x + dx * share, y + dy * share, w, h


def keyframes(places: list[Place], until_ms: int) -> list[list[float]]:
    """[ms, x, y, w, h] rows, as few as straight lines between them need to stay within KEYFRAME_TOLERANCE; the box of
    the last stays to `until_ms`."""
    rows = [[place.ms, *clamp(place.box)] for place in _simplified(places, KEYFRAME_TOLERANCE)]
    if until_ms > rows[-1][0]:
        rows.append([until_ms, *rows[-1][1:]])
    return rows


def thinned(places: list[Place]) -> list[Place]:
    """At most half as many: what is kept of a way that goes on for hours."""
    tolerance, kept = KEYFRAME_TOLERANCE / 2, places
    while len(kept) > len(places) // 2:
        kept, tolerance = _simplified(places, tolerance), tolerance * 2
    return kept


def _simplified(places: list[Place], tolerance: float) -> list[Place]:
    """Ramer, Douglas and Peucker over time: keep the place farthest off the straight way, both sides anew."""
    keep = {0, len(places) - 1}
    spans = [(0, len(places) - 1)]
    while spans:
        first, last = spans.pop()
        worst, off = 0, tolerance
        for index in range(first + 1, last):
            error = _off_the_way(places[first], places[last], places[index])
            if error > off:
                worst, off = index, error
        if worst:
            keep.add(worst)
            spans += [(first, worst), (worst, last)]
    return [places[index] for index in sorted(keep)]


def _off_the_way(a: Place, b: Place, here: Place) -> float:
    straight = between(a.box, b.box, (here.ms - a.ms) / max(1, b.ms - a.ms))
    return max(abs(p - q) for p, q in zip(straight, here.box, strict=True))
