"""Trains the embedder: views through the frozen trunk once, then steps of metric learning on the head alone.

A tie to the starting vectors keeps what ImageNet knows of products that are not here; so does the blend of the trained
head with the one it started from (weights averaged: Wortsman et al., 2022). Hours become minutes on two cores.
"""

import json
import logging
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from cv2.typing import MatLike
from numpy.typing import NDArray

from workers.training import pictures, views
from workers.training.embedder import DIMENSIONS, VARIANT, Embedder, Head
from workers.training.losses import Losses
from workers.training.memory import keep_memory
from workers.training.pictures import Picture
from workers.training.sampling import Kind, Sampler

logger = logging.getLogger(__name__)

# How many altered views of a picture are cached, by source.
VIEWS = {"studio": 40, "photo-train": 2, "garment-train": 2, "street": 2}
STREET_CROPS = 1600
TIE_WEIGHT = 2.0
HEAD_RATE, PROJECTION_RATE, PROXY_RATE = 3e-4, 1e-3, 3e-3
# How much of the trained head is served: at 1 known products gain four points on 0.7, new ones lose four.
BLEND = 0.9
PROJECTION_ROWS, PROXY_ROWS = 3000, 24


@dataclass(frozen=True)
class Cache:
    """Trunk maps (float16) of views, and which picture each one shows."""

    maps: torch.Tensor
    owner: NDArray[np.intp]

    def some(self, rows: NDArray[np.intp] | torch.Tensor) -> torch.Tensor:
        return self.maps[rows].float().contiguous(memory_format=torch.channels_last)


def train_embedder(
    shared: Path,
    out: Path,
    *,
    steps: int = 150,
    hold_out: bool = True,
    loss: str = "proxy",
    blend: float = BLEND,
    threads: int = 1,
    seed: int = 3,
) -> Path:
    """Train and return the checkpoint under `out`. Without `hold_out` every product of the catalog is learned.
    `loss`: see losses.Losses."""
    keep_memory()
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    chosen = training_pictures(shared, rng, hold_out=hold_out)
    embedder = Embedder().eval()
    cache = cached_views(embedder, chosen, rng, out / "views.pt")
    head = embedder.head.to(memory_format=torch.channels_last)
    head.fit_projection(_pooled(head, cache, rng))
    start = deepcopy(head)
    _fit(head, cache, Sampler(chosen, cache.owner, rng), loss, steps)
    head.load_state_dict(blended(head, start, blend))
    checkpoint = out / "embedder.pt"
    torch.save(embedder.state_dict(), checkpoint)
    return checkpoint


def blended(head: Head, start: Head, share: float) -> dict[str, torch.Tensor]:
    """`share` of the trained weights, the rest of the starting ones. Batch statistics are ImageNet's in both."""
    trained, first = head.state_dict(), start.state_dict()
    return {key: torch.lerp(first[key], value, share) if value.is_floating_point() else value
            for key, value in trained.items()}  # fmt: skip


def training_pictures(shared: Path, rng: np.random.Generator, *, hold_out: bool) -> list[Picture]:
    found = [picture for picture in pictures.gather(shared) if picture.source in VIEWS]
    if hold_out:
        found = [picture for picture in found if not picture.held_out]
    street = [picture for picture in found if picture.source == "street"]
    kept = {id(street[index]) for index in rng.permutation(len(street))[:STREET_CROPS]}
    return [picture for picture in found if picture.source != "street" or id(picture) in kept]


def cached_views(embedder: Embedder, chosen: list[Picture], rng: np.random.Generator, path: Path) -> Cache:
    """The trunk never changes, so its maps are computed once; kept in `path` for a second run."""
    jobs = [(index, number) for index, picture in enumerate(chosen) for number in range(VIEWS[picture.source])]
    owner = np.array([index for index, _ in jobs])
    # What the maps depend on: another network, choice of pictures or views makes them anew.
    key = json.dumps([VARIANT, [[str(p.path), p.box, VIEWS[p.source]] for p in chosen]])
    if path.exists():
        saved = torch.load(path, weights_only=True)
        if saved["key"] == key:
            return Cache(saved["maps"], owner)
    maps = []
    for start in range(0, len(jobs), 32):
        pixels = [views.view(chosen[index], number, rng) for index, number in jobs[start : start + 32]]
        maps.append(trunk_maps(embedder, pixels))
        if start % 1280 == 0:
            logger.info("views %d of %d", start, len(jobs))
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"key": key, "maps": torch.cat(maps)}, path)
    return Cache(torch.cat(maps), owner)


def trunk_maps(embedder: Embedder, pixels: list[MatLike]) -> torch.Tensor:
    batch = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float().div(255)
    with torch.inference_mode():
        maps: torch.Tensor = embedder.trunk(batch.contiguous(memory_format=torch.channels_last))
    return maps.half().contiguous()


def _pooled(head: Head, cache: Cache, rng: np.random.Generator) -> torch.Tensor:
    rows = rng.permutation(len(cache.owner))[:PROJECTION_ROWS]
    with torch.no_grad():
        return torch.cat([head.pooled(cache.some(part)) for part in np.array_split(rows, 64)])


def _fit(head: Head, cache: Cache, sampler: Sampler, loss: str, steps: int) -> None:
    start = _vectors(head, cache)
    losses = Losses(loss, _centres(start, sampler, Kind.product), _centres(start, sampler, Kind.category))
    rates = [HEAD_RATE, PROJECTION_RATE, PROXY_RATE]
    parts = [[*head.stages.parameters(), *head.top.parameters()], head.project.parameters(), losses.parameters()]
    optimizer = torch.optim.AdamW(
        [{"params": part, "lr": rate} for part, rate in zip(parts, rates, strict=True)], weight_decay=1e-3
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps, pct_start=0.15)
    # Batch statistics stay ImageNet's: batches here are picked, not drawn as pictures come.
    head.eval()
    for step in range(steps):
        batch = sampler.draw()
        vectors, first = head(cache.some(batch.rows)), start[batch.rows]
        tie = (vectors @ vectors.T - first @ first.T).square().mean()
        total = losses(vectors, batch) + TIE_WEIGHT * tie
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        schedule.step()
        if step % 25 == 0:
            logger.info("step %d of %d: loss %.3f, of it tie %.4f", step, steps, total.item(), tie.item())


def _vectors(head: Head, cache: Cache) -> torch.Tensor:
    parts = np.array_split(np.arange(len(cache.owner)), max(len(cache.owner) // 64, 1))
    with torch.no_grad():
        return torch.cat([head(cache.some(part)) for part in parts])


def _centres(start: torch.Tensor, sampler: Sampler, kind: Kind) -> torch.Tensor:
    """Where the proxies begin: the mean of some of their own."""
    count = len(sampler.products if kind is Kind.product else sampler.categories)
    if not count:
        return torch.empty(0, DIMENSIONS)
    return torch.stack([start[sampler.rows_of(kind, number, PROXY_ROWS)].mean(0) for number in range(count)])
