"""Trains the embedder's last two stages and projection on cached trunk maps; a few minutes on one core.

Products pull their studio pictures and shop photos together, garments their categories, street crops their own other
views; a tie to the starting vectors keeps what ImageNet knows of everything else.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from cv2.typing import MatLike
from numpy.typing import NDArray
from torch.nn import functional

from workers.training import pictures, views
from workers.training.embedder import Embedder, Head
from workers.training.pictures import Picture

logger = logging.getLogger(__name__)

# How many altered views of a picture are cached, by source.
VIEWS = {"studio": 24, "photo-train": 2, "garment-train": 1, "street": 2}
STREET_CROPS = 900
TEMPERATURE = 0.1
# Garment categories are coarse: pulled weakly, so that garments of one category stay apart.
GARMENT_WEIGHT = 0.4
TIE_WEIGHT = 2.0
PRODUCTS, PHOTOS_EACH, STUDIO_EACH = 20, 3, 2
CATEGORIES, GARMENTS_EACH, STREET_PAIRS = 8, 4, 16
HEAD_RATE, PROJECTION_RATE = 3e-4, 1e-3


@dataclass(frozen=True)
class Cache:
    """Trunk maps (float16) of views, and which picture each one shows."""

    maps: torch.Tensor
    owner: NDArray[np.intp]


def train_embedder(
    shared: Path,
    out: Path,
    *,
    steps: int = 150,
    hold_out: bool = True,
    threads: int = 1,
    seed: int = 3,
) -> Path:
    """Train and return the checkpoint under `out`. Without `hold_out` every product of the catalog is learned."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    chosen = training_pictures(shared, rng, hold_out=hold_out)
    embedder = Embedder().eval()
    cache = cached_views(embedder, chosen, rng, out / "views.pt")
    embedder.head.fit_projection(_pooled(embedder.head, cache, rng))
    _fit(embedder.head, cache, chosen, rng, steps)
    checkpoint = out / "embedder.pt"
    torch.save(embedder.state_dict(), checkpoint)
    return checkpoint


def training_pictures(shared: Path, rng: np.random.Generator, *, hold_out: bool) -> list[Picture]:
    found = [picture for picture in pictures.gather(shared) if picture.source in VIEWS]
    if hold_out:
        found = [picture for picture in found if not picture.held_out]
    street = [picture for picture in found if picture.source == "street"]
    kept = {id(street[index]) for index in rng.permutation(len(street))[:STREET_CROPS]}
    return [picture for picture in found if picture.source != "street" or id(picture) in kept]


def cached_views(embedder: Embedder, chosen: list[Picture], rng: np.random.Generator, path: Path) -> Cache:
    """The trunk never changes, so its maps are computed once; kept in `path` for a second run."""
    owner = np.array([i for i, picture in enumerate(chosen) for _ in range(VIEWS[picture.source])])
    # What the maps depend on: another choice of pictures or views makes them anew.
    key = json.dumps([[str(p.path), p.box, VIEWS[p.source]] for p in chosen])
    if path.exists():
        saved = torch.load(path, weights_only=True)
        if saved["key"] == key:
            return Cache(saved["maps"], owner)
    batches = (owner[start : start + 32] for start in range(0, len(owner), 32))
    maps = []
    for number, batch in enumerate(batches):
        pixels = [views.view(chosen[index], rng) for index in batch]
        maps.append(trunk_maps(embedder, pixels))
        if number % 40 == 0:
            logger.info("views %d of %d", number * 32, len(owner))
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"key": key, "maps": torch.cat(maps)}, path)
    return Cache(torch.cat(maps), owner)


def trunk_maps(embedder: Embedder, pixels: list[MatLike]) -> torch.Tensor:
    batch = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float().div(255)
    with torch.inference_mode():
        maps: torch.Tensor = embedder.trunk(batch.contiguous(memory_format=torch.channels_last))
    return maps.half().contiguous()


def _pooled(head: Head, cache: Cache, rng: np.random.Generator, most: int = 4000) -> torch.Tensor:
    rows = rng.permutation(len(cache.owner))[:most]
    with torch.no_grad():
        return torch.cat([head.pooled(cache.maps[part].float()) for part in np.array_split(rows, 64)])


