"""Where one shot goes over into the next: hard cuts, dissolves and fades, told from tiny pictures (thumbs) of the
frames.

Runs in the decoding child: imports NumPy and nothing of ours.
"""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from numpy.typing import NDArray

Thumb = NDArray[np.float32]  # rows x columns x 3, 0..255

BLOCK = 3  # a part of this many pixels a side that changes is a change
# hard cuts: mean absolute difference of neighbouring frames, by itself and beside what is usual in this shot
CUT, CUT_OVER_MOTION = 12.0, 3.5
FEW_STEPS, UNKNOWN_MOTION, LIKE_AT_FIRST = 3, 6.0, 0.6
FLASH_MS, FLASH_BACK = 250, 0.4
# dissolves: each frame of a window is a mixture of its first and last, and these are not alike
WINDOWS_MS = (600, 1100, 1900)
APART, LIKE, LEAST_FRAMES = 12.0, 0.75, 4
# how alike the ends may be, and how far off the straight way the frames between them: a slow zoom also lies near a line
UNLIKE, OFF_UNLIKE, OFF_LIKE = 0.5, 0.33, 0.12
COMPLETE_MS = 160  # so long after its end a dissolve does not grow any more
LONGEST_MS = 4000  # what goes on for longer is no dissolve: what waits for its end must stay little
AHEAD_MS = 1300  # a dissolve is known for one only so long after it has begun
BLANK = 5.0  # the contrast of a frame that shows nothing


@dataclass
class Join:
    """From one shot to the next, first to last mixed frame; a hard cut has no mixed frames."""

    start: int
    end: int
    hard: bool = False

    @property
    def at(self) -> int:
        """From when the new shot is what one sees."""
        return self.end if self.hard else (self.start + self.end) // 2


@dataclass
class JoinFinder:
    """Feed `see` frames in order; `joins` are found, and final up to `settled`."""

    joins: list[Join] = field(default_factory=list)
    blank: bool = False
    _history: deque[tuple[int, Thumb]] = field(default_factory=deque)
    _steps: deque[float] = field(default_factory=lambda: deque(maxlen=12))
    _growing: Join | None = None
    _before_cut: tuple[int, Thumb, float] | None = None

    def see(self, ms: int, thumb: Thumb) -> bool:
        """Whether a new shot begins with just this frame."""
        blank = float(thumb.std(axis=(0, 1)).max()) < BLANK
        fresh = self._compare(ms, thumb, blank) if self._history else True
        self.blank = blank
        self._history.append((ms, thumb))
        while self._history[0][0] < ms - WINDOWS_MS[-1]:
            self._history.popleft()
        return fresh

    def settled(self, ms: int) -> int:
        """Until when the joins are final, once the frame of `ms` was seen."""
        return min(ms - AHEAD_MS, self._growing.start - 1) if self._growing else ms - AHEAD_MS

    def _compare(self, ms: int, thumb: Thumb, blank: bool) -> bool:
        last_ms, last = self._history[-1]
        step = difference(thumb, last)
        known = len(self._steps) >= FEW_STEPS  # at the start of a shot no motion is usual yet
        usual, like = (median(self._steps), LIKE) if known else (UNKNOWN_MOTION, LIKE_AT_FIRST)
        if self._was_a_flash(ms, thumb):
            self._begin()
            return True
        if blank or self.blank:
            if blank != self.blank:
                self._begin(Join(last_ms, ms, hard=True))
            return blank != self.blank
        if step > CUT + CUT_OVER_MOTION * usual and likeness(thumb, last) < like:
            self._before_cut = (last_ms, last, step)
            self._begin(Join(last_ms, ms, hard=True))
            return True
        self._steps.append(step)
        self._look_for_dissolve(ms, thumb)
        return False

    def _begin(self, join: Join | None = None) -> None:
        self._history.clear()
        self._steps.clear()
        self._growing = None
        if join is not None:
            self.joins.append(join)

    def _was_a_flash(self, ms: int, thumb: Thumb) -> bool:
        """A cut that is taken back at once was a flash of light: the shot before it goes on."""
        if self._before_cut is None:
            return False
        before_ms, before, step = self._before_cut
        back = ms - before_ms <= FLASH_MS and difference(thumb, before) < FLASH_BACK * step
        if back or ms - before_ms > FLASH_MS:
            self._before_cut = None
        if back:
            self.joins = [join for join in self.joins if join.start < before_ms]
        return back

    def _look_for_dissolve(self, ms: int, thumb: Thumb) -> None:
        growing = self._growing
        if growing is not None and (ms > growing.end + COMPLETE_MS or ms > growing.start + LONGEST_MS):
            while self._history and self._history[0][0] < growing.end:
                self._history.popleft()
            self._growing = None
        for width in WINDOWS_MS:
            window = [(at, other) for at, other in self._history if at >= ms - width]
            if len(window) < LEAST_FRAMES or window[0][0] > ms - width * 0.75:
                return
            found = dissolve_over([*window, (ms, thumb)])
            if found is not None:
                self._grow(found)
                return

    def _grow(self, found: tuple[int, int]) -> None:
        if self._growing is None:
            self._growing = Join(*found)
            self.joins.append(self._growing)
        self._growing.start = min(self._growing.start, found[0])
        self._growing.end = max(self._growing.end, found[1])


def difference(a: Thumb, b: Thumb) -> float:
    """Mean absolute difference, 0..255."""
    return float(np.abs(a - b).mean())


def change(a: Thumb, b: Thumb) -> float:
    """The same of the part that differs most: a hand that moves is a change, noise all over is none."""
    rows, columns = a.shape[0] // BLOCK, a.shape[1] // BLOCK
    off = (a - b)[: rows * BLOCK, : columns * BLOCK]
    blocks = np.abs(off.reshape(rows, BLOCK, columns, BLOCK, 3).mean(axis=(1, 3)))
    return float(blocks.mean(axis=2).max())


def likeness(a: Thumb, b: Thumb) -> float:
    """-1..1; the same scene in another light is near 1: brightness changes, the pattern stays."""
    x, y = a - a.mean(), b - b.mean()
    return float((x * y).sum()) / (float(np.sqrt((x * x).sum() * (y * y).sum())) + 1e-6)


def dissolve_over(window: list[tuple[int, Thumb]]) -> tuple[int, int] | None:
    """Start and end of a dissolve, when the frames of this window are mixtures of its first and last."""
    first, last = window[0][1], window[-1][1]
    if difference(first, last) < APART or (alike := likeness(first, last)) > LIKE:
        return None
    way = (last - first).ravel()
    length = float(way @ way)
    offs = np.stack([(thumb - first).ravel() for _, thumb in window[1:-1]])
    inner = offs @ way / length
    off = float(np.sqrt(np.square(offs - inner[:, None] * way).sum(axis=1).max() / length))
    far = min(1.0, max(0.0, (LIKE - alike) / (LIKE - UNLIKE)))
    if off > OFF_LIKE + far * (OFF_UNLIKE - OFF_LIKE) or (np.diff(inner) < -0.1).any():
        return None
    shares = np.concatenate([[0.0], inner, [1.0]])
    start = window[int(np.flatnonzero(shares <= 0.1)[-1])][0]
    end = window[int(np.flatnonzero(shares >= 0.9)[0])][0]
    return (start, end) if end > start else None
