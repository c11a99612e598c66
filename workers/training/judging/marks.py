"""What a detector did on one photo, box by box: found, missed or made up, and in which way it erred."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from api.vision.picture import Box
from workers.training import detection
from workers.training.detection import Array

RIGHT_IOU, NEAR_IOU = 0.5, 0.1
NOTHING: Array = np.zeros((0, 6), np.float32)


class Why(StrEnum):
    """Kinds of error, by TIDE's order (Bolya et al., 2020): the first that applies is the one."""

    none = ""
    label = "another label"
    twice = "again, or a part"
    place = "box too far off"
    unsure = "seen, score too low"
    nothing = "nothing there"
    unseen = "not seen"


MISSES = (Why.label, Why.place, Why.unsure, Why.unseen)
ALARMS = (Why.label, Why.twice, Why.place, Why.nothing)


@dataclass(frozen=True)
class Mark:
    """A box on a picture: `kind` is hit, missed or false; `taken_for` names a wrong label at the same place."""

    kind: str
    label: str
    box: Box
    score: float = 0.0
    taken_for: str = ""
    why: Why = Why.none


@dataclass(frozen=True)
class Photo:
    path: Path
    marks: list[Mark]

    @property
    def errors(self) -> int:
        return sum(mark.kind != "hit" for mark in self.marks)


@dataclass(frozen=True)
class Errors:
    """Of one label: how many objects were missed and how many boxes made up, by why, in the order of MISSES, ALARMS."""

    label: str
    missed: list[int]
    false: list[int]


def marks(found: Array, truth: Array, names: Sequence[str], unsure: Array = NOTHING) -> list[Mark]:
    """Every object once, in the order of `truth`, as hit or missed; then what was found where nothing is. `unsure`:
    detections that callers do not get, their score is too low."""
    right = detection.match(found, truth)[:, 0]
    overlap = detection.iou(found[:, :4], truth[:, :4])
    owner: dict[int, int] = {}
    for row in np.flatnonzero(right):
        # As match() chose: the free object of its label that it covers best.
        free = [t for t in range(len(truth)) if t not in owner and truth[t, 4] == found[row, 5]]
        owner[max(free, key=lambda t: overlap[row, t])] = int(row)
    drawn = []
    for number, line in enumerate(truth):
        label, box = names[int(line[4])], _box(line)
        if number in owner:
            drawn.append(Mark("hit", label, box, float(found[owner[number], 4])))
            continue
        # What is right about another object was not taken for this one: a coat covers the dress under it.
        best = next((r for r in np.flatnonzero(~right & (overlap[:, number] >= RIGHT_IOU))), None)
        taken = names[int(found[best, 5])] if best is not None else ""
        why = Why.label if taken else _why_missed(line, found[~right], unsure)
        drawn.append(Mark("missed", label, box, taken_for=taken, why=why))
    return drawn + [
        Mark("false", names[int(found[r, 5])], _box(found[r]), float(found[r, 4]),
             why=_why_false(found[r], truth, overlap[r], owner))
        for r in np.flatnonzero(~right)
    ]  # fmt: skip


def _why_missed(line: Array, found: Array, unsure: Array) -> Why:
    near = detection.iou(found[found[:, 5] == line[4], :4], line[None, :4])
    if near.max(initial=0) >= NEAR_IOU:
        return Why.place
    seen = detection.iou(unsure[unsure[:, 5] == line[4], :4], line[None, :4])
    return Why.unsure if seen.max(initial=0) >= RIGHT_IOU else Why.unseen


def _why_false(row: Array, truth: Array, overlap: Array, hit: dict[int, int]) -> Why:
    own = truth[:, 4] == row[5]
    if any(overlap[number] >= NEAR_IOU and own[number] for number in hit):
        return Why.twice
    if overlap[~own].max(initial=0) >= RIGHT_IOU:
        return Why.label
    return Why.place if overlap[own].max(initial=0) >= NEAR_IOU else Why.nothing


def _box(line: Array) -> Box:
    x1, y1, x2, y2 = (float(edge) for edge in line[:4])
    return Box(x1, y1, x2 - x1, y2 - y1)


def errors(photos: Sequence[Photo], labels: Sequence[str]) -> list[Errors]:
    counts = Counter((mark.kind, mark.label, mark.why) for photo in photos for mark in photo.marks)
    return [
        Errors(label, [counts["missed", label, why] for why in MISSES], [counts["false", label, why] for why in ALARMS])
        for label in labels
    ]


def total(lines: Sequence[Errors]) -> Errors:
    """Of all labels; `lines` must not be empty."""
    missed, false = ([sum(column) for column in zip(*rows, strict=True)] for rows in
                     ([line.missed for line in lines], [line.false for line in lines]))  # fmt: skip
    return Errors("all", missed, false)


def confusions(photos: Sequence[Photo], most: int) -> list[tuple[str, str, int]]:
    pairs = Counter((mark.label, mark.taken_for) for photo in photos for mark in photo.marks if mark.taken_for)
    return [(one, other, count) for (one, other), count in pairs.most_common(most)]
