"""Videos made for the tests, from real photographs where there are any."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


def pan(photo: NDArray[np.uint8], seconds: float, fps: int, size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """The camera drifts over a photo: frames of `size` (w, h), the window moving right and down."""
    import cv2

    width, height = size
    scale = max(width / photo.shape[1], height / photo.shape[0]) * 1.08
    big = cv2.resize(
        photo, (round(photo.shape[1] * scale), round(photo.shape[0] * scale)), interpolation=cv2.INTER_AREA
    )
    count = round(seconds * fps)
    frames = []
    for index in range(count):
        x = round((big.shape[1] - width) * index / max(1, count - 1))
        y = round((big.shape[0] - height) * index / max(1, count - 1))
        frames.append(np.ascontiguousarray(big[y : y + height, x : x + width]))
    return frames


def write(
    path: Path, frames: list[NDArray[np.uint8]], fps: int = 10, rotation: int = 0, codec: str = "libx264"
) -> Path:
    """Encode to the container that the suffix names."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height = frames[0].shape[1], frames[0].shape[0]
        stream.pix_fmt = "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        for pixels in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def audio_only(path: Path) -> Path:
    """One second of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        frame.time_base = Fraction(1, 44100)
        frame.pts = 0
        for packet in stream.encode(frame):
            container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path
