"""What is worth seeing of a local video file, decoded in a spawned child with limits on pixels, seconds, memory and
time."""

import json
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
# -I: neither the environment nor the working directory brings in code; the root is named here
START = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from api.media.frame_reader import main; main()"
MAX_HEAD_BYTES = 10_000


class VideoError(Exception):
    """The file cannot be used; `code` is for machines, the text for people."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class SamplingLimits:
    """Bounds of one decoding. `side` bounds the longest side of what comes back, not of the video. Told is what happens
    after `from_ms`; what only the rest of a film can make certain is left to it where the file is not `final`."""

    max_ms: int
    from_ms: int = 0
    final: bool = True
    side: int = 800
    max_pixels: int = 8192 * 4320
    wall_s: float = 3600.0

    def as_argument(self) -> str:
        """What the child is told; its own clock counts the seconds of both cores."""
        told = asdict(self) | {"cpu_s": max(2, int(self.wall_s) * 2), "from_ms": self.from_ms or -1}
        return json.dumps(told)


class Kind(StrEnum):
    """What happens in a film: a picture to look at, the start of a new shot, or that the last picture still stands."""

    look = "look"
    cut = "cut"
    stand = "stand"


@dataclass(frozen=True)
class Frame:
    """One moment; `pixels` come with a look alone."""

    ms: int
    kind: Kind
    pixels: NDArray[np.uint8] | None = None

    def moved(self, ms: int) -> "Frame":
        """The same so much later."""
        return replace(self, ms=self.ms + ms)


class VideoSampler:
    """Iterate once over `frames()`; `duration_ms`, as the file claims it, is known from the first frame on, the rest
    after: `end_ms`, `told_ms` (from where another file goes on), and whether there was more (`truncated`)."""

    def __init__(self, path: Path, limits: SamplingLimits) -> None:
        self._path = path
        self._limits = limits
        self._late = False
        self.duration_ms: int | None = None
        self.end_ms = 0
        self.told_ms = limits.from_ms
        self.truncated = False
        self.pid: int | None = None

    def frames(self) -> Generator[Frame]:
        """Rising in time; raises VideoError. The child dies with the iteration, whichever way that ends."""
        with self._path.open("rb") as file:
            child = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-I", "-c", START, self._limits.as_argument()],
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},  # no secret of ours may lie in the memory of a decoder
                cwd="/",
            )
        self.pid = child.pid
        alarm = threading.Timer(self._limits.wall_s, self._time_out, args=[child])
        alarm.daemon = True
        alarm.start()
        try:
            assert child.stdout is not None  # noqa: S101 - PIPE was asked for
            yield from self._read(child.stdout)
        finally:
            alarm.cancel()
            child.kill()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()

    def _time_out(self, child: "subprocess.Popen[bytes]") -> None:
        self._late = True
        child.kill()

    def _read(self, stream: IO[bytes]) -> Iterator[Frame]:
        while (line := stream.readline(MAX_HEAD_BYTES)).endswith(b"\n"):  # half a line is that of a child that died
            head = json.loads(line)
            if "error" in head:
                raise VideoError(head["error"], head["reason"])
            if "duration_ms" in head:
                self.duration_ms = head["duration_ms"]
            elif "end" in head:
                self.end_ms, self.told_ms, self.truncated = head["end"], head["told"], head["truncated"]
                return
            else:
                yield self._frame(head, stream)
                self.told_ms = self.end_ms = head["ms"]
        if not self._late:
            raise VideoError("decoder_died", "the decoder stopped in the middle of the video")
        if not self.end_ms:
            raise VideoError("timeout", f"decoding took longer than {self._limits.wall_s:.0f} s")
        self.truncated = True  # what was seen in the time that it may take is right; the rest is not seen

    def _frame(self, head: dict[str, Any], stream: IO[bytes]) -> Frame:
        kind = Kind(head["kind"])
        if kind is not Kind.look:
            return Frame(head["ms"], kind)
        size = head["width"] * head["height"] * 3
        if size > self._limits.side**2 * 3:
            raise VideoError("decoder_died", "the decoder sent more pixels than it was asked for")
        body = stream.read(size)
        if len(body) != size:
            raise VideoError("decoder_died", "the decoder stopped in the middle of a frame")
        return Frame(head["ms"], kind, np.frombuffer(body, np.uint8).reshape(head["height"], head["width"], 3))
