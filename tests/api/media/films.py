"""Films cut out of photographs: cameras that drift, zoom or stand, joined by cuts, dissolves and fades, whose times are
known. Frames are made one after the other, so that a long film needs no more memory than a short one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
OVERSIZE = 1.2  # how much more of the photo there is than the window shows
ZOOM = 1.3
TRAVEL = 0.25  # of the window's height, the most that a pan moves


@dataclass(frozen=True)
class Shot:
    """One photo for `seconds`, `move` being pan, zoom, still or shake; `join_s` is how long it takes to dissolve into
    the next (0: a hard cut), through black with `fade`."""

    photo: Pixels
    seconds: float
    move: str = "pan"
    join_s: float = 0.0
    fade: bool = False


def frames_of(shots: Sequence[Shot], fps: int, size: tuple[int, int]) -> Iterator[Pixels]:
    """RGB frames of `size` (w, h). A join takes its time from the end of the one shot and the start of the next."""
    for number, shot in enumerate(shots):
        count, joined = round(shot.seconds * fps), round(shot.join_s * fps)
        skipped = round(shots[number - 1].join_s * fps) if number else 0
        for index in range(skipped, count):
            frame = window(shot, index / max(1, count - 1), size)
            left = count - index
            if left <= joined and number + 1 < len(shots):
                following = shots[number + 1]
                ahead = joined - left
                others = round(following.seconds * fps)
                other = window(following, ahead / max(1, others - 1), size)
                frame = mixed(frame, other, (ahead + 1) / (joined + 1), fade=shot.fade)
            yield frame


def joins_of(shots: Sequence[Shot]) -> list[tuple[int, int]]:
    """When each join starts and ends, in ms."""
    found, at = [], 0.0
    for shot in shots[:-1]:
        at += shot.seconds
        found.append((round((at - shot.join_s) * 1000), round(at * 1000)))
        at -= shot.join_s
    return found


def mixed(a: Pixels, b: Pixels, share: float, *, fade: bool) -> Pixels:
    """`share` of the way from `a` to `b`, straight or through black."""
    if fade:
        a, b = (a, np.zeros_like(a)) if share < 0.5 else (np.zeros_like(b), b)
        share = share * 2 if share < 0.5 else share * 2 - 1
    return np.asarray(cv2.addWeighted(a, 1 - share, b, share, 0), np.uint8)


def window(shot: Shot, t: float, size: tuple[int, int]) -> Pixels:
    """What the camera sees a share `t` of its way on."""
    width, height = size
    rows, columns = shot.photo.shape[:2]
    cover = max(width / columns, height / rows) * OVERSIZE
    scale = cover * (1 + (ZOOM - 1) * t) if shot.move == "zoom" else cover
    room_x, room_y = columns * scale - width, rows * scale - height
    top = min(room_y * 0.3, room_y)
    along = 0.5 if shot.move in {"zoom", "still"} else t
    if shot.move == "shake":
        along = 0.5 + 0.4 * np.sin(t * 40)
    down = top + min(room_y - top, TRAVEL * height) * (along if shot.move in {"pan", "shake"} else 0.0)
    across = room_x / 2 + min(room_x / 2, TRAVEL * height) * (along - 0.5)
    matrix = np.array([[scale, 0, -across], [0, scale, -down]], np.float64)
    return np.asarray(cv2.warpAffine(shot.photo, matrix, (width, height), flags=cv2.INTER_LINEAR), np.uint8)


def encode(
    path: Path, frames: Iterator[Pixels], fps: int, *, codec: str = "libx264", muxing: dict[str, str] | None = None,
    **options: str,
) -> Path:  # fmt: skip
    """To the container that the suffix names. `options` are the encoder's, `muxing` the container's."""
    with av.open(str(path), "w", options=muxing or {}) as container:
        stream: Any = None
        for pixels in frames:
            if stream is None:
                stream = container.add_stream(codec, rate=fps, options={"preset": "veryfast"} | options)
                stream.width, stream.height, stream.pix_fmt = pixels.shape[1], pixels.shape[0], "yuv420p"
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path
