"""Rows that the embedded index keeps in files: the same index after a start, and after everything that can go wrong."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from api.catalog.models import Product
from api.ports import Ports
from api.search.exact import ExactIndex
from api.search.index import IndexFilter, IndexRow
from api.search.rebuild import Rebuilder
from tests.api.search import killed_writer
from tests.api.search.conftest import Shop
from tests.api.search.index_contract import A, B, IndexContract, IndexFactory, ids, row, unit
from tests.api.search.killed_writer import DIM, SPACE, version


def is_whole(index: ExactIndex, product_id: str, stamp: int) -> bool:
    """Whether this product is found by everything that this version of it is, and by nothing else."""
    wanted = version(int(product_id.removeprefix("prd_")), stamp)
    where = IndexFilter(
        frozenset({A}),
        brand=frozenset({str(wanted.brand)}),
        category=frozenset({str(wanted.category)}),
        price_min_micros=wanted.price_micros,
        price_max_micros=wanted.price_micros,
        colour=frozenset({wanted.colours[0]}),
        pattern=frozenset({wanted.pattern} if wanted.pattern else ()),
    )
    [hits] = index.search(wanted.vector[None], 3, where)
    return ids(hits) == [product_id] and hits[0].score == pytest.approx(1, abs=1e-5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def opened(folder: Path) -> Iterator[Callable[..., ExactIndex]]:
    """Open the index as the next process would."""
    made: list[ExactIndex] = []

    def open_anew(space: str = SPACE, dim: int = DIM) -> ExactIndex:
        for index in made:
            index.close()
        made[:] = [ExactIndex(dim, folder, space)]
        return made[0]

    yield open_anew
    for index in made:
        index.close()


class TestKeptIndex(IndexContract):
    @pytest.fixture
    def make(self, folder: Path) -> Iterator[IndexFactory]:
        made: list[ExactIndex] = []

        def factory(dim: int) -> ExactIndex:
            made.append(ExactIndex(dim, folder, SPACE))
            assert made[-1].status() is None
            return made[-1]

        yield factory
        assert [index.status() for index in made] == [None]  # everything went through the files
        made[0].close()


def test_a_start_finds_what_the_last_process_left(opened: Callable[..., ExactIndex]) -> None:
    index = opened()
    index.put(A, [version(n, 1) for n in range(600)])
    index.put(B, [row(1)])
    index.put(A, [version(n, 2) for n in range(0, 600, 7)])
    index.remove(A, [f"prd_{n:04}" for n in range(0, 600, 5)])
    index.put(A, [version(5, 3)])
    kept = {n: 2 if n % 7 == 0 else 1 for n in range(600) if n % 5} | {5: 3}
    again = opened()
    assert again.stamps(A) == {f"prd_{n:04}": stamp for n, stamp in kept.items()}
    assert (again.catalog_ids(), again.count(B), again.status()) == ([A, B], 1, None)
    for n in (1, 5, 7, 14, 599):
        assert is_whole(again, f"prd_{n:04}", kept[n])
    queries = np.stack([unit(90_000 + n) for n in range(3)])
    stored = np.stack([version(n, stamp).vector for n, stamp in kept.items()])
    names = np.array([f"prd_{n:04}" for n in kept])
    for query, hits in zip(queries, again.search(queries, 10, IndexFilter(frozenset({A}))), strict=True):
        assert ids(hits) == names[np.argsort(-(stored @ query))[:10]].tolist()
    again.drop_catalog(A)
    again.put(B, [row(2)])
    assert (opened().catalog_ids(), opened().count(B)) == ([B], 2)


def test_a_writer_that_is_killed_leaves_whole_rows(folder: Path, opened: Callable[..., ExactIndex]) -> None:
    for turn in range(2):  # each goes on with what the one before left
        with subprocess.Popen(
            [sys.executable, "-m", killed_writer.__name__, str(folder), str(turn)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "writes\n"
            time.sleep(0.1 + 0.037 * turn)
            os.kill(child.pid, signal.SIGKILL)
    index = opened()
    stamps = index.stamps(A)
    assert len(stamps) > 100
    assert index.status() is None
    assert [item for item, stamp in stamps.items() if not is_whole(index, item, stamp)] == []
    index.put(A, [version(n, 901) for n in range(300)])
    assert set(opened().stamps(A).values()) == {901}


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2 + 13]


def flipped(data: bytes) -> bytes:
    at = len(data) // 3
    return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]


def emptied(_: bytes) -> bytes:
    return b""


def garbage(data: bytes) -> bytes:
    return np.random.default_rng(1).bytes(len(data) + 77)


@pytest.mark.parametrize("spoil", [cut, flipped, emptied, garbage])
@pytest.mark.parametrize("name", ["vectors", "codes", "rows", "terms"])
def test_what_was_damaged_is_not_served(
    opened: Callable[..., ExactIndex], folder: Path, name: str, spoil: Callable[[bytes], bytes]
) -> None:
    index = opened()
    index.put(A, [version(n, n % 5) for n in range(200)])
    index.close()
    [file] = folder.glob(f"rows-*/{A}/{name}")
    file.write_bytes(spoil(file.read_bytes()))
    again = opened()
    stamps = again.stamps(A)
    assert [item for item, stamp in stamps.items() if not is_whole(again, item, stamp)] == []
    assert len(stamps) < 200
    again.put(A, [version(n, 6) for n in range(200)])
    last = opened()
    assert set(last.stamps(A).values()) == {6}
    assert is_whole(last, "prd_0199", 6)


def test_files_that_are_folders_are_made_anew(opened: Callable[..., ExactIndex], folder: Path) -> None:
    opened().put(A, [version(1, 1)])
    [file] = folder.glob(f"rows-*/{A}/vectors")
    opened().close()
    file.unlink()
    file.mkdir()
    index = opened()
    assert index.count(A) == 0
    index.put(A, [version(1, 1)])
    assert is_whole(opened(), "prd_0001", 1)


def test_rows_of_another_embedder_are_not_its_own(opened: Callable[..., ExactIndex], folder: Path) -> None:
    opened().put(A, [version(1, 1)])
    assert opened(space="another").catalog_ids() == []
    assert opened(dim=DIM * 2).catalog_ids() == []
    assert len(list(folder.glob("rows-*"))) == 1
    assert opened().catalog_ids() == []  # and they do not come back


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk that is full, as far as a write can tell."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_on_a_full_disk_it_goes_on_in_memory_and_says_so(opened: Callable[..., ExactIndex], folder: Path) -> None:
    index = opened()
    index.put(A, [version(n, 1) for n in range(100)])
    index.put(B, [row(1)])
    for count in (100, 150, 900):  # into the middle, beyond what is mapped, far beyond
        with largest_file(8000):
            index.put(A, [version(n, 2) for n in range(count)])
        assert set(index.stamps(A).values()) == {2}
        assert all(is_whole(index, f"prd_{n:04}", 2) for n in range(0, count, 49))
    assert "memory alone" in (index.status() or "")
    index.remove(A, ["prd_0001"])
    assert (index.count(A), index.count(B)) == (899, 1)
    again = opened()
    assert (again.catalog_ids(), again.status()) == ([B], None)  # half of it would be no help


def test_a_reindex_returns_to_the_disk_once_it_has_room(opened: Callable[..., ExactIndex]) -> None:
    index = opened()
    with largest_file(100):
        index.put(A, [version(n, 1) for n in range(100)])
    assert index.status()
    with index.replacement() as fresh:
        fresh.put(A, [version(n, 2) for n in range(100)])
    assert index.status() is None
    assert set(opened().stamps(A).values()) == {2}


def test_where_no_folder_can_be_it_goes_on_in_memory_and_says_so(
    opened: Callable[..., ExactIndex], folder: Path
) -> None:
    folder.write_text("in the way")
    index = opened()
    index.put(A, [version(1, 1)])
    assert is_whole(index, "prd_0001", 1)
    assert str(folder) in (index.status() or "")


def test_a_second_process_leaves_the_files_alone(opened: Callable[..., ExactIndex], folder: Path) -> None:
    first = opened()
    first.put(A, [version(1, 1)])
    second = ExactIndex(DIM, folder, SPACE)
    assert "another process" in (second.status() or "")
    second.put(A, [version(2, 1)])
    second.close()
    assert list(opened().stamps(A)) == ["prd_0001"]


def test_a_replacement_is_what_the_next_start_finds(opened: Callable[..., ExactIndex], folder: Path) -> None:
    index = opened()
    index.put(A, [version(n, 1) for n in range(10)])
    index.put(B, [row(1)])
    with index.replacement() as fresh:
        fresh.put(A, [version(3, 2)])
        index.put(A, [version(4, 1)])
    index.put(A, [version(5, 2)])
    assert opened().stamps(A) == {"prd_0003": 2, "prd_0005": 2}
    broken = opened()

    def break_off() -> None:
        with broken.replacement() as fresh:
            fresh.put(A, [version(6, 2)])
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert opened().stamps(A) == {"prd_0003": 2, "prd_0005": 2}
    assert len(list(folder.glob("rows-*"))) == 1


def test_searches_find_their_rows_while_the_files_grow(opened: Callable[..., ExactIndex]) -> None:
    """What is mapped changes place; who still looks into the old place must not fall."""
    index = opened()
    index.put(A, [version(0, 1)])
    held = index.vector(A, "prd_0000")
    for start in range(1, 4000, 400):
        index.put(A, [version(n, 1) for n in range(start, start + 400)])
        assert is_whole(index, "prd_0000", 1)
        assert is_whole(index, f"prd_{start + 399:04}", 1)
    assert held is not None
    assert held == pytest.approx(version(0, 1).vector)


def rebuilder(ports: Ports, index: ExactIndex) -> Rebuilder:
    return Rebuilder(ports.database, index, ports.eyes.embedder_version, ports.eyes.dim)


def test_a_start_reads_only_what_differs(ports: Ports, shop: Shop, opened: Callable[..., ExactIndex]) -> None:
    def at_start() -> ExactIndex:
        index = opened(ports.eyes.embedder_version, ports.eyes.dim)
        rebuilt = rebuilder(ports, index).at_start(ports.clock.now())
        assert rebuilt is not None
        assert rebuilt.products == sum(index.count(name) for name in index.catalog_ids())
        return index

    index = at_start()
    assert {name: index.count(name) for name in index.catalog_ids()} == {"ctg_own": 2, "ctg_listed": 2, "ctg_hidden": 1}
    other = unit(1, ports.eyes.dim)
    stamps = index.stamps("ctg_own")
    # as if it had been put so: a start that read everything would put the right vectors in their places
    index.put("ctg_own", [IndexRow(item, other, stamp=stamp) for item, stamp in stamps.items()])
    index.put("ctg_listed", [IndexRow("prd_stray", other)])
    index.put("ctg_gone", [IndexRow("prd_stray", other)])
    index.remove("ctg_hidden", ["prd_rings"])
    with ports.database.write() as session:
        changed = session.get(Product, "prd_disc")
        assert changed is not None
        changed.brand, changed.updated_at = "Renamed", ports.clock.now() + timedelta(seconds=1)
        removed = session.get(Product, "prd_checks")
        assert removed is not None
        removed.deleted_at = removed.updated_at = ports.clock.now()
        session.add_all([changed, removed])
    again = at_start()
    assert {name: sorted(again.product_ids(name)) for name in again.catalog_ids()} == {
        "ctg_own": ["prd_disc", "prd_stripes"],
        "ctg_listed": ["prd_triangle"],
        "ctg_hidden": ["prd_rings"],
    }
    stored = ports.index.vector("ctg_own", "prd_disc")
    assert again.vector("ctg_own", "prd_disc") == pytest.approx(stored)
    renamed = IndexFilter(frozenset({"ctg_own"}), brand=frozenset({"renamed"}))
    assert ids(again.search(other[None], 5, renamed)[0]) == ["prd_disc"]
    assert again.vector("ctg_own", "prd_stripes") == pytest.approx(other)  # its stamp is its product's: left alone
    rebuilder(ports, again).reindex(ports.clock.now())
    assert again.vector("ctg_own", "prd_stripes") == pytest.approx(ports.index.vector("ctg_own", "prd_stripes"))


def test_readiness_tells_of_files_that_cannot_be_used(ports: Ports, folder: Path) -> None:
    from api.operations.health import checks_of

    checks_of(ports)["index"]()
    folder.write_text("in the way")
    ports.index.close()
    ports.index = ExactIndex(ports.eyes.dim, folder)
    with pytest.raises(Exception, match="memory alone"):
        checks_of(ports)["index"]()
