"""Non-maximum suppression per label, in NumPy: fast enough at a score of 0.001 and 300 boxes."""

import numpy as np
from numpy.typing import NDArray

MOST_CANDIDATES = 3000
# More than any picture's side in pixels: boxes of two labels never meet once each label has its own plane.
PLANE = 1e5


def overlaps(box: NDArray[np.float32], others: NDArray[np.float32], areas: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one x1 y1 x2 y2 box with n others; `areas` holds the box's own first."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    return np.asarray(shared / (areas[0] + areas[1:] - shared + 1e-9), np.float32)


def best_candidates(
    scores: NDArray[np.float32], min_score: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Candidate index, label index and score of the best (candidate, label) pairs, best first."""
    candidates, labels = np.nonzero(scores >= min_score)
    found = scores[candidates, labels]
    order = np.argsort(-found, kind="stable")[:MOST_CANDIDATES]
    return candidates[order], labels[order], found[order]


def suppress(boxes: NDArray[np.float32], labels: NDArray[np.intp], iou: float, limit: int) -> NDArray[np.intp]:
    """Indices of the kept boxes; input and output are best first, boxes are x1 y1 x2 y2 in pixels."""
    planes = boxes + (labels * PLANE)[:, None].astype(np.float64)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = np.arange(len(boxes))
    kept: list[int] = []
    while left.size and len(kept) < limit:
        kept.append(int(left[0]))
        overlap = overlaps(planes[left[0]], planes[left[1:]], areas[left])
        left = left[1:][overlap <= iou]
    return np.asarray(kept, np.intp)
