"""What appears in a film: tracks of the same thing in several shots are one object with several spans.

Bounded: of a film with more spans than are kept, the shortest go.
"""

from collections.abc import Callable

import numpy as np
from msgspec import Struct, field

from api.media.boxes import Xywh
from api.media.objects import SeenObject
from api.media.tracks import MAX_VOTES, Track, Vote, mean_look

MAX_SPANS = 300
SAME_THING = 0.75  # likeness from which two tracks of one film show the same thing
REJOINED_MS = 2500  # a gap within one shot that is bridged: something passed in front of it


class Span(Struct):
    """One appearance: its time, its way, and the picture that shows it best."""

    from_ms: int
    to_ms: int
    shot: int
    score: float
    box: Xywh
    best: float
    way: list[list[float]]
    poster: str = ""


class Character(Struct):
    """One thing in the film, with all its appearances and the votes of the best of them."""

    number: int
    label: str
    votes: list[Vote]
    look: bytes  # the mean of the votes, unit length, float32
    spans: list[Span]


class Cast(Struct):
    """Feed `add` the tracks as they end."""

    characters: list[Character] = field(default_factory=list)
    added: int = 0

    def add(self, track: Track, shot: int, keep: Callable[[bytes], str]) -> None:
        """`keep` stores a poster and answers its key."""
        span = Span(
            track.from_ms, track.until_ms, shot, track.score, track.box(), track.best, track.way(), keep(track.poster)
        )
        known = self._known(track, span)
        if known is None:
            self.characters.append(Character(self.added, track.label, track.votes, track.look().tobytes(), [span]))
            self.added += 1
        else:
            known.votes = sorted([*known.votes, *track.votes], key=lambda vote: -vote.weight)[:MAX_VOTES]
            known.look = mean_look(known.votes).tobytes()
            _append(known.spans, span)
        self._thin_out()

    def objects(self) -> list[SeenObject]:
        """In the order of their first appearance, an entry a span; entries of one thing share its number and votes."""
        found = [
            SeenObject(
                thing.label, span.score, span.box, np.stack([vote.vector for vote in thing.votes]), span.from_ms,
                span.to_ms, span.way, thing.number, tuple(vote.weight for vote in thing.votes), span.poster,
            )
            for thing in self.characters
            for span in thing.spans
        ]  # fmt: skip
        longest = sorted(found, key=lambda item: ((item.from_ms or 0) - (item.to_ms or 0), item.from_ms))[:MAX_SPANS]
        return sorted(longest, key=lambda item: (item.from_ms or 0, item.object_number or 0))

    def posters(self) -> set[str]:
        """Keys of the pictures that are still needed."""
        return {span.poster for thing in self.characters for span in thing.spans if span.poster}

    def _known(self, track: Track, span: Span) -> Character | None:
        look = track.look()
        alike = [
            (float(np.frombuffer(thing.look, np.float32) @ look), -thing.number, thing)
            for thing in self.characters
            if thing.label == track.label and not any(_meet(span, other) for other in thing.spans)
        ]
        likeness, _, thing = max(alike, default=(0.0, 0, None), key=lambda row: row[:2])
        return thing if likeness >= SAME_THING else None

    def _thin_out(self) -> None:
        spans = [span for thing in self.characters for span in thing.spans]
        if len(spans) <= 2 * MAX_SPANS:
            return
        kept = {id(span) for span in sorted(spans, key=lambda span: span.from_ms - span.to_ms)[:MAX_SPANS]}
        for thing in self.characters:
            thing.spans = [span for span in thing.spans if id(span) in kept]
        self.characters = [thing for thing in self.characters if thing.spans]


def _meet(a: Span, b: Span) -> bool:
    """One thing is not in two places at once."""
    return a.from_ms < b.to_ms and b.from_ms < a.to_ms


def _append(spans: list[Span], span: Span) -> None:
    last = max(spans, key=lambda other: other.to_ms)
    if last.shot != span.shot or not 0 <= span.from_ms - last.to_ms <= REJOINED_MS:
        spans.append(span)
        return
    last.way = [*last.way, *span.way]
    last.to_ms = span.to_ms
    if span.best > last.best:
        last.best, last.box, last.poster, last.score = span.best, span.box, span.poster, span.score
