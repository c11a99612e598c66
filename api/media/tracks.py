"""Joins what is seen in sampled frames to tracks: one object, its span of time and the way of its box.

Two sightings belong together when their boxes overlap and they look alike; a cut ends every track, because a box
drawn across it would slide over a different shot.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from api.media.boxes import Xywh, between, clamp, iou

Vector = NDArray[np.float32]

MAX_GAP_MS = 1600  # an object hidden for longer comes back as a new track
MIN_OVERLAP, MIN_LIKENESS = 0.25, 0.35  # both are needed ...
SURE_LIKENESS, MIN_SURE_OVERLAP = 0.75, 0.02  # ... or a near-identical look where the box moved far
KEYFRAME_TOLERANCE = 0.01  # of the picture's side: finer than a hotspot is drawn
MAX_VECTORS = 8
MIN_SIGHTINGS = 2


@dataclass(frozen=True)
class Sighting:
    """One detected object in one sampled frame; `vector` is L2-normalised."""

    ms: int
    label: str
    score: float
    box: Xywh
    vector: Vector


@dataclass
class Track:
    """Sightings of one object, rising in time. `until_ms` moves on while the picture stands still."""

    sightings: list[Sighting] = field(default_factory=list)
    until_ms: int = 0

    @property
    def from_ms(self) -> int:
        """When it is first seen."""
        return self.sightings[0].ms

    @property
    def label(self) -> str:
        """The label with the greatest summed score."""
        votes: dict[str, float] = {}
        for sighting in self.sightings:
            votes[sighting.label] = votes.get(sighting.label, 0.0) + sighting.score
        return max(votes, key=lambda label: votes[label])

    @property
    def score(self) -> float:
        """The mean detection score."""
        return sum(sighting.score for sighting in self.sightings) / len(self.sightings)

    def vectors(self) -> Vector:
        """(n, dim) of the surest sightings, at most MAX_VECTORS."""
        best = sorted(self.sightings, key=lambda sighting: -sighting.score)[:MAX_VECTORS]
        return np.stack([sighting.vector for sighting in best])

    def box(self) -> Xywh:
        """Where the surest sighting is."""
        return clamp(max(self.sightings, key=lambda sighting: sighting.score).box)

    def keyframes(self) -> list[tuple[int, float, float, float, float]]:
        """(ms, x, y, w, h): as few as straight lines between them need to stay within KEYFRAME_TOLERANCE."""
        kept = _simplify(self.sightings)
        rows = [(sighting.ms, *clamp(sighting.box)) for sighting in kept]
        if self.until_ms > rows[-1][0]:
            rows.append((self.until_ms, *rows[-1][1:]))
        return rows


class Tracker:
    """Feed `see` the frames in order, then ask `finish` once."""

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._open: list[Track] = []
        self._done: list[Track] = []

    def see(self, ms: int, sightings: Sequence[Sighting], *, cut: bool = False) -> None:
        """A new picture at `ms` with these objects."""
        if cut:
            self._close(self._open, ms)
        self._close([track for track in self._open if ms - track.sightings[-1].ms > MAX_GAP_MS], None)
        pairs = sorted(
            (
                (affinity, t, s)
                for t, track in enumerate(self._open)
                for s, sighting in enumerate(sightings)
                if (affinity := _affinity(track, sighting)) > 0
            ),
            reverse=True,
        )
        open_tracks = list(self._open)
        used_tracks: set[int] = set()
        used_sightings: set[int] = set()
        for _, t, s in pairs:
            if t not in used_tracks and s not in used_sightings:
                used_tracks.add(t)
                used_sightings.add(s)
                self._extend(open_tracks[t], sightings[s])
        for s, sighting in enumerate(sightings):
            if s not in used_sightings:
                track = Track()
                self._extend(track, sighting)
                self._open.append(track)

    def still(self, ms: int) -> None:
        """The picture at `ms` is the last one again: what was in it stays."""
        newest = max((track.sightings[-1].ms for track in self._open), default=0)
        for track in self._open:
            last = track.sightings[-1]
            if last.ms == newest:
                self._extend(track, Sighting(ms, last.label, last.score, last.box, last.vector))

    def finish(self, end_ms: int) -> list[Track]:
        """All tracks that were seen often enough to be believed, in order of their start."""
        self._close(self._open, end_ms)
        # a clip of a single sample has nothing to confirm its objects with
        least = MIN_SIGHTINGS if end_ms > 2 * self._interval_ms else 1
        return sorted((t for t in self._done if len(t.sightings) >= least), key=lambda track: track.from_ms)

    def _extend(self, track: Track, sighting: Sighting) -> None:
        track.sightings.append(sighting)
        track.until_ms = sighting.ms + self._interval_ms

    def _close(self, tracks: list[Track], by_ms: int | None) -> None:
        closing = {id(track) for track in tracks}
        for track in tracks:
            if by_ms is not None:
                track.until_ms = max(track.sightings[-1].ms, min(track.until_ms, by_ms))
            self._done.append(track)
        self._open = [track for track in self._open if id(track) not in closing]


def _affinity(track: Track, sighting: Sighting) -> float:
    """How well the sighting continues the track: above 0 when it may."""
    last = track.sightings[-1]
    overlap = iou(last.box, sighting.box)
    likeness = float(last.vector @ sighting.vector)
    near = overlap >= MIN_OVERLAP and likeness >= MIN_LIKENESS
    moved = overlap >= MIN_SURE_OVERLAP and likeness >= SURE_LIKENESS
    if not (near or moved):
        return 0.0
    return overlap + likeness + (0.25 if last.label == sighting.label else 0.0)


def _simplify(sightings: list[Sighting]) -> list[Sighting]:
    """Ramer, Douglas and Peucker over time: keep the sighting farthest off the straight way, both sides anew."""
    keep = {0, len(sightings) - 1}
    spans = [(0, len(sightings) - 1)]
    while spans:
        first, last = spans.pop()
        worst, off = 0, KEYFRAME_TOLERANCE
        for index in range(first + 1, last):
            error = _off_the_way(sightings[first], sightings[last], sightings[index])
            if error > off:
                worst, off = index, error
        if worst:
            keep.add(worst)
            spans += [(first, worst), (worst, last)]
    return [sightings[index] for index in sorted(keep)]


def _off_the_way(a: Sighting, b: Sighting, here: Sighting) -> float:
    expected = between(a.box, b.box, (here.ms - a.ms) / max(1, b.ms - a.ms))
    return max(abs(p - q) for p, q in zip(expected, here.box, strict=True))
