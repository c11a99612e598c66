"""Sampled frames of a local video file, decoded in a spawned child with limits on pixels, seconds, memory and time."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

READER = Path(__file__).with_name("frame_reader.py")
MAX_HEAD_BYTES = 10_000


class VideoError(Exception):
    """The file cannot be used; `code` is for machines, the text for people."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class SamplingLimits:
    """Bounds of one decoding. `side` bounds the longest side of what comes back, not of the video."""

    max_ms: int
    interval_ms: int = 500
    side: int = 800
    max_pixels: int = 8192 * 4320
    wall_s: float = 3600.0

    def as_argument(self) -> str:
        """What the child is told."""
        return json.dumps(
            {
                "max_ms": self.max_ms,
                "interval_ms": self.interval_ms,
                "side": self.side,
                "max_pixels": self.max_pixels,
                "cpu_s": max(1, int(self.wall_s) * 2),
            }
        )


@dataclass(frozen=True)
class Frame:
    """One sampled moment. `pixels` is None where it shows what the sample before it showed. `cut` starts a new shot."""

    ms: int
    cut: bool
    pixels: NDArray[np.uint8] | None


class VideoSampler:
    """Iterate once over `frames()`; `duration_ms` is known from the first frame on, `end_ms` and `truncated` after."""

    def __init__(self, path: Path, limits: SamplingLimits) -> None:
        self._path = path
        self._limits = limits
        self._late = False
        self.duration_ms: int | None = None
        self.end_ms = 0
        self.truncated = False

    def frames(self) -> Iterator[Frame]:
        """Rising in time; raises VideoError. The child dies with the iteration, whichever way that ends."""
        with self._path.open("rb") as file:
            child = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-I", str(READER), self._limits.as_argument()],
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},  # no secret of ours may lie in the memory of a decoder
                cwd="/",
            )
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
        while line := stream.readline(MAX_HEAD_BYTES):
            head = json.loads(line)
            if "error" in head:
                raise VideoError(head["error"], head["reason"])
            if "duration_ms" in head:
                self.duration_ms = head["duration_ms"]
            elif "end" in head:
                self.end_ms, self.truncated = head["end"], head["truncated"]
                return
            else:
                yield self._frame(head, stream)
        if self._late:
            raise VideoError("timeout", f"decoding took longer than {self._limits.wall_s:.0f} s")
        raise VideoError("decoder_died", "the decoder stopped in the middle of the video")

    def _frame(self, head: dict[str, int], stream: IO[bytes]) -> Frame:
        if head["same"]:
            return Frame(head["ms"], bool(head["cut"]), None)
        size = head["width"] * head["height"] * 3
        if size > self._limits.side**2 * 3:
            raise VideoError("decoder_died", "the decoder sent more pixels than it was asked for")
        body = stream.read(size)
        if len(body) != size:
            raise VideoError("decoder_died", "the decoder stopped in the middle of a frame")
        pixels = np.frombuffer(body, np.uint8).reshape(head["height"], head["width"], 3)
        return Frame(head["ms"], bool(head["cut"]), pixels)
