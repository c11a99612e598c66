"""The embedded index against brute force and a graph. `make bench` shows one line at 100,000 rows; all filters, sizes
and peers: `python -m tests.bench.index [--rows N …] [--alone] [--folder DIR]`. scikit-learn and faiss are compared with
where they are installed; the house needs neither."""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from api.search.exact import ExactIndex
from api.search.index import IndexFilter, IndexRow
from api.settings import Settings
from api.vision.service import Eyes
from tests.bench import house
from tests.bench.measure import Outcome, median_ms, rss_mb

ROWS, BEST, SECONDS, CATALOG = 100_000, 10, 2.0, "ctg_bench"
PICTURES, QUERIES, AT_ONCE, CLIENTS = 600, 100, 20_000, 8
GRAPH_MOST = 100_000  # a graph of 500,000 takes a minute to build and tells nothing new
FILTERS = {
    "all": {},
    "50 %": {"in_stock": True},
    "10 %": {"brand": frozenset({"brand 3"})},
    "1 %": {"audience": frozenset({"audience 3"})},
    "10 % neighbours": {"category": frozenset({"near"})},
    "1 % neighbours": {"category": frozenset({"near > nearest"})},
}
Vectors = NDArray[np.float32]
Search = Callable[[Vectors, str], set[int]]


class World(NamedTuple):
    """Rows, queries that are none of them, and by filter which rows pass."""

    vectors: Vectors
    queries: Vectors
    passing: dict[str, NDArray[np.bool_]]


def run() -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        world = world_of(ROWS, pictures())
        before = rss_mb(os.getpid())
        index, _ = filled(world, Path(folder))
        ours = ours_of(index)
        peer = scan_of(world)
        recall, ours_ms, _, _ = measured(world, "10 %", ours)
        memory = rss_mb(os.getpid()) - before
        if recall < 1:
            raise RuntimeError(f"the index found {recall:.3f} of what brute force finds")
        peer_ms = median_ms(lambda: peer(world.queries[:1], "10 %"), SECONDS)
        broad = measured(world, "all", ours)[1]
        index.close()
    return Outcome(
        name="index",
        what=f"the {BEST} nearest of {ROWS:,} × {world.vectors.shape[1]} under a filter that leaves 10 %",
        unit="ms",
        ours=ours_ms,
        peer=peer_ms,
        peer_is="NumPy: multiply everything, mask, partition",
        ratio=peer_ms / ours_ms,
        rss_mb=memory,
        note=f"the same ten; without a filter {broad:.2f} ms; memory of the index alone",
    )


