"""Learns what is worn together from the labelled street photos (api/search/worn_together.py uses it): crops on one
person against crops of other people. Judged on photos kept back, on pairs whose boxes do not touch: where they overlap,
both crops show the same pixels, and telling that is no taste.

`python -m workers.training.outfits MODELS` writes api/search/worn_together.npz for the embedder in that folder."""

import argparse
import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api.media.matching import SLOT_OF_LABEL
from api.search.worn_together import FILE
from api.settings import REPO_ROOT
from api.vision.embedder import AROUND, Embedder
from api.vision.picture import Box
from api.vision.picture import Picture as Decoded
from workers.training import pictures, split

RANK, RIDGE = 16, 0.5
TOUCHING = 0.02  # of the smaller box
RIVALS, ROUNDS = 20, 200
BUCKETS, JUDGING = 5, 0
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Worn:
    """Everything that people wear on the photos: a row an object."""

    vectors: Floats
    boxes: Floats
    slots: NDArray[np.str_]
    photos: NDArray[np.str_]

    def rows(self, chosen: NDArray[np.bool_]) -> "Worn":
        return Worn(self.vectors[chosen], self.boxes[chosen], self.slots[chosen], self.photos[chosen])


@dataclass(frozen=True)
class Compatibility:
    """The learnt part of the file."""

    slots: list[str]
    together: Floats
    means: Floats
    axes: Floats
    weights: Floats


@dataclass(frozen=True)
class Judged:
    """On pairs from photos kept back: how often the true partner goes before one of another person (AUC), how often it
    is among the first two of 21; `low` and `high` bound the AUC when photos are drawn anew (95 %). Chance: 0.5 and
    0.095."""

    pairs: int
    photos: int
    auc: float
    low: float
    high: float
    first_two: float


def learn(worn: Worn) -> Compatibility:
    """Regularised canonical correlation between any two things on one person, each without its slot's mean."""
    slots = sorted(set(worn.slots.tolist()))
    means = np.stack([worn.vectors[worn.slots == slot].mean(0) for slot in slots])
    centred = worn.vectors - means[np.searchsorted(slots, worn.slots)]
    one, other = pairs(worn).T
    x, y = centred[one].astype(np.float64), centred[other].astype(np.float64)
    spread = x.T @ x / len(x)
    spread += RIDGE * np.trace(spread) / len(spread) * np.eye(len(spread))
    across = x.T @ y / len(x)
    lengths, directions = np.linalg.eigh(spread)
    whiten = directions @ np.diag(lengths**-0.5) @ directions.T
    strength, axes = np.linalg.eigh(whiten @ ((across + across.T) / 2) @ whiten)
    best = np.argsort(-strength)[:RANK]
    as_floats = np.float32
    return Compatibility(
        slots,
        together(worn, slots),
        means.astype(as_floats),
        (whiten @ axes[:, best]).astype(as_floats),
        strength[best].astype(as_floats),
    )


def pairs(worn: Worn) -> NDArray[np.intp]:
    """(n, 2): rows of two things on one photo, of two slots, whose boxes do not touch; each pair both ways."""
    by_photo = defaultdict(list)
    for row, photo in enumerate(worn.photos):
        by_photo[photo].append(row)
    found = [
        (a, b)
        for rows in by_photo.values()
        for a in rows
        for b in rows
        if worn.slots[a] != worn.slots[b] and _overlap(worn.boxes[a], worn.boxes[b]) <= TOUCHING
    ]
    return np.array(found, np.intp).reshape(-1, 2)


def together(worn: Worn, slots: list[str]) -> Floats:
    """[a, b]: of the photos with a, the share that has b."""
    seen = np.array(
        [[(worn.slots[worn.photos == photo] == slot).any() for slot in slots] for photo in set(worn.photos)]
    )
    counts = seen.T.astype(np.float32) @ seen.astype(np.float32)
    return np.asarray(counts / np.maximum(np.diag(counts)[:, None], 1), np.float32)


