"""The exact index, 100,000 products of which a filter leaves a tenth, against a scan of everything in NumPy."""

import os
from pathlib import Path

import numpy as np

from api.search.exact import ExactIndex
from api.search.index import IndexFilter, IndexRow
from api.settings import Settings
from api.vision.service import Eyes
from tests.bench.measure import Outcome, median_ms, rss_mb

ROWS, BRANDS, BEST, SECONDS = 100_000, 10, 10, 3.0


def run() -> Outcome:
    dim = _dim()
    numbers = np.random.default_rng(3)
    vectors = numbers.standard_normal((ROWS, dim), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    brands = numbers.integers(0, BRANDS, ROWS)
    query = vectors[:1] + 0.3 * numbers.standard_normal((1, dim), np.float32) / np.float32(np.sqrt(dim))
    before = rss_mb(os.getpid())
    index = ExactIndex(dim)
    index.put("ctg", [IndexRow(f"prd_{n:06}", vectors[n], brand=f"Brand {brands[n]}") for n in range(ROWS)])
    memory = rss_mb(os.getpid()) - before
    where = IndexFilter(frozenset({"ctg"}), brand=frozenset({"brand 3"}))

    def ours() -> list[str]:
        return [hit.product_id for hit in index.search(query, BEST, where)[0]]

    def peer() -> list[str]:
        scores = np.where(brands == 3, vectors @ query[0], -2)
        best = np.argpartition(scores, -BEST)[-BEST:]
        return [f"prd_{n:06}" for n in best[np.argsort(-scores[best])]]

    if ours() != peer():
        raise RuntimeError("the index and the scan disagree")
    ours_ms, peer_ms = median_ms(ours, SECONDS), median_ms(peer, SECONDS)
    return Outcome(
        name="index",
        what=f"the {BEST} nearest of {ROWS:,} × {dim} under a filter that leaves 10 %",
        unit="ms",
        ours=ours_ms,
        peer=peer_ms,
        peer_is="NumPy: multiply everything, mask, partition",
        ratio=peer_ms / ours_ms,
        rss_mb=memory,
        note="same ten; memory of the index alone",
    )


def _dim() -> int:
    settings = Settings(datadir=Path("unused"))
    eyes = Eyes(settings.vision, settings.fetch.max_picture_bytes)
    try:
        return eyes.dim
    finally:
        eyes.close()