def pictures() -> Vectors:
    """What the eyes make of real photographs; of noise where there are none."""
    settings = Settings(datadir=Path("unused"))
    eyes = Eyes(settings.vision, settings.fetch.max_picture_bytes)
    folder = Path(os.environ.get("SHOPLIGHT_SHARED_DATA", house.REPO.parent / "shared" / "data"))
    files = sorted(folder.glob("clothing/*/*/*.jpg")) + sorted(folder.glob("grocery/*/*/*.jpg"))
    files = files[:: max(1, len(files) // PICTURES)]
    try:
        if not files:
            noise = np.random.default_rng(1).standard_normal((PICTURES, eyes.dim)).astype(np.float32)
            return unit(noise)
        return np.concatenate([eyes.embed(eyes.decode(file.read_bytes())) for file in files])
    finally:
        eyes.close()


def world_of(rows: int, real: Vectors) -> World:
    """Rows between real neighbours, each moved by how two others differ: as clustered as pictures are."""
    numbers = np.random.default_rng(3)
    real = real[numbers.permutation(len(real))]
    held, base = real[:QUERIES], real[QUERIES:]
    near = np.argpartition(-(base @ base.T), 9, axis=1)[:, :9]
    made = np.empty((rows, base.shape[1]), np.float32)
    for start in range(0, rows, AT_ONCE):
        some = len(made[start : start + AT_ONCE])
        one, other = numbers.integers(0, len(base), (2, some))
        with_, away = near[one, numbers.integers(0, 9, some)], near[other, numbers.integers(0, 9, some)]
        share = numbers.random((some, 1), np.float32)
        moved = share * base[one] + (1 - share) * base[with_] + 0.5 * (base[other] - base[away])
        made[start : start + some] = unit(moved + 0.02 * numbers.standard_normal(moved.shape).astype(np.float32))
    rank = np.argsort(np.argsort(-(made @ base[0])))  # by nearness to one picture
    groups = numbers.integers(0, 100, rows)
    passing = {
        "all": np.ones(rows, np.bool_),
        "50 %": groups % 2 == 0,
        "10 %": groups // 2 % 10 == 3,
        "1 %": groups == 3,
        "10 % neighbours": rank < rows // 10,
        "1 % neighbours": rank < rows // 100,
    }
    return World(made, held, passing)


def filled(world: World, folder: Path) -> tuple[ExactIndex, float]:
    """The index with all rows, and how long that took."""
    named = world.passing
    started = time.perf_counter()
    index = ExactIndex(world.vectors.shape[1], folder, "bench")
    for start in range(0, len(world.vectors), 1000):
        index.put(CATALOG, [_row(world, named, at) for at in range(start, min(start + 1000, len(world.vectors)))])
    return index, time.perf_counter() - started


def _row(world: World, named: dict[str, NDArray[np.bool_]], at: int) -> IndexRow:
    return IndexRow(
        product_id=f"prd_{at:026}",
        vector=world.vectors[at],
        brand="Brand 3" if named["10 %"][at] else "Other",
        category="Near > Nearest"
        if named["1 % neighbours"][at]
        else "Near > Rest"
        if named["10 % neighbours"][at]
        else "Far",
        in_stock=bool(named["50 %"][at]),
        audience="Audience 3" if named["1 %"][at] else "Other",
    )


def ours_of(index: ExactIndex) -> Search:
    wheres = {name: IndexFilter(frozenset({CATALOG}), **columns) for name, columns in FILTERS.items()}
    return lambda query, name: {int(hit.product_id[4:]) for hit in index.search(query, BEST, wheres[name])[0]}


def scan_of(world: World) -> Search:
    """NumPy alone."""

    def search(query: Vectors, name: str) -> set[int]:
        scores = world.vectors @ query[0]
        if name != "all":
            scores = np.where(world.passing[name], scores, -2)
        return set(np.argpartition(scores, -BEST)[-BEST:].tolist())

    return search


def peers(world: World) -> Iterator[tuple[str, Search, list[str]]]:
    """By name: a search, and the filters that it knows."""
    yield "NumPy, all rows", scan_of(world), list(FILTERS)
    if find_spec("sklearn"):
        from sklearn.neighbors import NearestNeighbors

        brute = NearestNeighbors(n_neighbors=BEST, metric="cosine", algorithm="brute").fit(world.vectors)
        yield "scikit-learn, brute force", lambda query, _: set(brute.kneighbors(query)[1][0].tolist()), ["all"]
    if find_spec("faiss"):
        yield from _faiss(world)


def _faiss(world: World) -> Iterator[tuple[str, Search, list[str]]]:
    import faiss

    faiss.omp_set_num_threads(1)
    rows, dim = world.vectors.shape
    bits = {name: np.packbits(mask, bitorder="little") for name, mask in world.passing.items()}
    picked = {name: faiss.IDSelectorBitmap(rows, faiss.swig_ptr(line)) for name, line in bits.items()}

    def search_in(index: object, params: dict[str, object]) -> Search:
        return lambda query, name: set(index.search(query, BEST, params=params[name])[1][0].tolist())  # type: ignore[attr-defined]  # faiss has no types

    coded = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    lists = faiss.index_factory(dim, "IVF512,SQ8", faiss.METRIC_INNER_PRODUCT)
    graph = faiss.IndexHNSWFlat(dim, 32, faiss.METRIC_INNER_PRODUCT)
    for name, index, params in (
        ("faiss SQ8", coded, lambda sel: faiss.SearchParameters(sel=sel)),
        ("faiss IVF512, SQ8, 32 lists", lists, lambda sel: faiss.SearchParametersIVF(sel=sel, nprobe=32)),
        ("faiss HNSW32, ef 64", graph, lambda sel: faiss.SearchParametersHNSW(sel=sel, efSearch=64)),
    ):
        if index is graph and rows > GRAPH_MOST:
            continue
        started = time.perf_counter()
        index.train(world.vectors[:50_000])
        index.add(world.vectors)
        took = time.perf_counter() - started
        by_name = {which: params(sel) for which, sel in picked.items()}
        yield f"{name} (built in {took:.0f} s)", search_in(index, by_name), list(FILTERS)


def measured(world: World, name: str, search: Search) -> tuple[float, float, float, float]:
    """Recall of exact float32, milliseconds p50 and p95, and those of processor time p50: others share the machine."""
    rows = np.flatnonzero(world.passing[name])
    wall, busy, hit = list[float](), list[float](), list[float]()
    end = time.perf_counter() + SECONDS
    for query in world.queries[:, None]:
        began, began_busy = time.perf_counter(), time.thread_time()
        found = search(query, name)
        busy.append((time.thread_time() - began_busy) * 1000)
        wall.append((time.perf_counter() - began) * 1000)
        scores = world.vectors[rows] @ query[0] if len(hit) < QUERIES // 2 else None
        if scores is not None:
            hit.append(len(found & set(rows[np.argpartition(scores, -BEST)[-BEST:]].tolist())) / BEST)
        if time.perf_counter() > end and len(wall) >= QUERIES // 4:
            break
    return (
        statistics.mean(hit),
        statistics.median(wall),
        statistics.quantiles(wall, n=20)[-1],
        statistics.median(busy),
    )


def beside(world: World, search: Search, name: str) -> float:
    """Searches a second by as many clients at once."""
    done, end = [0] * CLIENTS, time.perf_counter() + SECONDS

    def client(number: int) -> None:
        while time.perf_counter() < end:
            search(world.queries[done[number] % QUERIES][None], name)
            done[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / SECONDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, ROWS, 500_000])
    parser.add_argument("--folder", type=Path, help="where the index keeps its files; default: a temporary folder")
    parser.add_argument("--alone", action="store_true", help="no peers")
    asked = parser.parse_args()
    console, real = Console(width=160), pictures()
    for rows in asked.rows:
        world = world_of(rows, real)
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            before = rss_mb(os.getpid())
            index, took = filled(world, Path(folder))
            ours = ours_of(index)
            shown = Table("", *FILTERS, title=f"{rows:,} × {world.vectors.shape[1]}: recall@{BEST}, ms p50 / p95 (CPU)")
            _line(shown, world, f"ours (put in {took:.1f} s)", ours, list(FILTERS))
            memory = rss_mb(os.getpid()) - before
            together = {name: beside(world, ours, name) for name in ("all", "10 %")}
            index.close()
            started = time.perf_counter()
            again = ExactIndex(world.vectors.shape[1], Path(folder), "bench")
            opened = time.perf_counter() - started
            again.close()
            for name, search, filters in () if asked.alone else peers(world):
                _line(shown, world, name, search, filters)
        console.print(shown)
        told = ", ".join(f"{rate:,.0f}/s {name}" for name, rate in together.items())
        load = os.getloadavg()[0]
        console.print(f"{CLIENTS} clients: {told}; {memory:.0f} MB; opened in {opened:.1f} s; load {load:.1f}\n")


def _line(shown: Table, world: World, name: str, search: Search, filters: list[str]) -> None:
    cells = []
    for filter_ in FILTERS:
        if filter_ not in filters:
            cells.append("")
            continue
        recall, median, most, busy = measured(world, filter_, search)
        cells.append(f"{recall:.3f}  {median:.2f} / {most:.2f} ({busy:.2f})")
    shown.add_row(name, *cells)


def unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
