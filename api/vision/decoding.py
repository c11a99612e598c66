"""Decoding pictures of strangers: a small pool of confined children (decoder_child.py), replaced when they fail."""

import queue
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from api.settings import VisionSettings
from api.vision.decoder_child import ANSWER, REQUEST
from api.vision.errors import PictureError, PictureFault
from api.vision.picture import Picture

CHILD = Path(__file__).with_name("decoder_child.py")
USES_OF_A_CHILD = 500  # bounds leaks of the decoders, and how long a subverted child would live
CHANNELS = 3

FAULTS = {
    b"short": PictureError("the picture is truncated: its end is missing", PictureFault.TRUNCATED),
    b"corrupt": PictureError("the picture is damaged and cannot be decoded", PictureFault.CORRUPT),
    b"scans": PictureError("the picture is a JPEG of too many scans", PictureFault.TOO_SLOW),
    b"unknown": PictureError("not a picture in a known format", PictureFault.UNSUPPORTED),
}
# What people send by mistake, told by its first bytes, so that the refusal can name it.
NOT_PICTURES = (
    (b"%PDF", "a PDF document"),
    (b"<svg", "an SVG drawing"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"PK\x03\x04", "a ZIP archive"),
)
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
SNIFFED_BYTES = 512


def name_of_non_picture(data: bytes) -> str | None:
    head = data[:SNIFFED_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if data[4:8] == b"ftyp" and data[8:12] in HEIC_BRANDS and b"avif" not in data[:64]:
        return "a HEIC picture"
    for magic, name in NOT_PICTURES:
        if head.startswith(magic.lower()):
            return name
    return "an SVG drawing" if head.startswith(b"<?xml") and b"<svg" in data[:4096].lower() else None


class _Child:
    """One decoder process and the line to it. Raises OSError when it hangs past the deadline or dies."""

    def __init__(self, memory_bytes: int, cpu_seconds: int) -> None:
        self.line, theirs = socket.socketpair()
        command = [sys.executable, "-I", str(CHILD), str(memory_bytes), str(cpu_seconds)]
        with theirs:
            # A bare environment: no secret of ours may lie in the memory of the child.
            self._process = subprocess.Popen(  # noqa: S603 - our own file
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={}, cwd="/"
            )
        self.uses = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    def worn(self) -> bool:
        return self.uses >= USES_OF_A_CHILD or self._process.poll() is not None

    def ask(self, data: bytes, side: int, max_pixels: int, timeout_s: float) -> tuple[bytes, Picture | None]:
        """The outcome word, and the picture when it is `ok`."""
        deadline = time.monotonic() + timeout_s
        self.uses += 1
        self.line.settimeout(timeout_s)
        self.line.sendall(REQUEST.pack(len(data), side, max_pixels))
        self.line.sendall(data)
        outcome, *sizes = ANSWER.unpack(self._receive(ANSWER.size, deadline))
        outcome = outcome.rstrip(b"\0")
        if outcome != b"ok":
            return outcome, None
        width, height, columns, rows = sizes
        # The child is not trusted: whatever it claims, no more than a reduced picture is taken from it.
        if not (0 < columns < 2 * side and 0 < rows < 2 * side and 0 < width * height <= max_pixels):
            raise OSError("the decoder answered nonsense")
        pixels = np.frombuffer(self._receive(columns * rows * CHANNELS, deadline), np.uint8)
        return outcome, Picture(width, height, pixels.reshape(rows, columns, CHANNELS))

    def _receive(self, count: int, deadline: float) -> bytearray:
        buffer = bytearray(count)
        view = memoryview(buffer)
        while view:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.line.settimeout(left)
            got = self.line.recv_into(view)
            if not got:
                raise ConnectionError("the decoder died")
            view = view[got:]
        return buffer

    def end(self) -> None:
        self.line.close()
        self._process.kill()
        self._process.wait()


class Decoders:
    """Thread-safe. Children start at first use (0.1 s) and end with `close()` or with this process."""

    def __init__(self, settings: VisionSettings, max_bytes: int) -> None:
        self._settings = settings
        self._max_bytes = max_bytes
        self._slots: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(settings.decoders):
            self._slots.put(None)

    def decode(self, data: bytes) -> Picture:
        """The upright picture, its longest side reduced to `kept_side`, up to twice of it; raises PictureError."""
        self._refuse_early(data)
        settings = self._settings
        with self._child() as child:
            try:
                outcome, picture = child.ask(data, settings.kept_side, settings.max_pixels, settings.decode_timeout_s)
            except TimeoutError as error:
                raise PictureError("decoding the picture takes too long", PictureFault.TOO_SLOW) from error
            except OSError as error:
                raise PictureError("the picture cannot be decoded", PictureFault.CORRUPT) from error
        if picture is not None:
            return picture
        if outcome == b"large":
            reason = f"the picture has more than {settings.max_pixels:,} pixels or needs too much memory to decode"
            raise PictureError(reason, PictureFault.TOO_LARGE)
        fault = FAULTS.get(outcome, FAULTS[b"corrupt"])
        raise PictureError(fault.reason, fault.code)

    def close(self) -> None:
        # all of them first: the queue would hand out again what was just put back
        for child in [self._slots.get() for _ in range(self._settings.decoders)]:
            if child is not None:
                child.end()
            self._slots.put(None)

    def _refuse_early(self, data: bytes) -> None:
        if not data:
            raise PictureError("the picture is empty", PictureFault.EMPTY)
        if len(data) > self._max_bytes:
            raise PictureError(f"the picture has more than {self._max_bytes:,} bytes", PictureFault.TOO_LARGE)
        if name := name_of_non_picture(data):
            reason = f"this is {name}; send JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF"
            raise PictureError(reason, PictureFault.UNSUPPORTED)

    @contextmanager
    def _child(self) -> Iterator[_Child]:
        """A live child out of the pool, waiting for one no longer than a decode may take."""
        try:
            child = self._slots.get(timeout=self._settings.decode_timeout_s)
        except queue.Empty as error:
            raise PictureError("all decoders are busy", PictureFault.BUSY) from error
        try:
            if child is None or child.worn():
                if child is not None:
                    child.end()
                child = None
                child = _Child(self._settings.decoder_memory_mb * 1024**2, int(self._settings.decode_timeout_s) + 2)
            yield child
        except BaseException:
            # Whatever went wrong, an answer may still be on the line: it must not meet the next picture.
            if child is not None:
                child.end()
                child = None
            raise
        finally:
            self._slots.put(child)
