"""What a worker knows while it watches a film: where it is, what goes on, what it has seen. It can be written down and
taken up again by another worker."""

import copy
from collections.abc import Callable

import msgspec
import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from api.media.analysis import Facts
from api.media.cast import Cast
from api.media.frames import Frame, Kind
from api.media.objects import SeenObject
from api.media.seeing import Look
from api.media.tracks import SURE_SCORE, Tracker
from api.vision.service import Eyes

Keep = Callable[[bytes], str]


class Position(Struct):
    """Where a stream that comes in segments goes on: those up to `covered`, which ends at `covered_ms` of the film,
    have been watched; to the last frame when `closed`, else they still lead in to the next."""

    covered: int = -1
    covered_ms: int = 0
    closed: bool = False
    live: bool = False
    idle: int = 0  # times in a row that a live stream had nothing new
    fetched: int = 0  # bytes


class Watch(Struct):
    """Feed `take` what the decoder tells. `at_ms` is film time up to which everything is known."""

    seen_by: str  # version of the embedder: vectors of another compare with nothing
    at_ms: int = 0
    shot: int = 0
    frames: int = 0
    width: int | None = None
    height: int | None = None
    tracker: Tracker = field(default_factory=Tracker)
    cast: Cast = field(default_factory=Cast)
    poster: bytes = b""
    poster_worth: float = 0.0
    position: Position = field(default_factory=Position)

    def take(self, eyes: Eyes, frame: Frame, keep: Keep) -> None:
        """One moment, later than the one before."""
        if frame.kind is Kind.cut:
            self.cut(frame.ms, keep)
        elif frame.pixels is None:
            self.tracker.stand(frame.ms)
        else:
            self._look(eyes, frame.ms, frame.pixels)
            self._gather(keep)
        self.at_ms = frame.ms

    def cut(self, ms: int, keep: Keep) -> None:
        """A new shot begins, or the film ends."""
        self.tracker.cut(ms)
        self._gather(keep)
        self.shot += 1

    def so_far(self, keep: Keep) -> list[SeenObject]:
        """What has been seen, with what still goes on as far as it has gone."""
        cast = copy.deepcopy(self.cast)
        for track in self.tracker.running():
            cast.add(track, self.shot, keep)
        return cast.objects()

    def facts(self, *, truncated: bool, poster_key: str | None, error: str | None = None) -> Facts:
        """The film up to here."""
        return Facts(self.width, self.height, self.at_ms, truncated, self.frames, poster_key, error)

    def written(self) -> bytes:
        """All of it, for another worker."""
        return msgspec.msgpack.encode(self)

    def _look(self, eyes: Eyes, ms: int, pixels: NDArray[np.uint8]) -> None:
        self.height, self.width = pixels.shape[:2]
        self.frames += 1
        look = Look(eyes, pixels)
        found = look.found()
        self.tracker.see(ms, found, look)
        worth = sum(look.worth(seen) for seen in found if seen.score >= SURE_SCORE)
        if worth > self.poster_worth * 1.1 or not self.poster:
            self.poster, self.poster_worth = look.poster(), worth

    def _gather(self, keep: Keep) -> None:
        for track in self.tracker.taken():
            self.cast.add(track, self.shot, keep)


def taken_up(state: bytes | None, version: str) -> Watch:
    """From where another worker left off; from the beginning where there is nothing, or nothing that we can use."""
    if state is not None:
        try:
            watch = msgspec.msgpack.decode(state, type=Watch)
        except msgspec.DecodeError:
            return Watch(version)
        if watch.seen_by == version:
            return watch
    return Watch(version)
