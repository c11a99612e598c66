"""Which frames of a film are worth a look: those in which enough has changed since the last one that was looked at, so
that a moving film is seen often and a standing one seldom; the first of each shot; none that mixes two shots.

Decisions are made a second late, when it is known where shots go over into each other (`joins.py`). Runs in the
decoding child: imports nothing but its sibling.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from api.media.joins import Join, JoinFinder, Thumb, change

CANDIDATES_MS = 230  # pictures are kept so often, to be looked at or not
SOONEST_MS, LATEST_MS, LATEST_STANDING_MS = 480, 2000, 6000
SETTLED_MS = 350  # the second look at a shot comes so soon: one alone proves nothing
MOVED, STANDING = 14.0, 5.0  # change of the part that changes most, 0..255


@dataclass(frozen=True)
class Look:
    """A frame to look at."""

    ms: int
    picture: Any


@dataclass(frozen=True)
class Cut:
    """A new shot begins."""

    ms: int


@dataclass(frozen=True)
class Stand:
    """What was looked at last is shown until then."""

    ms: int


Event = Look | Cut | Stand


@dataclass
class Shots:
    """Feed `see` the frames in order and `end` once; both give what has become certain."""

    finder: JoinFinder = field(default_factory=JoinFinder)
    _queue: deque[tuple[int, Thumb, bool, Any]] = field(default_factory=deque)
    _candidate: tuple[int, Thumb] | None = None
    _looked: tuple[int, Thumb] | None = None
    _looks: int = 0  # at this shot
    _stands: bool = False

    def see(self, ms: int, thumb: Thumb, picture: Callable[[], Any]) -> Iterator[Event]:
        """`picture` makes the pixels of this frame, where they may be needed."""
        fresh = self.finder.see(ms, thumb)
        kept = picture() if not self.finder.blank and self._is_candidate(ms, thumb, fresh) else None
        self._queue.append((ms, thumb, self.finder.blank, kept))
        return self._until(self.finder.settled(ms))

    def end(self, ms: int) -> Iterator[Event]:
        """All the rest; the film ends at `ms`."""
        yield from self._until(ms)
        if self._stands:
            yield Stand(ms)

    def _is_candidate(self, ms: int, thumb: Thumb, fresh: bool) -> bool:
        if not fresh and self._candidate is not None:
            since = ms - self._candidate[0]
            stands = change(thumb, self._candidate[1]) < STANDING / 2 and since < LATEST_MS
            if since < CANDIDATES_MS or stands:
                return False
        self._candidate = (ms, thumb)
        return True

    def _until(self, until: int) -> Iterator[Event]:
        joins = self.finder.joins
        while self._queue and self._queue[0][0] <= until:
            ms, thumb, blank, picture = self._queue.popleft()
            while joins and joins[0].end <= ms:
                yield from self._pass(joins.pop(0))
            if not (joins and joins[0].start < ms):
                yield from self._frame(ms, thumb, blank, picture)

    def _pass(self, join: Join) -> Iterator[Event]:
        if self._stands:
            yield Stand(join.at - 1)
        if self._looks:
            yield Cut(join.at)
        self._looks, self._stands, self._looked = 0, False, None

    def _frame(self, ms: int, thumb: Thumb, blank: bool, picture: Any) -> Iterator[Event]:
        stood = self._stands
        if self._looked is not None:
            self._stands = stood and change(thumb, self._looked[1]) < STANDING
        if blank or picture is None or not self._worth(ms, thumb):
            return
        if stood and self._looked is not None and ms - self._looked[0] > SOONEST_MS:
            yield Stand(ms - 1)
        yield Look(ms, picture)
        self._looked, self._looks, self._stands = (ms, thumb), self._looks + 1, True

    def _worth(self, ms: int, thumb: Thumb) -> bool:
        if self._looked is None:
            return True
        since, changed = ms - self._looked[0], change(thumb, self._looked[1])
        if self._looks == 1 and since >= SETTLED_MS and changed >= STANDING:
            return True
        if since >= SOONEST_MS and changed >= MOVED:
            return True
        return since >= (LATEST_MS if changed >= STANDING else LATEST_STANDING_MS)
