"""Catalogs under several workers and several API processes: one import of a catalog at a time, each product wholly as
one of its writers left it."""

import threading
import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from api.catalog.across_tenants_repository import ImportsAcrossTenants
from api.catalog.directory import read_product
from api.catalog.import_step import Landing, product_hash
from api.catalog.imports import index_products, run_import, sweep
from api.catalog.lease import claim
from api.catalog.models import Import, Product, ProductVector
from api.kit.clock import FixedClock
from api.ports import Ports
from api.search.index import IndexFilter
from tests.api.catalog.shop import Brand, Shop, feed
from tests.races.conftest import at_once

WRITTEN = (
    "external_id", "title", "description", "brand", "category", "price_micros", "sale_price_micros", "currency", "url",
    "image_link", "availability", "audience", "gtin", "mpn", "attributes",
)  # fmt: skip


def products(ports: Ports) -> list[Product]:
    with ports.database.read() as session:
        return list(session.exec(select(Product).order_by(Product.external_id)).all())


def state_of(ports: Ports, import_id: str) -> str:
    with ports.database.read() as session:
        return session.get_one(Import, import_id).state


def test_one_worker_gets_an_import(processes: list[Ports], brand: Brand, shop: Shop) -> None:
    job = brand.post(feed(shop.row(1)))
    claims = at_once(*(partial(claim, ports, job["id"]) for ports in processes))
    assert sum(claimed is not None for claimed in claims) == 1


def test_one_import_of_a_catalog_is_claimed_whoever_asks_for_which(
    processes: list[Ports], brand: Brand, shop: Shop
) -> None:
    jobs = [brand.post(feed(shop.row(number)))["id"] for number in range(1, 5)]
    for _ in range(3):
        claims = at_once(*(partial(claim, ports, job) for ports, job in zip(processes, reversed(jobs), strict=True)))
        assert sum(claimed is not None for claimed in claims) <= 1
    with processes[0].database.read() as session:
        running = session.exec(select(Import.id).where(Import.state == "running")).all()
    assert list(running) == jobs[:1]  # the oldest


def test_an_older_import_that_turns_up_late_waits_for_the_younger_one(
    processes: list[Ports], brand: Brand, shop: Shop, clock: FixedClock
) -> None:
    """Another process's clock is behind, or its transaction took long."""
    late, early = brand.post(feed(shop.row(1)))["id"], brand.post(feed(shop.row(2)))["id"]
    with processes[0].database.write() as session:
        row = session.get_one(Import, late)
        kept = row.model_dump()
        session.delete(row)
    claimed = claim(processes[0], early)
    assert claimed is not None
    with processes[1].database.write() as session:
        session.add(Import(**kept))
    assert claim(processes[1], late) is None
    clock.advance(timedelta(minutes=5))  # the younger one's worker dies: it goes on first, then the older one
    assert claim(processes[1], late) is None
    run_import(processes[2], early)
    assert state_of(processes[0], early) == "done"
    run_import(processes[3], late)
    assert state_of(processes[0], late) == "done"


def test_an_older_import_that_turns_up_during_the_claim_of_the_younger_one_waits_too(
    processes: list[Ports], brand: Brand, shop: Shop, clock: FixedClock
) -> None:
    late, early = brand.post(feed(shop.row(1)))["id"], brand.post(feed(shop.row(2)))["id"]
    with processes[0].database.write() as session:
        row = session.get_one(Import, late)
        kept = row.model_dump()
        session.delete(row)
    claimed = threading.Event()

    def claim_early() -> Any:
        now = clock.now()
        with processes[0].database.write() as session:
            job = ImportsAcrossTenants(session).claim(early, "lea_1", now, now + timedelta(seconds=30))
            claimed.set()
            time.sleep(0.5)  # claimed, but nobody sees it yet
        return job

    def claim_late() -> Any:
        claimed.wait(60)
        with processes[1].database.write() as session:
            session.add(Import(**kept))
        return claim(processes[1], late)

    first, second = at_once(claim_early, claim_late)
    assert first.id == early
    assert second is None


def test_workers_at_several_imports_of_one_catalog_leave_what_the_last_one_says(
    processes: list[Ports], brand: Brand, shop: Shop, clock: FixedClock
) -> None:
    feeds = [
        [shop.row(n, title=f"{word} {n}") for n in range(1, 6 + more)]
        for more, word in ((0, "One"), (3, "Two"), (-1, "Three"))
    ]
    jobs = [brand.post(feed(*rows))["id"] for rows in feeds]

    def worker(ports: Ports) -> None:
        for _ in range(4):
            for job in jobs:
                run_import(ports, job)

    outcomes = at_once(*(partial(worker, ports) for ports in processes[:3]))
    assert outcomes == [None] * 3
    assert [state_of(processes[0], job) for job in jobs] == ["done"] * 3
    left = [row for row in products(processes[0]) if row.deleted_at is None]
    assert [row.title for row in left] == [f"Three {number}" for number in range(1, 5)]
    assert {row.index_state for row in left} == {"indexed"}
    with processes[0].database.read() as session:
        assert set(session.exec(select(ProductVector.product_id))) == {row.id for row in left}