def judge(worn: Worn, learnt: Compatibility | None, seed: int = 0) -> Judged:
    """Figures of what was learnt, or of plain likeness (None)."""
    rng = np.random.default_rng(seed)
    wanted = worn.vectors if learnt is None else _queries(worn, learnt)
    results, first, photos = list[float](), list[bool](), list[str]()
    for one, true in pairs(worn):
        rivals = np.flatnonzero((worn.slots == worn.slots[true]) & (worn.photos != worn.photos[one]))
        rivals = rng.permutation(rivals)[:RIVALS]
        if not len(rivals):
            continue
        scores, own = worn.vectors[rivals] @ wanted[one], float(worn.vectors[true] @ wanted[one])
        beaten = (own > scores).sum() + 0.5 * (own == scores).sum()
        results.append(float(beaten / len(rivals)))
        first.append(bool(len(rivals) - beaten <= 1))
        photos.append(str(worn.photos[one]))
    values = np.array(results)
    names, which = np.unique(photos, return_inverse=True)
    drawn = rng.multinomial(len(names), [1 / len(names)] * len(names), ROUNDS)[:, which]
    low, high = np.quantile((drawn * values).sum(1) / drawn.sum(1), [0.025, 0.975])
    return Judged(len(values), len(names), float(values.mean()), float(low), float(high), float(np.mean(first)))


def save(learnt: Compatibility, embedder_version: str, file: Path = FILE) -> None:
    """What the API loads, in half precision: some 15 kB."""
    parts = {"means": learnt.means, "axes": learnt.axes, "weights": learnt.weights, "together": learnt.together}
    halves = {name: part.astype(np.float16) for name, part in parts.items()}
    version = np.array(embedder_version)
    np.savez_compressed(file, allow_pickle=False, slots=np.array(learnt.slots), embedder_version=version, **halves)


def look_at(shared: Path, embedder: Embedder) -> Worn:
    """Embed every labelled box of the street photos, as the API would."""
    vectors, boxes, slots, photos = list[Floats](), list[tuple[float, ...]](), list[str](), list[str]()
    for path in sorted((shared / "streetstyle" / "images").glob("*.jpg")):
        crops = pictures.street_crops(path, smallest=0.0)
        if not crops:
            continue
        pixels = np.asarray(pictures.read(pictures.Picture(path, "street", "")), np.uint8)
        corners = [np.clip(crop.box or (0, 0, 1, 1), 0, 1) for crop in crops]
        places = [(float(x1), float(y1), float(x2 - x1), float(y2 - y1)) for x1, y1, x2, y2 in corners]
        decoded = Decoded(pixels.shape[1], pixels.shape[0], pixels)
        vectors.append(embedder.embed(decoded, [Box(*place) for place in places]))
        boxes += places
        slots += [SLOT_OF_LABEL[crop.name].value for crop in crops]
        photos += [path.stem] * len(crops)
    return Worn(np.concatenate(vectors), np.array(boxes, np.float32), np.array(slots), np.array(photos))


def kept_back(photos: NDArray[np.str_]) -> NDArray[np.bool_]:
    """One photo in five, by name."""
    return np.array([split.bucket("outfit:" + photo) % BUCKETS == JUDGING for photo in photos])


def _queries(worn: Worn, learnt: Compatibility) -> Floats:
    centred = worn.vectors - learnt.means[np.searchsorted(learnt.slots, worn.slots)]
    return np.asarray((centred @ learnt.axes * learnt.weights) @ learnt.axes.T, np.float32)


def _overlap(a: Floats, b: Floats) -> float:
    """The part of the smaller one that both show, as the embedder sees them: with what is around."""
    a, b = (np.concatenate([box[:2] - AROUND * box[2:], box[2:] * (1 + 2 * AROUND)]) for box in (a, b))
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return float(max(width, 0) * max(height, 0) / max(min(a[2] * a[3], b[2] * b[3]), 1e-9))


def main() -> None:
    """Judge on photos kept back, then learn from all and write the file if it wins."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path)
    parser.add_argument("--data", type=Path, default=REPO_ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=FILE)
    given = parser.parse_args()
    embedder = Embedder(given.models / "embedder.onnx", threads=2)
    worn = look_at(given.data, embedder)
    back = kept_back(worn.photos)
    plain, learnt = judge(worn.rows(back), None), judge(worn.rows(back), learn(worn.rows(~back)))
    if learnt.low > plain.auc:
        save(learn(worn), embedder.version, given.out)
    figures = {"likeness": asdict(plain), "learnt": asdict(learnt), "written": learnt.low > plain.auc}
    print(json.dumps(figures, indent=2))  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
