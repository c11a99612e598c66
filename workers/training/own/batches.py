"""Which pictures make a batch, and how each is altered first. Repeatable: all follows from seed and epoch."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from api.vision.embedder import squared
from workers.training.own.samples import READERS, Sample, load
from workers.training.pictures import PADDING

# Pictures of a product in one batch: fewer leave nothing to pull together.
EACH = 4
SMALLEST_CROP = 0.6

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Batch:
    """`images` (n, 3, side, side) float32 0..1, `labels` (n,)."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Feeder:
    """Turns samples into batches; `names` gives each label its number."""

    names: Sequence[str]
    side: int
    size: int
    seed: int

    def training(self, samples: Sequence[Sample], epoch: int, *, grouped: bool) -> Iterator[Batch]:
        """One epoch, altered. `grouped`: several of a label together; else classes drawn by the root of their size."""
        rng = np.random.default_rng([self.seed, epoch])
        labels = self.numbers(samples)
        order = grouped_order(labels, rng) if grouped else balanced_order(labels, rng)
        for start in range(0, len(order), self.size):
            rows = order[start : start + self.size]
            # A batch of one teaches nothing about others and breaks batch statistics.
            if len(rows) > 1:
                yield self._batch([samples[row] for row in rows], labels[rows], (epoch, start))

    def judging(self, samples: Sequence[Sample]) -> Iterator[Batch]:
        labels = self.numbers(samples)
        for start in range(0, len(samples), self.size):
            yield self._batch(samples[start : start + self.size], labels[start : start + self.size], None)

    def steps(self, samples: Sequence[Sample]) -> int:
        """How many batches an epoch has: a lone picture at its end makes none."""
        full, rest = divmod(len(samples), self.size)
        return full + (rest > 1)

    def numbers(self, samples: Sequence[Sample]) -> NDArray[np.int64]:
        number = {name: index for index, name in enumerate(self.names)}
        return np.array([number.get(sample.label, -1) for sample in samples], np.int64)

    def _batch(self, samples: Sequence[Sample], labels: NDArray[np.int64], place: tuple[int, int] | None) -> Batch:
        def pixels(number: int) -> Pixels:
            picture = load(samples[number], self.side)
            if place is not None:
                picture = altered(picture, np.random.default_rng([self.seed, *place, number]))
            return squared(picture, self.side, PADDING)

        with ThreadPoolExecutor(READERS) as pool:
            stacked = np.stack(list(pool.map(pixels, range(len(samples)))))
        return Batch(np.ascontiguousarray(stacked.transpose(0, 3, 1, 2), np.float32) * np.float32(1 / 255), labels)


def balanced_order(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.intp]:
    """As many rows as there are; a class's chance is the square root of its size (Mahajan et al., 2018)."""
    counts = np.bincount(labels)
    weights = 1 / np.sqrt(counts[labels])
    chosen = rng.choice(len(labels), len(labels), replace=True, p=weights / weights.sum())
    return np.asarray(rng.permutation(chosen), np.intp)


def grouped_order(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.intp]:
    """Every row once, in runs of EACH of one label; the runs are shuffled."""
    rows: dict[int, list[int]] = defaultdict(list)
    for row in rng.permutation(len(labels)):
        rows[int(labels[row])].append(int(row))
    runs = [members[start : start + EACH] for members in rows.values() for start in range(0, len(members), EACH)]
    return np.array([row for run in rng.permutation(len(runs)) for row in runs[run]], np.intp)


def altered(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Another crop, side and light: what another photographer would have made of it."""
    height, width = pixels.shape[:2]
    h, w = (max(int(edge * rng.uniform(SMALLEST_CROP, 1)), 1) for edge in (height, width))
    y, x = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    crop = pixels[y : y + h, x : x + w]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    gain, contrast = rng.uniform(0.7, 1.3) * rng.uniform(0.93, 1.07, 3), rng.uniform(0.8, 1.2)
    lit = np.clip((crop - 128.0) * contrast + 128 * gain, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        lit = np.asarray(cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.4, 1.4)), np.uint8)
    return np.ascontiguousarray(lit)