def test_waiting_products_are_looked_at_by_one_worker(processes: list[Ports], brand: Brand, shop: Shop) -> None:
    brand.imported(feed(*(shop.row(number) for number in range(1, 9))))
    with processes[0].database.write() as session:
        for row in session.exec(select(Product)):
            row.index_state, row.picture_from = "pending", None
    shop.asked.clear()
    assert at_once(*(partial(index_products, ports, brand.catalog_id) for ports in processes)) == [None] * 4
    assert len(shop.asked) == len(set(shop.asked)) == 8
    assert {row.index_state for row in products(processes[0])} == {"indexed"}


def written(row: Product) -> str:
    return product_hash({name: getattr(row, name) for name in WRITTEN}, row.picture_source)


def test_the_same_put_at_once_leaves_one_of_them_whole(
    doors: list[TestClient], processes: list[Ports], brand: Brand, shop: Shop
) -> None:
    brand.imported(feed(shop.row(1)))
    [row] = products(processes[0])
    body = read_product(row, "").model_dump(include={"title", "currency", "availability", "image_url", "url"})
    path = f"/v1/products/{row.id}"
    for turn in range(6):
        bodies = [
            {**body, "title": f"{word} {turn}", "price_micros": price}
            for word, price in (("A", 10**7), ("B", 2 * 10**7))
        ]
        answers = at_once(
            *(partial(door.put, path, json=one, headers=brand.auth) for door, one in zip(doors, bodies, strict=True))
        )
        assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
        [row] = products(processes[0])
        assert {"title": row.title, "price_micros": row.price_micros} in [
            {"title": one["title"], "price_micros": one["price_micros"]} for one in bodies
        ]
        assert row.row_hash == written(row)


def test_a_put_while_the_feed_lands_comes_wholly_before_or_after(
    doors: list[TestClient], processes: list[Ports], brand: Brand, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    brand.imported(feed(shop.row(1)))
    [row] = products(processes[0])
    body = read_product(row, "").model_dump(include={"currency", "availability", "image_url", "url"})
    began, keep = threading.Event(), Landing._keep

    def keep_slowly(self: Landing, *arguments: Any) -> Product:
        began.set()
        time.sleep(0.3)  # the product is read and not written yet: the PUT comes now
        return keep(self, *arguments)

    monkeypatch.setattr(Landing, "_keep", keep_slowly)

    def put(turn: int) -> Any:
        began.wait(60)
        said = {**body, "title": f"Put {turn}", "price_micros": 99_000_000}
        return doors[0].put(f"/v1/products/{row.id}", json=said, headers=brand.auth)

    for turn in range(2):
        began.clear()
        job = brand.post(feed(shop.row(1, price=f"{turn + 3}.00 EUR")))["id"]
        landed, answer = at_once(partial(run_import, processes[2], job), partial(put, turn))
        assert (landed, answer.status_code) == (None, 200)
        [left] = products(processes[0])
        assert (left.title, left.price_micros) == (f"Put {turn}", 99_000_000)
        assert left.row_hash == written(left)


def test_a_catalog_deleted_while_its_import_lands_leaves_nothing(
    doors: list[TestClient], processes: list[Ports], brand: Brand, shop: Shop
) -> None:
    job = brand.post(feed(*(shop.row(number) for number in range(1, 30))))["id"]
    outcomes = at_once(
        partial(run_import, processes[2], job),
        partial(doors[0].delete, f"/v1/catalogs/{brand.catalog_id}", headers=brand.auth),
    )
    assert outcomes[0] is None
    assert outcomes[1].status_code == 204
    for _ in range(3):
        sweep(processes[1])
        brand.work()
    assert products(processes[0]) == []
    vectors = processes[0].eyes.embed(processes[0].eyes.decode(shop.files["/1.jpg"]), None)
    assert processes[0].index.search(vectors, 5, IndexFilter(frozenset({brand.catalog_id})))[0] == []


@pytest.mark.parametrize("left", [1])
def test_no_more_imports_wait_than_may(
    doors: list[TestClient], brand: Brand, shop: Shop, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    monkeypatch.setattr("api.catalog.imports.MAX_WAITING", 1 + left)
    brand.post(feed(shop.row(1)))
    path, files = f"/v1/catalogs/{brand.catalog_id}/imports", {"file": ("feed.csv", feed(shop.row(2)))}
    answers = at_once(*(partial(door.post, path, files=files, headers=brand.auth) for door in doors * 2))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
