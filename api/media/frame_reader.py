"""The child process that decodes one video: it reads standard input (a file, seekable) and writes to standard output a
JSON line for each thing worth telling (`shots.py` decides), RGB bytes after those that are looks; `{"error"}` or
`{"end"}` last. Beside its siblings it imports nothing of ours.

It can open neither a second file nor a URL: no descriptor is left to do so, playlists are not on the list of formats,
and no protocol is allowed. The parent (`frames.py`) owns the wall clock.
"""

import importlib
import json
import pkgutil
import resource
import sys
from functools import partial
from typing import Any, BinaryIO

import av
import numpy as np

from api.media.film import BadVideo, Film
from api.media.joins import Thumb
from api.media.pixels import upright
from api.media.shots import Event, Look, Shots

THUMB = (32, 18)
THUMBS_MS = 30  # frames that follow each other faster are not told apart
PREROLL_MS = 3000  # before the moment from which is told: joins are known by what came before them
MEMORY_BYTES = 3 * 1024**3


def thumbnail(frame: Any) -> Thumb:
    """A tiny copy to compare frames by."""
    small = frame.reformat(width=THUMB[0], height=THUMB[1], format="rgb24", interpolation="AREA")
    thumb: Thumb = small.to_ndarray().astype(np.float32)
    return thumb


class Telling:
    """What the parent hears of; nothing up to and with `from_ms`, which it knows already."""

    def __init__(self, out: BinaryIO, from_ms: int) -> None:
        self._out = out
        self._from_ms = from_ms
        self.told_ms = from_ms

    def tell(self, event: Event) -> None:
        """One message."""
        if event.ms <= self._from_ms:
            return
        self.told_ms = event.ms
        head: dict[str, Any] = {"ms": event.ms, "kind": type(event).__name__.lower()}
        if isinstance(event, Look):
            head["height"], head["width"] = event.picture.shape[:2]
            self.send(head, event.picture.tobytes())
        else:
            self.send(head)

    def send(self, head: dict[str, Any], body: bytes = b"") -> None:
        """A line, and bytes after it."""
        self._out.write(json.dumps(head).encode() + b"\n" + body)
        self._out.flush()


def watch(film: Film, limits: dict[str, Any], telling: Telling) -> None:
    """Tell of every look, cut and standing picture from `from_ms` to the film's end or the limit. Of a film that goes
    on in another file (`final` is false) only what cannot be changed by what follows."""
    shots = Shots()
    thumb_ms, last_ms, truncated = -THUMBS_MS, -1, False
    for ms, frame in film.frames(max(0, limits["from_ms"] - PREROLL_MS)):
        if ms > limits["max_ms"]:
            truncated = True
            break
        if frame.width * frame.height > limits["max_pixels"]:
            raise BadVideo("too_large", "a frame has too many pixels")
        last_ms = ms
        if ms - thumb_ms < THUMBS_MS:
            continue
        thumb_ms = ms
        for event in shots.see(ms, thumbnail(frame), partial(upright, frame, film.aspect, limits["side"])):
            telling.tell(event)
    if last_ms < 0:
        raise BadVideo("no_frames", "the video has no frames")
    end = limits["max_ms"] if truncated else film.end_ms(last_ms)
    if limits["final"] or truncated:
        for event in shots.end(end):
            telling.tell(event)
    else:
        telling.told_ms = max(telling.told_ms, min(last_ms, shots.finder.settled(last_ms)))
    telling.send({"end": end, "told": telling.told_ms, "truncated": truncated, "damaged": film.damaged})


def confine(cpu_s: int) -> None:
    """Give up what a decoder does not need: no file opens after it, so what PyAV imports late is imported now."""
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if module.name not in {"av.__main__", "av.datasets"}:
            importlib.import_module(module.name)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def main() -> None:
    """Called by `frames.py` with the limits as JSON."""
    limits = json.loads(sys.argv[1])
    confine(limits["cpu_s"])
    av.logging.set_level(av.logging.PANIC)
    telling = Telling(sys.stdout.buffer, limits["from_ms"])
    try:
        film = Film(sys.stdin.buffer, limits["max_pixels"])
        with film.container:
            telling.send({"duration_ms": film.duration_ms()})
            watch(film, limits, telling)
    except BadVideo as error:
        telling.send({"error": error.code, "reason": str(error)})
    except MemoryError:
        telling.send({"error": "too_large", "reason": "decoding the video takes too much memory"})
    except (av.FFmpegError, ValueError, OSError, OverflowError, ArithmeticError) as error:
        telling.send({"error": "corrupt", "reason": f"the video cannot be decoded ({type(error).__name__})"})
