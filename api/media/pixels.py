"""From a decoded frame of whatever kind to upright RGB pixels as a screen would show them.

Runs in the decoding child (`frame_reader.py`): imports NumPy and nothing of ours.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
PQ = 16  # transfer characteristics of SMPTE ST 2084, as ITU-T H.273 numbers them
DIFFUSE_WHITE_NITS = 203.0  # ITU-R BT.2408


def upright(frame: Any, aspect: float, side: int) -> Pixels:
    """(rows, columns, 3), square pixels, the longest side at most `side`."""
    width, height = frame.width * aspect, float(frame.height)
    scale = min(1.0, side / max(width, height))
    size = {"width": max(2, round(width * scale)), "height": max(2, round(height * scale))}
    if any(component.is_alpha for component in frame.format.components):
        pixels = on_white(frame.reformat(**size, format="rgba", interpolation="AREA").to_ndarray())
    else:
        pixels = frame.reformat(**size, format="rgb24", interpolation="AREA").to_ndarray()
    if frame.color_trc == PQ:
        pixels = _SHOWN[pixels]
    quarters = round(frame.rotation / 90) % 4  # counter-clockwise, as numpy turns
    return np.ascontiguousarray(np.rot90(pixels, quarters)) if quarters else np.ascontiguousarray(pixels)


def on_white(rgba: Pixels) -> Pixels:
    """What a page's white shows through."""
    alpha = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _shown_of_pq() -> Pixels:
    """Each of the 256 codes of a PQ signal as a screen of ordinary brightness shows it: SMPTE ST 2084's EOTF,
    highlights rolled off above diffuse white (Reinhard), and sRGB's curve."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    code = np.power(np.arange(256) / 255, 1 / m2)
    nits = 10_000 * np.power(np.maximum(code - c1, 0) / (c2 - c3 * code), 1 / m1)
    light = nits / DIFFUSE_WHITE_NITS
    light = np.clip(light * (1 + light / 16) / (1 + light * 0.25), 0, 1)
    curved = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, 1 / 2.4) - 0.055)
    return np.round(curved * 255).astype(np.uint8)


_SHOWN = _shown_of_pq()
