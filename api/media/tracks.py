"""Joins what is seen in the looked-at frames of one shot to tracks: one object, its span of time, the way of its box,
and the vectors that vote on its product.

After ByteTrack (Zhang et al., ECCV 2022): sure detections are joined first, then weak ones to the tracks that are
left, so that an object half hidden keeps its track. Where boxes alone leave doubt, looks decide. A cut ends every
track, because a box drawn across it would slide over a different shot.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from api.media.boxes import Xywh, clamp, iou
from api.media.ways import Place, expected, keyframes, thinned

Vectors = NDArray[np.float32]

SURE_SCORE = 0.3  # of a detection that may begin a track; weaker ones may only continue one
SAME_PLACE, RIVAL = 0.5, 0.3  # overlap that needs no look to be believed, unless another box comes near it
MIN_OVERLAP, MIN_LIKENESS = 0.25, 0.35  # else both are needed ...
SURE_LIKENESS, MIN_SURE_OVERLAP = 0.75, 0.02  # ... or a near-identical look where the box moved far
WEAK_OVERLAP = 0.45
MAX_GAP_MS, MAX_MISSED = 2500, 2  # an object hidden for longer comes back as a new track
MAX_VOTES, FEW_VOTES = 8, 3
BETTER = 1.15  # how much better a sighting must be to be worth another vector
MAX_OPEN = 60
LONE_SCORE = 0.5  # of what is seen once in a shot that was looked at once
MAX_PLACES = 400


class Seen(Struct, frozen=True):
    """One detection."""

    label: str
    score: float
    box: Xywh


class Sight(Protocol):
    """What can be asked of a picture that is looked at."""

    def embed(self, boxes: Sequence[Xywh]) -> Vectors:
        """A unit vector a box."""
        ...

    def worth(self, seen: Seen) -> float:
        """How well this detection shows its object: sure, sharp and large is best; above 0."""
        ...

    def poster(self, box: Xywh) -> bytes:
        """The object as a small JPEG."""
        ...


class Vote(Struct, frozen=True):
    """A look at the object: its unit vector (float32) and how much it counts."""

    data: bytes
    weight: float

    @property
    def vector(self) -> Vectors:
        return np.frombuffer(self.data, np.float32)


class Track(Struct):
    """Places of one object, rising in time, and its votes, the best first."""

    places: list[Place]
    labels: dict[str, float] = field(default_factory=dict)
    votes: list[Vote] = field(default_factory=list)
    sightings: int = 0
    stood: bool = False
    missed: int = 0
    lost_ms: int = 0  # the first look since then that did not show it
    until_ms: int = 0
    score_sum: float = 0.0
    best: float = 0.0
    best_box: Xywh = (0.0, 0.0, 0.0, 0.0)
    poster: bytes = b""

    @property
    def from_ms(self) -> int:
        return self.places[0].ms

    @property
    def last(self) -> Place:
        return self.places[-1]

    @property
    def label(self) -> str:
        """The label with the greatest summed score."""
        return max(self.labels, key=lambda label: (self.labels[label], label))

    @property
    def score(self) -> float:
        """The mean detection score."""
        return self.score_sum / max(1, self.sightings)

    def box(self) -> Xywh:
        """Where it is seen best."""
        return clamp(self.best_box)

    def look(self) -> Vectors:
        """What it looks like, all votes together; unit length."""
        return mean_look(self.votes)

    def way(self) -> list[list[float]]:
        """[ms, x, y, w, h] rows: as few as straight lines between them need."""
        return keyframes(self.places, self.until_ms)


class Tracker(Struct):
    """Feed `see` the frames that are looked at, `stand` while the picture stays as it is, `cut` where a shot begins.
    Tracks that have ended come out of `taken`."""

    open: list[Track] = field(default_factory=list)
    ended: list[Track] = field(default_factory=list)
    looks: int = 0  # at this shot
    seen_ms: int = -1

    def see(self, ms: int, found: Sequence[Seen], sight: Sight) -> None:
        """A new picture at `ms` with these objects, the surest first."""
        self.looks, self.seen_ms = self.looks + 1, ms
        self._end([track for track in self.open if _is_gone(track, ms)])
        tracks = list(self.open)
        places = [expected(track.places, ms) for track in tracks]
        overlaps = np.array([[iou(place, seen.box) for seen in found] for place in places], np.float64)
        overlaps = overlaps.reshape(len(tracks), len(found))
        sure = [index for index, seen in enumerate(found) if seen.score >= SURE_SCORE]
        worth = [sight.worth(seen) for seen in found]
        pairs = _undoubted(tracks, found, overlaps, sure)
        vectors = self._vectors(found, sure, pairs, tracks, worth, sight)
        pairs |= _by_look(tracks, found, overlaps, vectors, taken=pairs)
        pairs |= _weak(tracks, found, overlaps, taken=pairs)
        for s, t in pairs.items():
            _extend(tracks[t], ms, found[s], vectors.get(s), worth[s], sight)
        for t, track in enumerate(tracks):
            if t not in pairs.values():
                track.missed += 1
                track.lost_ms = track.lost_ms or ms
        for s in sure:
            if s not in pairs and len(self.open) < MAX_OPEN:
                track = Track([])
                _extend(track, ms, found[s], vectors[s], worth[s], sight)
                self.open.append(track)

    def stand(self, ms: int) -> None:
        """What was looked at last is still shown at `ms`."""
        for track in self.open:
            if track.last.ms == self.seen_ms and not track.missed:
                track.places.append(Place(ms, track.last.box))
                track.stood = True
        self.seen_ms = ms

    def cut(self, ms: int) -> None:
        """A new shot begins, or the film ends."""
        for track in self.open:
            if not track.missed:
                track.until_ms = max(track.last.ms, ms)
        self._end(self.open)
        self.looks = 0

    def taken(self) -> list[Track]:
        """Tracks that have ended and are believed, in the order of their ends; each comes once."""
        taken, self.ended = self.ended, []
        return taken

    def running(self) -> list[Track]:
        """Believed tracks that go on, as they would look if they ended now."""
        for track in self.open:
            track.until_ms = _end_of(track)
        return [track for track in self.open if self._is_believed(track)]

    def _vectors(
        self, found: Sequence[Seen], sure: list[int], pairs: dict[int, int], tracks: list[Track], worth: list[float],
        sight: Sight,
    ) -> dict[int, Vectors]:  # fmt: skip
        """Only where there is doubt, and where a track still learns: a vector is what costs most."""
        wanted = [s for s in sure if s not in pairs or _wants_vote(tracks[pairs[s]], worth[s])]
        if not wanted:
            return {}
        return dict(zip(wanted, sight.embed([found[s].box for s in wanted]), strict=True))

    def _is_believed(self, track: Track) -> bool:
        if track.sightings > 1 or track.stood:
            return True
        return self.looks <= 1 and track.score >= LONE_SCORE

    def _end(self, tracks: list[Track]) -> None:
        closing = {id(track) for track in tracks}
        for track in tracks:
            track.until_ms = max(track.until_ms, _end_of(track))
            if self._is_believed(track):
                self.ended.append(track)
        self.open = [track for track in self.open if id(track) not in closing]


def mean_look(votes: Sequence[Vote]) -> Vectors:
    """The weighted mean of unit vectors, of unit length."""
    total = np.sum([vote.vector * np.float32(vote.weight) for vote in votes], axis=0)
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-9), np.float32)


def _is_gone(track: Track, ms: int) -> bool:
    return track.missed >= MAX_MISSED or (track.missed > 0 and ms - track.last.ms > MAX_GAP_MS)


def _end_of(track: Track) -> int:
    """An object that was missed left somewhere between the last look that showed it and the first that did not."""
    return (track.last.ms + track.lost_ms) // 2 if track.missed else track.last.ms


def _wants_vote(track: Track, worth: float) -> bool:
    return len(track.votes) < FEW_VOTES or worth > BETTER * track.votes[-1].weight


def _undoubted(
    tracks: list[Track], found: Sequence[Seen], overlaps: NDArray[np.float64], sure: list[int]
) -> dict[int, int]:
    """Detection -> track where box and label agree and no other box comes near either."""
    pairs = {}
    for s in sure:
        near = np.flatnonzero(overlaps[:, s] >= RIVAL)
        if len(near) != 1:
            continue
        t = int(near[0])
        alone = np.count_nonzero(overlaps[t, sure] >= RIVAL) == 1
        if alone and overlaps[t, s] >= SAME_PLACE and tracks[t].label == found[s].label:
            pairs[s] = t
    return pairs


def _by_look(
    tracks: list[Track], found: Sequence[Seen], overlaps: NDArray[np.float64], vectors: dict[int, Vectors],
    taken: dict[int, int],
) -> dict[int, int]:  # fmt: skip
    free = [t for t in range(len(tracks)) if t not in taken.values()]
    doubtful = [s for s in vectors if s not in taken]
    looks = {t: tracks[t].look() for t in free} if doubtful else {}
    ranked = []
    for t in free:
        for s in doubtful:
            overlap, likeness = float(overlaps[t, s]), float(looks[t] @ vectors[s])
            near = overlap >= MIN_OVERLAP and likeness >= MIN_LIKENESS
            if near or (overlap >= MIN_SURE_OVERLAP and likeness >= SURE_LIKENESS):
                same = 0.25 if tracks[t].label == found[s].label else 0.0
                ranked.append((overlap + likeness + same, t, s))
    return _best_first(ranked)


def _weak(
    tracks: list[Track], found: Sequence[Seen], overlaps: NDArray[np.float64], taken: dict[int, int]
) -> dict[int, int]:
    free = [t for t in range(len(tracks)) if t not in taken.values()]
    ranked = [
        (float(overlaps[t, s]), t, s)
        for t in free
        for s, seen in enumerate(found)
        if s not in taken and seen.score < SURE_SCORE and seen.label in tracks[t].labels
        if overlaps[t, s] >= WEAK_OVERLAP
    ]
    return _best_first(ranked)


def _best_first(ranked: list[tuple[float, int, int]]) -> dict[int, int]:
    pairs: dict[int, int] = {}
    for _, t, s in sorted(ranked, reverse=True):
        if s not in pairs and t not in pairs.values():
            pairs[s] = t
    return pairs


def _extend(track: Track, ms: int, seen: Seen, vector: Vectors | None, worth: float, sight: Sight) -> None:
    track.places.append(Place(ms, seen.box))
    if len(track.places) > MAX_PLACES:
        track.places = thinned(track.places)
    track.labels[seen.label] = track.labels.get(seen.label, 0.0) + seen.score
    track.sightings += 1
    track.score_sum += seen.score
    track.missed = track.lost_ms = 0
    if vector is not None:
        vote = Vote(np.ascontiguousarray(vector, np.float32).tobytes(), round(worth, 6))
        track.votes = sorted([*track.votes, vote], key=lambda vote: -vote.weight)[:MAX_VOTES]
    if worth > track.best * (BETTER if track.poster else 1.0):
        track.best, track.best_box, track.poster = worth, seen.box, sight.poster(seen.box)
