"""The pieces in which a film comes to be watched: a file is one, a stream is many, each a file for a while.

A window of segments (segments.py fetches them, as they are needed) is put together to a file that the decoding child
can read, and goes away after it."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from api.kit.fetcher import Fetcher, FetchFailed
from api.media.frames import VideoError
from api.media.hls import MAX_PLAYLIST_BYTES, Playlist, Segment, best_variant, read_playlist
from api.media.segments import Segments
from api.media.watching import Position

WINDOW_MS = 30_000
PREROLL_MS = 3000  # of the window before: what the decoder needs to tell shots apart across the border
MAX_WINDOW_BYTES = 256 * 1024**2
MAX_WINDOW_SEGMENTS = 200
WINDOW_WALL_S = 240.0
MAX_MISSING = 5  # segments in a row that cannot be had
NUMBERED_ANEW = 50  # segments back from which a live stream's numbers have begun anew
MIN_TURN_S = 4.0


@dataclass(frozen=True)
class Reel:
    """A file that holds `starts_ms` to `ends_ms` of the film. `final`: nothing that follows bears on it; `fresh`: it
    begins a new shot."""

    path: Path
    starts_ms: int
    ends_ms: int
    final: bool = True
    fresh: bool = False


class StreamGone(Exception):
    """A live stream that was there has no playlist any more: it is over."""


Timed = list[tuple[int, Segment]]  # with the time of the film at which each starts


class Stream:
    """One HLS stream from `position` on, as its playlist is now. `seconds` is its length where it has an end."""

    def __init__(
        self, fetcher: Fetcher, folder: Path, url: str, position: Position, max_bytes: int, first: bytes | None = None
    ) -> None:
        self._fetcher = fetcher
        self._folder = folder
        self._max_bytes = max_bytes
        self._segments = Segments(fetcher, folder, position, max_bytes)
        self.position = position
        playlist = self._opened(url, first)
        self._timed = _timed(playlist.segments, position)
        self.live = position.live = not playlist.ended
        self.truncated = False
        self._after = (position.covered, position.covered_ms, position.closed)
        self._missing = 0
        self.wait_s = max(MIN_TURN_S, playlist.target_s)
        self.seconds = None if self.live else sum(segment.seconds for segment in playlist.segments)

    @property
    def has_more(self) -> bool:
        """Whether there is something that has not been watched; a live stream always has, in time."""
        return self.live or any(segment.sequence > self.position.covered for _, segment in self._timed)

    @property
    def waiting(self) -> bool:
        """Whether there is something new right now."""
        return any(segment.sequence > self.position.covered for _, segment in self._timed)

    def next_reel(self, at_ms: int) -> Reel | None:
        """The next window, when the film is known up to `at_ms`; None when there is nothing new (for now, if it is
        live). The file is overwritten by the next one."""
        position = self.position
        while self._timed and self._timed[0][1].sequence <= position.covered and self._led_in(at_ms):
            del self._timed[0]
        if self._missing > MAX_MISSING:
            raise self.unreachable()
        if not self._timed or not (self.waiting or not (self.live or position.closed)):
            return None
        if position.fetched > self._max_bytes:
            self.truncated = True
            return None
        window, rest = _window(self._timed, at_ms)
        begins = (window[0][1].fresh or position.closed) and window[0][1].sequence > position.covered
        written, new = self._write(window)
        final = bool(rest and rest[0][1].fresh) or (not rest and not self.live)
        final |= not new and window[-1][1].sequence > position.covered  # a hole: what comes after it is a new shot
        self._after = (window[-1][1].sequence, _end(window), final)
        if final:
            self._timed = rest
        reel = Reel(self._folder / "reel", window[0][0], _end(window), final, begins)
        if written:
            return reel
        self.watched()
        return self.next_reel(reel.ends_ms)

    def watched(self) -> None:
        """The last window is dealt with: whoever takes over goes on behind it, and until now at its beginning."""
        position = self.position
        position.covered, position.covered_ms, position.closed = self._after

    def _led_in(self, at_ms: int) -> bool:
        return _end(self._timed[:1]) <= at_ms - PREROLL_MS

    def _opened(self, url: str, first: bytes | None) -> Playlist:
        try:
            body, base = (first, url) if first is not None else self._text(url)
            playlist = read_playlist(body, base)
            if playlist.variants:
                body, base = self._text(best_variant(playlist.variants).url)
                playlist = read_playlist(body, base)
        except FetchFailed as error:
            if self.position.live and not error.retryable:
                raise StreamGone from error
            raise
        if playlist.variants:
            raise VideoError("bad_playlist", "a playlist of variants leads to another one")
        return playlist

    def _text(self, url: str) -> tuple[bytes, str]:
        accept = "application/vnd.apple.mpegurl, */*"
        fetched = self._fetcher.fetch(url, max_bytes=MAX_PLAYLIST_BYTES, accept=accept)
        return fetched.body, fetched.url

    def unreachable(self) -> VideoError:
        """What to say when too many segments, or all, could not be had."""
        return VideoError("segments_missing", f"the stream's segments cannot be fetched: {self._segments.trouble}")

    def _write(self, window: Timed) -> tuple[int, int]:
        """The window's segments one after the other; how many could be had, and how many of those are new."""
        written = new = total = 0
        late = time.monotonic() + WINDOW_WALL_S
        with (self._folder / "reel").open("wb") as file:
            for _, segment in window:
                if time.monotonic() > late:
                    raise FetchFailed(f"half a minute of the stream takes longer than {WINDOW_WALL_S:.0f} s")
                body = self._segments.body(segment)
                if body is None:
                    self._missing += 1
                elif segment.sequence > self.position.covered:  # others lead in, and have been counted
                    self._missing, new = 0, new + 1
                if self._missing > MAX_MISSING:
                    if written:
                        break  # what came before it is watched first; the next window finds no more
                    raise self.unreachable()
                if body is None:
                    continue
                body = body if written else self._segments.init(segment) + body
                file.write(body)
                written, total = written + 1, total + len(body)
                if total > MAX_WINDOW_BYTES:
                    raise VideoError("too_large", "half a minute of the stream has too many bytes")
        return written, new


def _timed(segments: list[Segment], position: Position) -> Timed:
    """The segments with their times in the film, counted from what has been covered. Where a live stream has moved on
    meanwhile, what was missed is left out: the film goes on where it was left, with a new shot."""
    if segments and segments[-1].sequence < position.covered - NUMBERED_ANEW:
        position.covered = -1
    if position.covered_ms and segments and segments[0].sequence > position.covered + 1:
        segments = [replace(segments[0], fresh=True), *segments[1:]]
    if position.closed:
        segments = [segment for segment in segments if segment.sequence > position.covered]
    now = position.covered_ms - 1000 * sum(item.seconds for item in segments if item.sequence <= position.covered)
    timed = []
    for segment in segments:
        timed.append((round(now), segment))
        now += segment.seconds * 1000
    return timed


def _end(timed: Timed) -> int:
    return timed[-1][0] + round(timed[-1][1].seconds * 1000)


def _window(timed: Timed, at_ms: int) -> tuple[Timed, Timed]:
    """Segments up to WINDOW_MS after `at_ms`, and the rest. A segment with which the clock or the coding starts anew is
    the first of its window."""
    count = 1
    for starts_ms, segment in timed[1:]:
        if starts_ms >= at_ms + WINDOW_MS or segment.fresh or count >= MAX_WINDOW_SEGMENTS:
            break
        count += 1
    return timed[:count], timed[count:]