def _fit(head: Head, cache: Cache, chosen: list[Picture], rng: np.random.Generator, steps: int) -> None:
    head.to(memory_format=torch.channels_last)
    start = _start_vectors(head, cache)
    optimizer = torch.optim.AdamW(
        [
            {"params": [*head.stages.parameters(), *head.top.parameters()], "lr": HEAD_RATE},
            {"params": head.project.parameters(), "lr": PROJECTION_RATE},
        ],
        weight_decay=1e-3,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [HEAD_RATE, PROJECTION_RATE], total_steps=steps, pct_start=0.15
    )
    batches = BatchSampler(chosen, cache, rng)
    # Batch statistics stay ImageNet's: batches here are picked, not drawn as pictures come.
    head.eval()
    for step in range(steps):
        rows, labels, weights = batches.draw()
        maps = cache.maps[rows].float().contiguous(memory_format=torch.channels_last)
        vectors = head(maps)
        loss = contrast(vectors, labels, weights)
        tie = (vectors @ vectors.T - start[rows] @ start[rows].T).square().mean()
        optimizer.zero_grad()
        (loss + TIE_WEIGHT * tie).backward()
        optimizer.step()
        schedule.step()
        if step % 25 == 0:
            logger.info("step %d of %d: contrast %.3f tie %.4f", step, steps, loss.item(), tie.item())


def _start_vectors(head: Head, cache: Cache) -> torch.Tensor:
    parts = np.array_split(np.arange(len(cache.owner)), max(len(cache.owner) // 64, 1))
    with torch.no_grad():
        return torch.cat([head(cache.maps[part].float()) for part in parts])


def contrast(vectors: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Supervised contrastive loss (Khosla et al., 2020): each row against all others of its label."""
    scores = vectors @ vectors.T / TEMPERATURE
    self_mask = torch.eye(len(labels), dtype=torch.bool)
    logs = scores - torch.logsumexp(scores.masked_fill(self_mask, -1e9), 1, keepdim=True)
    same = (labels[:, None] == labels[None, :]) & ~self_mask
    each = -(logs * same).sum(1) / same.sum(1).clamp(min=1)
    return functional.normalize(weights, p=1, dim=0) @ each


class BatchSampler:
    """Draws rows of the cache so that each has company: products, categories, crops with their other view."""

    def __init__(self, chosen: list[Picture], cache: Cache, rng: np.random.Generator):
        self.rng = rng
        self.studio: dict[str, list[int]] = {}
        self.photos: dict[str, list[int]] = {}
        self.garments: dict[str, list[int]] = {}
        self.street: dict[str, list[int]] = {}
        groups = {
            "studio": self.studio,
            "photo-train": self.photos,
            "garment-train": self.garments,
            "street": self.street,
        }
        for row, owner in enumerate(cache.owner):
            picture = chosen[owner]
            name = str(owner) if picture.source == "street" else picture.name
            groups[picture.source].setdefault(name, []).append(row)

    def draw(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rows, labels and weights of one batch."""
        rows: list[int] = []
        labels: list[int] = []
        weights: list[float] = []

        def add(found: list[int], weight: float) -> None:
            labels.extend([labels[-1] + 1 if labels else 0] * len(found))
            rows.extend(found)
            weights.extend([weight] * len(found))

        for name in self._names(self.photos, PRODUCTS):
            studio = self._some(self.studio[name], STUDIO_EACH)
            add(studio + self._some(self.photos[name], PHOTOS_EACH), 1.0)
        for name in self._names(self.garments, CATEGORIES):
            add(self._some(self.garments[name], GARMENTS_EACH), GARMENT_WEIGHT)
        for name in self._names(self.street, STREET_PAIRS):
            add(self.street[name], 1.0)
        return torch.tensor(rows), torch.tensor(labels), torch.tensor(weights)

    def _names(self, group: dict[str, list[int]], count: int) -> list[str]:
        names = sorted(group)
        return [names[i] for i in self.rng.permutation(len(names))[:count]]

    def _some(self, rows: list[int], count: int) -> list[int]:
        return [rows[i] for i in self.rng.permutation(len(rows))[:count]]
