"""An import and the indexing of products, killed after each commit in turn, asked for twice, and with a bucket that is
away: done again by whoever comes next, every row there once and counted once."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import select

from api.catalog import imports
from api.catalog.lease import LEASE
from api.catalog.models import Product
from api.kit.blobs import BlobsUnavailable
from api.settings import FetchSettings, Settings
from tests.api.catalog.shop import Brand, Shop, feed, open_shop
from tests.workers.dying import Dying

PRODUCTS = 4


@pytest.fixture
def shop() -> Iterator[Shop]:
    yield from open_shop()


@pytest.fixture
def settings(settings: Settings, shop: Shop) -> Settings:
    return settings.model_copy(update={"fetch": FetchSettings(allow=shop.host)})


def second_feed(shop: Shop) -> bytes:
    """One product changed, one new, one whose picture is missing, one row that is wrong; one product is gone."""
    rows = [shop.row(1), {**shop.row(2), "title": "Changed"}, shop.row(PRODUCTS + 1), shop.row(PRODUCTS + 2)]
    del shop.files[f"/{PRODUCTS + 2}.jpg"]
    return feed(*rows, {**shop.row(9), "price": "free"})


def state(brand: Brand, job: dict) -> tuple[object, ...]:
    read = brand.read(f"/v1/imports/{job['id']}")
    products = {key: (row["title"], row["index"]["state"]) for key, row in brand.products().items()}
    return read["state"], read["counts"], sorted(error["reason"] for error in read["errors"]), products


def test_killed_after_any_commit_an_import_ends_as_if_nothing_had_happened(
    client, ports, account, queue, shop: Shop, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = Dying(ports.database, monkeypatch)
    expected: tuple[object, ...] | None = None
    commits = 0
    for kill_at in range(100):
        brand = Brand(client, ports, account("brand").auth, queue).with_catalog()
        brand.imported(feed(*[shop.row(number) for number in range(1, PRODUCTS + 1)]))
        job = brand.post(second_feed(shop))
        queue.sent.clear()
        if kill_at:
            died = dying.dies(kill_at, lambda job=job: imports.run_import(ports, job["id"]))
            imports.run_import(ports, job["id"])  # its message is given out again while the lease still holds
            clock.advance(LEASE + timedelta(seconds=1))
            imports.sweep(ports)
            brand.work()
        else:
            before = dying.commits
            imports.run_import(ports, job["id"])
            commits, died = dying.commits - before, True
        imports.run_import(ports, job["id"])  # and once more when all is done
        found = state(brand, job)
        expected = expected or found
        assert found == expected, f"killed after commit {kill_at} of {commits}"
        assert ports.index.count(brand.catalog_id) == PRODUCTS - 1
        if not died:
            break
    assert kill_at == commits + 1 > 6, "it was killed after each of its commits"


def test_killed_after_any_commit_waiting_products_are_found_again(
    client, ports, account, queue, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = Dying(ports.database, monkeypatch)
    brand = Brand(client, ports, account("brand").auth, queue).with_catalog()
    brand.imported(feed(shop.row(1), shop.row(2)))
    for kill_at in (1, 2):
        shop.files[f"/new-{kill_at}.jpg"] = shop.files["/2.jpg"]
        with ports.database.write() as session:  # as a PUT with another picture leaves them
            for product in session.exec(select(Product)):
                product.index_state, product.picture_source = "pending", f"{shop.url}/new-{kill_at}.jpg"
        queue.sent.clear()
        assert dying.dies(kill_at, lambda: imports.index_products(ports, brand.catalog_id)) is (kill_at == 1)
        imports.sweep(ports)
        brand.work()
        assert {row["index"]["state"] for row in brand.products().values()} == {"indexed"}
        assert ports.index.count(brand.catalog_id) == 2


def test_while_blobs_are_away_an_import_waits_and_loses_no_attempt(
    client, ports, account, queue, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    brand = Brand(client, ports, account("brand").auth, queue).with_catalog()
    job = brand.post(feed(shop.row(1)))

    def away(*_: object) -> None:
        raise BlobsUnavailable("the bucket does not serve")

    with monkeypatch.context() as patched:
        patched.setattr(ports.blobs, "path", away)
        for _ in range(10):  # more often than an import may break off
            imports.run_import(ports, job["id"])
        assert brand.read(f"/v1/imports/{job['id']}")["state"] == "queued"
    imports.sweep(ports)
    brand.work()
    assert brand.read(f"/v1/imports/{job['id']}")["state"] == "done"


def test_an_upload_that_cannot_be_kept_is_a_503_that_says_when_to_come_back(
    client, ports, account, queue, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    brand = Brand(client, ports, account("brand").auth, queue).with_catalog()

    def full(*_: object) -> None:
        raise BlobsUnavailable("the bucket secret-name does not serve")

    monkeypatch.setattr(ports.blobs, "put_file", full)
    path = f"/v1/catalogs/{brand.catalog_id}/imports"
    answer = client.post(path, files={"file": ("feed.csv", feed(shop.row(1)))}, headers=brand.auth)
    assert (answer.status_code, answer.json()["code"]) == (503, "blobs_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "secret-name" not in answer.text
    assert brand.read(path)["items"] == []
