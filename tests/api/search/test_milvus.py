"""What only a server can do to an index: be away, come back, come back empty, and be used by many processes at once."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from pymilvus import MilvusClient

from api.catalog.models import Catalog, Product, ProductVector
from api.ports import Ports
from api.search import milvus, milvus_server
from api.search.index import IndexFilter, IndexMissing, IndexRow, IndexUnavailable
from api.search.milvus import MilvusIndex
from api.search.rebuild import Rebuilder
from api.settings import IndexSettings
from tests.api.search.away import BlackHole, Way, closed_port
from tests.api.search.conftest import MILVUS_DIM as DIM
from tests.api.search.conftest import milvus_settings
from tests.api.search.index_contract import A, ids, row, unit
from tests.conftest import AccountMaker
from tests.patience import HANGS_S, seen_within, until
from tests.services import url_of

WHERE = IndexFilter(frozenset({A}))
VERSION = "an-embedder"
CONNECT_S = 2.0
SHOWS_S = 15.0  # what a search is answered from is at most five seconds old; thrice that for a busy server


@pytest.fixture
def index(milvus: MilvusIndex) -> MilvusIndex:
    milvus.remove(A, milvus.product_ids(A))
    return milvus


def another(index: MilvusIndex) -> MilvusIndex:
    """The same index as another process has it."""
    return MilvusIndex(index._server._settings, index.dim)


def found(index: MilvusIndex, number: int) -> list[str]:
    return ids(index.search(unit(number)[None], 10, WHERE)[0])


def calls(index: MilvusIndex) -> list[object]:
    return [
        lambda: index.put(A, [row(1)]),
        lambda: index.remove(A, ["prd_1"]),
        lambda: index.drop_catalog(A),
        lambda: found(index, 1),
        lambda: index.vector(A, "prd_1"),
        lambda: index.count(A),
        lambda: index.product_ids(A),
        index.check,
        index.clear,
    ]


@pytest.mark.parametrize("silent", [False, True])
def test_a_server_that_is_away_is_told_in_time_by_every_call(silent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus_server, "CONNECT_S", 0.3)
    monkeypatch.setattr(milvus_server, "AGAIN_AFTER_S", HANGS_S)
    connecting: list[str] = []

    def counted(at: str, **options: Any) -> MilvusClient:
        connecting.append(at)
        return MilvusClient(at, **options)

    monkeypatch.setattr(milvus_server, "MilvusClient", counted)
    hole = BlackHole()
    port = hole.port if silent else closed_port()
    index = MilvusIndex(IndexSettings(milvus_url=f"http://127.0.0.1:{port}", timeout_s=1), DIM)
    for call in calls(index):
        index._server._again_at = 0.0
        started = time.monotonic()
        with pytest.raises(IndexUnavailable):
            call()  # type: ignore[operator]
        assert time.monotonic() - started < CONNECT_S + 1
    assert len(connecting) == len(calls(index))
    for call in calls(index):  # somebody has just found out: nobody else waits
        with pytest.raises(IndexUnavailable):
            call()  # type: ignore[operator]
    assert len(connecting) == len(calls(index))
    index.close()
    hole.close()


def test_what_is_asked_while_nothing_is_there_to_search_needs_no_server() -> None:
    index = MilvusIndex(IndexSettings(milvus_url=f"http://127.0.0.1:{closed_port()}"), DIM)
    assert index.search(unit(1)[None], 5, IndexFilter(frozenset())) == [[]]
    index.remove(A, [])
    index.close()


def test_it_recovers_when_the_server_comes_back(index: MilvusIndex) -> None:
    index.put(A, [row(1)])
    parts = urlsplit(url_of("milvus"))
    way = Way(parts.hostname or "", parts.port or 0)
    settings = index._server._settings.model_copy(
        update={"milvus_url": f"http://127.0.0.1:{way.port}", "timeout_s": 2.0}
    )
    ours = MilvusIndex(settings, DIM)
    with pytest.raises(IndexUnavailable):
        found(ours, 1)  # a process may start before its server

    def answers() -> bool:
        with suppress(IndexUnavailable):
            return found(ours, 1) == ["prd_0001"]
        return False

    for _ in range(2):
        way.open()
        until(answers)
        way.cut()
        started = time.monotonic()
        with pytest.raises(IndexUnavailable):
            found(ours, 1)
        assert time.monotonic() - started < settings.timeout_s + CONNECT_S + 1
    ours.close()


def test_another_process_sees_what_was_put_and_removed_within_seconds(index: MilvusIndex) -> None:
    theirs = another(index)
    until(lambda: found(theirs, 1) == [])
    index.put(A, [row(1)])
    assert found(index, 1) == ["prd_0001"]
    seen_within(SHOWS_S, lambda: found(theirs, 1) == ["prd_0001"])
    assert theirs.vector(A, "prd_0001") == pytest.approx(unit(1))
    index.remove(A, ["prd_0001"])
    assert found(index, 1) == []
    seen_within(SHOWS_S, lambda: found(theirs, 1) == [])
    theirs.close()


def test_a_process_sees_its_own_removal_in_its_very_next_answer(index: MilvusIndex) -> None:
    for n in range(4):
        index.put(A, [row(n)])
        assert index.count(A) == 1
        index.remove(A, [f"prd_{n:04}"])
        assert (found(index, n), index.count(A), index.product_ids(A)) == ([], 0, [])


@pytest.mark.parametrize("bad", ['prd_1" or key != "', "", "prd_ä", "a/b", "x" * 300])
def test_what_cannot_be_an_id_of_ours_never_reaches_an_expression(index: MilvusIndex, bad: str) -> None:
    index.put(A, [row(1)])
    index.remove(A, [bad])
    assert index.vector(A, bad) is None
    with pytest.raises(ValueError, match="no ids of ours"):
        index.put(A, [row(2), IndexRow(bad, unit(2))])
    assert index.product_ids(A) == ["prd_0001"]


@pytest.mark.parametrize(("space", "layout"), [("another", milvus.LAYOUT), ("", milvus.LAYOUT + 1)])
def test_vectors_of_another_embedder_and_rows_of_another_release_live_elsewhere(
    index: MilvusIndex, monkeypatch: pytest.MonkeyPatch, space: str, layout: int
) -> None:
    """Whoever misses them has them made: `refill` below."""
    index.put(A, [row(1)])
    monkeypatch.setattr(milvus, "LAYOUT", layout)
    theirs = MilvusIndex(index._server._settings, DIM, space=space)
    with pytest.raises(IndexMissing):
        found(theirs, 1)
    theirs.close()
    assert found(index, 1) == ["prd_0001"]


@pytest.fixture
def stored(ports: Ports, account: AccountMaker) -> Iterator[tuple[Ports, MilvusIndex, Rebuilder]]:
    """Twenty stored products of catalog A, and an index of their own on a server that knows nothing of it yet."""
    index = MilvusIndex(milvus_settings(), DIM)
    now, tenant = ports.clock.now(), account("brand").tenant_id
    with ports.database.write() as session:
        session.add(Catalog(id=A, tenant_id=tenant, name="A", created_at=now))
        session.flush()
        for n in range(20):
            session.add(product(n, tenant, now))
        session.flush()
        for n in range(20):
            session.add(vector(n, tenant))
    yield ports, index, Rebuilder(ports.database, index, VERSION, DIM)
    index.destroy()
    index.close()


def product(n: int, tenant_id: str, now: object) -> Product:
    values = {"id": f"prd_{n:04}", "tenant_id": tenant_id, "catalog_id": A, "external_id": str(n), "title": str(n)}
    texts = dict.fromkeys(("description", "brand", "category", "image_link", "mpn", "row_hash"), "")
    rest = {"price_micros": 1, "currency": "EUR", "url": "https://a.example", "availability": "in_stock"}
    state = {"audience": "unknown", "index_state": "indexed", "created_at": now, "updated_at": now}
    return Product(**values | texts | rest | state)  # type: ignore[arg-type]


def vector(n: int, tenant_id: str) -> ProductVector:
    data = unit(n).astype("<f4").tobytes()
    owned = {"product_id": f"prd_{n:04}", "tenant_id": tenant_id, "catalog_id": A}
    return ProductVector(**owned, embedder_version=VERSION, vector=data)


def change(ports: Ports, n: int, **columns: object) -> None:
    with ports.database.write() as session:
        row = session.get(Product, f"prd_{n:04}")
        assert row is not None
        for name, value in columns.items():
            setattr(row, name, value)


def test_an_empty_server_is_missing_not_empty_and_is_filled_by_the_sweep(
    stored: tuple[Ports, MilvusIndex, Rebuilder],
) -> None:
    ports, index, rebuilder = stored
    for call in calls(index)[:-1]:
        with pytest.raises(IndexMissing):
            call()  # type: ignore[operator]
    done = rebuilder.refill(ports.clock.now())
    assert done is not None
    assert (done.products, index.count(A), found(index, 7)[0]) == (20, 20, "prd_0007")
    assert rebuilder.refill(ports.clock.now()) is None  # a shared index that serves is left alone
    assert rebuilder.at_start(ports.clock.now()) is None
    index.destroy()  # the server comes back with nothing
    theirs = another(index)
    with pytest.raises(IndexMissing):
        found(theirs, 7)
    rebuilder.refill(ports.clock.now())
    assert found(theirs, 7)[0] == "prd_0007"
    theirs.close()


def test_a_reindex_never_leaves_searches_blind_and_keeps_what_changes_meanwhile(
    stored: tuple[Ports, MilvusIndex, Rebuilder], monkeypatch: pytest.MonkeyPatch
) -> None:
    ports, index, rebuilder = stored
    change(ports, 3, index_state="pending")  # its picture is being looked at while the index is built
    rebuilder.refill(ports.clock.now())
    theirs, seen = another(index), []
    fill = index.replacement

    def watched() -> object:
        manager = fill()
        enter, leave = manager.__enter__, manager.__exit__

        class Watched:
            def __enter__(self) -> object:
                return enter()

            def __exit__(self, *error: object) -> object:
                # others have put and removed while it was filled
                theirs.put(A, [replace(row(3), vector=unit(500))])
                with ports.database.write() as session:
                    held = session.get(ProductVector, "prd_0003")
                    assert held is not None
                    held.vector = unit(500).astype("<f4").tobytes()
                change(ports, 3, index_state="indexed")
                theirs.remove(A, ["prd_0004"])
                change(ports, 4, deleted_at=ports.clock.now(), updated_at=ports.clock.now())
                seen.append(len(theirs.search(unit(1)[None], 50, WHERE)[0]))
                return leave(*error)

        return Watched()

    monkeypatch.setattr(index, "replacement", watched)
    done = rebuilder.reindex(ports.clock.now())
    assert done is not None
    assert seen == [19]
    until(lambda: len(theirs.search(unit(1)[None], 50, WHERE)[0]) == 19)
    assert index.vector(A, "prd_0004") is None
    assert index.vector(A, "prd_0003") == pytest.approx(unit(500))
    theirs.close()


def test_what_an_index_lost_or_has_too_much_or_twice_is_mended(
    stored: tuple[Ports, MilvusIndex, Rebuilder],
) -> None:
    ports, index, rebuilder = stored
    rebuilder.refill(ports.clock.now())
    index.remove(A, ["prd_0001", "prd_0002"])
    done = rebuilder.compare()
    assert done is not None
    assert (done.added, done.removed, index.count(A)) == (2, 0, 20)
    index.put(A, [row(300), row(301)])
    # two workers that put one product at the same moment
    index._insert(index._collections.alias, index._entities(A, [row(5)]))
    index._server.wrote()
    assert index.count(A) == 23
    for removed, left in ((2, 21), (0, 20)):  # what is twice shows when all else agrees
        done = rebuilder.compare()
        assert done is not None
        assert (done.removed, index.count(A)) == (removed, left)
    done = rebuilder.compare()
    assert done is not None
    assert (done.added, done.removed) == (0, 0)


def test_an_approximate_index_is_in_service_before_it_is_searched() -> None:
    index = MilvusIndex(milvus_settings(kind="hnsw"), DIM)
    everything = np.stack([unit(n) for n in range(3000)])
    with index.replacement() as fresh:
        fresh.put(A, [row(n) for n in range(3000)])
    recall = []
    for n in range(40):
        query = unit(10_000 + n)
        best = {f"prd_{i:04}" for i in np.argsort(-(everything @ query))[:10]}
        recall.append(len(best & set(ids(index.search(query[None], 10, WHERE)[0]))) / 10)
    assert np.mean(recall) > 0.95
    index.destroy()
    index.close()
