"""Cuts things out of their pictures: catalog pictures off white, single garments off whatever they lie on.

Returns RGBA arrays trimmed to the thing, or None where the cut cannot be trusted.
"""

from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike as Image

MIN_SIDE = 24
# The frame that is ground, as a part of a side.
EDGE = 20


def studio(path: Path, tolerance: int = 10) -> Image | None:
    """A catalog picture without its near-white ground: what the border reaches through similar colours goes."""
    picture = cv2.imread(str(path))
    if picture is None:
        return None
    height, width = picture.shape[:2]
    framed = cv2.copyMakeBorder(picture, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    seen = np.zeros((height + 4, width + 4), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (255 << 8)
    cv2.floodFill(framed, seen, (0, 0), 0, (tolerance,) * 3, (tolerance,) * 3, flags)
    return _trim(picture, largest(255 - seen[2:-2, 2:-2]), 0.08, 0.98)


def garment(path: Path) -> Image | None:
    """One garment off its floor, bed or hanger (GrabCut from the picture's border)."""
    picture = cv2.imread(str(path))
    if picture is None:
        return None
    cut = foreground(picture)
    height, width = cut.shape
    if _border_share(cut, height // EDGE + 1, width // EDGE + 1) > 0.15:
        return None
    # The gap between trouser legs stays open: only the outline's specks go, not its holes.
    return _trim(picture, cv2.bitwise_and(largest(cut), cut), 0.2, 0.7, min_solidity=0.7)


def foreground(picture: Image) -> Image:
    """255 where GrabCut sees a thing that its frame, taken for ground, does not explain."""
    height, width = picture.shape[:2]
    mask = np.full((height, width), cv2.GC_BGD, np.uint8)
    edge_y, edge_x = height // EDGE, width // EDGE
    mask[edge_y : height - edge_y, edge_x : width - edge_x] = cv2.GC_PR_FGD
    background, thing = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(picture, mask, (0, 0, 0, 0), background, thing, 4, cv2.GC_INIT_WITH_MASK)
    cut: Image = np.where((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD), 255, 0).astype(np.uint8)
    return cv2.morphologyEx(cut, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))


def _border_share(mask: Image, dy: int, dx: int) -> float:
    """Share of a thin frame that the cut covers: high when the ground was taken for the thing."""
    frame = np.ones(mask.shape, bool)
    frame[dy + 1 : -dy - 1, dx + 1 : -dx - 1] = False
    return float((mask[frame] > 0).mean())


def largest(mask: Image) -> Image:
    """The largest connected piece, its holes filled."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(mask)
    if outlines:
        cv2.drawContours(filled, [max(outlines, key=cv2.contourArea)], -1, 255, cv2.FILLED)
    return filled


def _trim(picture: Image, mask: Image, smallest: float, largest: float, min_solidity: float = 0.0) -> Image | None:
    share = float((mask > 0).mean())
    if not smallest < share < largest:
        return None
    x, y, w, h = cv2.boundingRect(mask)
    if min(w, h) < MIN_SIDE:
        return None
    if min_solidity:
        outline = max(cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=cv2.contourArea)
        if cv2.contourArea(outline) < min_solidity * cv2.contourArea(cv2.convexHull(outline)):
            return None
    # One pixel in, then soft: the cut's rim still carries the old ground.
    soft = cv2.GaussianBlur(cv2.erode(mask, np.ones((3, 3), np.uint8)), (3, 3), 0)
    return np.dstack([picture, soft])[y : y + h, x : x + w]
