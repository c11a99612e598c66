"""The child process that decodes one video: it imports nothing of ours, reads standard input (a file, seekable) and
writes to standard output a JSON line a sampled frame, followed by its RGB bytes; `{"error"}` or `{"end"}` last.

It can open neither a second file nor a URL: no descriptor is left to do so, playlists are not on the list of formats,
and no protocol is allowed. The parent (`frames.py`) owns the wall clock.
"""

import importlib
import json
import pkgutil
import resource
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import av
import numpy as np

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,flv,gif"
THUMB = (32, 18)
CUT = 40.0  # mean absolute grey difference (0..255) between neighbouring frames that makes a hard cut
SAME = 1.5  # below this a sampled frame shows what the last one showed
MEMORY_BYTES = 3 * 1024**3


class BadVideo(Exception):
    """The file is not a video we can use; `code` is for machines."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def open_video(file: BinaryIO, limits: dict[str, Any]) -> tuple[Any, Any]:
    """The container and its first real video stream (cover art is not one)."""
    if not file.read(1):
        raise BadVideo("empty", "the file is empty")
    file.seek(0)
    try:
        container = av.open(file, "r", options={"format_whitelist": FORMATS, "protocol_whitelist": "none"})
    except (av.FFmpegError, ValueError) as error:
        raise BadVideo("not_a_video", "the file is not a video of a known format") from error
    cover = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams:
        raise BadVideo("no_video_stream", "the file has no video stream")
    stream = streams[0]
    if stream.codec_context is None:
        raise BadVideo("unknown_codec", "the video's codec is not known")
    if stream.width * stream.height > limits["max_pixels"]:
        raise BadVideo("too_large", f"a frame of {stream.width}x{stream.height} has too many pixels")
    stream.codec_context.options = {"max_pixels": str(limits["max_pixels"])}
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = 2
    return container, stream


def duration_ms(container: Any, stream: Any) -> int | None:
    """As the file states it; a live recording may not."""
    if stream.duration and stream.time_base:
        return int(stream.duration * stream.time_base * 1000)
    return container.duration // 1000 if container.duration else None


def frames_of(container: Any, stream: Any) -> Iterator[tuple[int, Any]]:
    """(ms, frame) in rising order. A damaged tail ends the video where it breaks; a damaged head is an error."""
    start = float((stream.start_time or 0) * stream.time_base)
    fps = float(stream.average_rate or 25) or 25.0
    count, last = 0, -1
    try:
        for frame in container.decode(stream):
            at = frame.time - start if frame.time is not None else count / fps
            count += 1
            ms = round(at * 1000)
            if ms > last:
                last = ms
                yield ms, frame
    except av.FFmpegError as error:
        if not count:
            raise BadVideo("corrupt", "no frame of the video can be decoded") from error


def thumbnail(frame: Any) -> Any:
    """A tiny grey copy to compare frames by."""
    grey = frame.reformat(width=THUMB[0], height=THUMB[1], format="gray", interpolation="FAST_BILINEAR")
    return grey.to_ndarray().astype(np.int16)


def picture(frame: Any, stream: Any, side: int) -> Any:
    """Upright RGB pixels, square, the longest side at most `side`."""
    aspect = float(stream.sample_aspect_ratio or 1) or 1.0
    width, height = frame.width * min(max(aspect, 0.1), 10.0), float(frame.height)
    scale = min(1.0, side / max(width, height))
    pixels = frame.reformat(
        width=max(2, round(width * scale)), height=max(2, round(height * scale)), format="rgb24", interpolation="AREA"
    ).to_ndarray()
    quarters = round(frame.rotation / 90) % 4  # counter-clockwise, as numpy turns
    return np.ascontiguousarray(np.rot90(pixels, quarters)) if quarters else pixels


def difference(a: Any, b: Any) -> float:
    """Mean absolute grey difference."""
    return float(np.abs(a - b).mean())


def sample(container: Any, stream: Any, limits: dict[str, Any], out: BinaryIO) -> None:
    """Send a frame every `interval_ms` and one at each cut; of a standing picture only the time."""
    due = 0
    before = sent = None
    last_ms, shown_ms, truncated = -1, 1, False
    for ms, frame in frames_of(container, stream):
        if ms > limits["max_ms"]:
            truncated = True
            break
        if frame.width * frame.height > limits["max_pixels"]:
            raise BadVideo("too_large", "a frame has too many pixels")
        thumb = thumbnail(frame)
        cut = before is not None and difference(thumb, before) > CUT
        before, last_ms, shown_ms = thumb, ms, ms - last_ms if last_ms >= 0 else 1
        if not cut and ms < due:
            continue
        due = (ms // limits["interval_ms"] + 1) * limits["interval_ms"]
        same = not cut and sent is not None and difference(thumb, sent) < SAME
        head: dict[str, Any] = {"ms": ms, "cut": cut, "same": same, "width": 0, "height": 0}
        if same:
            send(out, head)
            continue
        sent = thumb
        pixels = picture(frame, stream, limits["side"])
        head["height"], head["width"] = pixels.shape[:2]
        send(out, head, pixels.tobytes())
    if last_ms < 0:
        raise BadVideo("no_frames", "the video has no frames")
    # the last frame is shown for as long as the one before it
    send(out, {"end": last_ms + shown_ms, "truncated": truncated})


def send(out: BinaryIO, head: dict[str, Any], body: bytes = b"") -> None:
    """One message."""
    out.write(json.dumps(head).encode() + b"\n" + body)
    out.flush()


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
    """`frame_reader.py <limits as JSON>`."""
    limits = json.loads(sys.argv[1])
    confine(limits["cpu_s"])
    av.logging.set_level(av.logging.PANIC)
    out = sys.stdout.buffer
    try:
        container, stream = open_video(sys.stdin.buffer, limits)
        with container:
            send(out, {"duration_ms": duration_ms(container, stream)})
            sample(container, stream, limits, out)
    except BadVideo as error:
        send(out, {"error": error.code, "reason": str(error)})
    except MemoryError:
        send(out, {"error": "too_large", "reason": "decoding the video takes too much memory"})
    except (av.FFmpegError, ValueError, OSError, OverflowError) as error:
        send(out, {"error": "corrupt", "reason": f"the video cannot be decoded ({type(error).__name__})"})


if __name__ == "__main__":
    main()
