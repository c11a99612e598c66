"""Imports from the request to the searchable product, with real stores, a real fetcher and the shipped models."""

import csv
import gzip
import io
import threading
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.catalog import import_run, imports
from api.catalog.models import ProductVector
from api.kit.clock import FixedClock
from api.ports import Ports
from api.search.index import IndexFilter
from api.search.rebuild import rebuild_index
from tests.api.catalog.shop import Brand, Shop, feed, picture
from workers.cli import embedded
from workers.cli.embedded import EmbeddedHouse


def found(ports: Ports, catalog_id: str, data: bytes) -> list[str]:
    """Titles of what a picture search finds, best first."""
    vectors = ports.eyes.embed(ports.eyes.decode(data), None)
    hits = ports.index.search(vectors, 10, IndexFilter(frozenset({catalog_id})))[0]
    products = ports.catalogs.products_by_ids(hit.product_id for hit in hits)
    return [products[hit.product_id].title for hit in hits]


def test_good_rows_become_searchable_and_bad_ones_are_told(brand: Brand, shop: Shop) -> None:
    rows = [shop.row(number) for number in range(1, 6)]
    rows[1]["price"] = ""
    rows[2]["link"] = "javascript:alert(1)"
    rows[4]["id"] = "p1"
    job = brand.imported(feed(*rows))
    assert job["state"] == "done"
    assert job["format"] == "csv"
    assert job["counts"] == {
        "read": 5,
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "removed": 0,
        "failed": 3,
        "indexed": 2,
    }
    assert [(error["line"], error["field"]) for error in job["errors"]] == [(3, "price"), (4, "link"), (6, "id")]
    assert found(brand.ports, brand.catalog_id, picture(4))[0] == "Product 4"
    assert set(brand.products()) == {"p1", "p4"}


def test_the_same_feed_again_changes_nothing_and_fetches_nothing(brand: Brand, shop: Shop) -> None:
    data = feed(*(shop.row(number) for number in range(1, 4)))
    brand.imported(data)
    before, asked = brand.products(), len(shop.asked)
    job = brand.imported(data)
    assert job["counts"] == {
        "read": 3,
        "created": 0,
        "updated": 0,
        "unchanged": 3,
        "removed": 0,
        "failed": 0,
        "indexed": 3,
    }
    assert brand.products() == before
    assert len(shop.asked) == asked


def test_full_removes_what_the_feed_lost_and_merge_keeps_it(brand: Brand, shop: Shop) -> None:
    brand.imported(feed(*(shop.row(number) for number in range(1, 4))))
    merged = brand.imported(feed(shop.row(1, price="9 EUR")), mode="merge")
    assert (merged["counts"]["updated"], merged["counts"]["removed"]) == (1, 0)
    assert len(brand.products()) == 3
    full = brand.imported(feed(shop.row(1, price="9 EUR")))
    assert full["counts"]["removed"] == 2
    assert set(brand.products()) == {"p1"}
    assert found(brand.ports, brand.catalog_id, picture(2)) == ["Product 1"]


def test_a_product_that_returns_keeps_its_id(brand: Brand, shop: Shop) -> None:
    brand.imported(feed(shop.row(1), shop.row(2)))
    before = brand.products()["p2"]["id"]
    brand.imported(feed(shop.row(1)))
    brand.imported(feed(shop.row(1), shop.row(2)))
    assert brand.products()["p2"]["id"] == before
    assert "Product 2" in found(brand.ports, brand.catalog_id, picture(2))


def test_a_refused_row_leaves_its_product_as_it_was(brand: Brand, shop: Shop) -> None:
    brand.imported(feed(shop.row(1), shop.row(2)))
    job = brand.imported(feed(shop.row(1), shop.row(2, price="free")))
    assert (job["counts"]["failed"], job["counts"]["removed"]) == (1, 0)
    assert brand.products()["p2"]["price_micros"] == 2_500_000


def test_a_new_price_reaches_the_index_without_a_look_at_the_picture(brand: Brand, shop: Shop) -> None:
    brand.imported(feed(shop.row(1)))
    asked = len(shop.asked)
    brand.imported(feed(shop.row(1, price="100 EUR")))
    vectors = brand.ports.eyes.embed(brand.ports.eyes.decode(picture(1)), None)
    cheap = IndexFilter(frozenset({brand.catalog_id}), price_max_micros=50_000_000)
    assert brand.ports.index.search(vectors, 5, cheap) == [[]]
    assert len(shop.asked) == asked


def test_a_new_picture_is_looked_at(brand: Brand, shop: Shop) -> None:
    brand.imported(feed(shop.row(1), shop.row(2)))
    shop.files["/new.jpg"] = picture(99)
    brand.imported(feed(shop.row(1, image_link=f"{shop.url}/new.jpg"), shop.row(2)))
    assert found(brand.ports, brand.catalog_id, picture(99))[0] == "Product 1"


def test_a_picture_that_cannot_be_had_is_told_and_tried_again(brand: Brand, shop: Shop) -> None:
    rows = [
        shop.row(1),
        shop.row(2, image_link=f"{shop.url}/gone.jpg"),
        shop.row(3, image_link="http://10.0.0.1/x.jpg"),
    ]
    shop.files["/4.jpg"] = b"<html>not a picture"
    job = brand.imported(feed(*rows, shop.row(4), shop.row(5, image_link="")))
    assert job["state"] == "done"
    assert (job["counts"]["created"], job["counts"]["indexed"], job["counts"]["failed"]) == (5, 1, 0)
    told = {error["line"]: error for error in job["errors"]}
    assert set(told) == {3, 4, 5, 6}
    assert all(error["field"] == "image_link" for error in told.values())
    states = {key: row["index"]["state"] for key, row in brand.products().items()}
    assert states == {"p1": "indexed", "p2": "failed", "p3": "failed", "p4": "failed", "p5": "no_picture"}
    shop.files["/gone.jpg"] = picture(2)
    again = brand.imported(feed(*rows, shop.row(4), shop.row(5, image_link="")))
    assert again["counts"]["indexed"] == 2
    assert brand.products()["p2"]["index"]["state"] == "indexed"


NO_FEEDS = {
    "text": b"hello\nworld\n",
    "blank": b"   \n\n",
    "header alone": b"id,title,price\n",
    "picture": b"\xff\xd8\xff\xe0 a picture",
    "page": b"<html><body>no feed</body></html>",
    "XML cut off": b'<?xml version="1.0"?><rss><channel><item><id>p9</id></item><item><title>cut o',
    "JSON cut off": b'[{"id": "p9", "title": "x"}, {"id"',
    "gzip cut off": gzip.compress(b"id,title,price,link\np9,x,1 EUR,https://a.example/\n" * 50)[:-20],
    "no ZIP": b"PK\x03\x04 no zip at all",
}


def test_a_feed_that_breaks_off_or_is_none_changes_nothing(brand: Brand, shop: Shop) -> None:
    brand.imported(feed(shop.row(1)))
    before = brand.products()
    for name, data in NO_FEEDS.items():
        job = brand.imported(data)
        assert (name, job["state"], len(job["errors"])) == (name, "failed", 1)
        assert job["counts"]["created"] == 0
        assert brand.products() == before, name


def test_pictures_come_from_the_zip(brand: Brand, shop: Shop) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        rows = [
            shop.row(n, image_link=link) for n, link in ((1, "img/1.jpg"), (2, "../../etc/passwd"), (3, "/etc/passwd"))
        ]
        archive.writestr("shop/products.csv", feed(*rows, shop.row(4, image_link="img/none.jpg")))
        archive.writestr("shop/img/1.jpg", picture(1))
        link = zipfile.ZipInfo("shop/img/link.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("README.txt", "Our products")
    job = brand.imported(out.getvalue(), "anything.bin")
    assert job["format"] == "zip/csv"
    assert (job["counts"]["created"], job["counts"]["indexed"]) == (4, 1)
    assert [error["line"] for error in job["errors"]] == [3, 4, 5]
    assert shop.asked == []
    product = brand.products()["p1"]
    assert product["image_url"].endswith(f"/i/{product['id']}/640")


def test_a_feed_is_fetched_from_its_address(brand: Brand, shop: Shop) -> None:
    shop.files["/feed"] = feed(shop.row(1, image_link="/1.jpg"))
    url = f"/v1/catalogs/{brand.catalog_id}/imports"
    answer = brand.client.post(url, json={"feed_url": f"{shop.url}/feed"}, headers=brand.auth)
    brand.work()
    job = brand.read(f"/v1/imports/{answer.json()['id']}")
    assert (job["state"], job["counts"]["indexed"]) == ("done", 1)
    refused = brand.client.post(url, json={"feed_url": "http://127.0.0.1:1/feed"}, headers=brand.auth)
    brand.work()
    job = brand.read(f"/v1/imports/{refused.json()['id']}")
    assert job["state"] == "failed"
    assert job["errors"][0]["field"] == "feed_url"


def test_a_killed_import_goes_on_where_it_was(
    brand: Brand, shop: Shop, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_run, "CHUNK", 2)
    job = brand.post(feed(*(shop.row(number) for number in range(1, 8)), shop.row(8, price="0")))
    brand.queue.sent.clear()
    landed: list[int] = []
    land = import_run.ImportRun._land_chunk

    def killed(run: import_run.ImportRun, chunk: list) -> None:
        if len(landed) == 2:
            raise KeyboardInterrupt
        landed.append(1)
        land(run, chunk)

    with monkeypatch.context() as patched:
        patched.setattr(import_run.ImportRun, "_land_chunk", killed)
        with pytest.raises(KeyboardInterrupt):
            imports.run_import(brand.ports, job["id"])
    half = brand.read(f"/v1/imports/{job['id']}")
    assert (half["state"], half["counts"]["read"]) == ("running", 4)
    imports.sweep(brand.ports)
    assert brand.queue.sent == []  # the lease of the dead process has not lapsed yet
    clock.advance(timedelta(minutes=1))
    imports.sweep(brand.ports)
    brand.work()
    done = brand.read(f"/v1/imports/{job['id']}")
    assert done["state"] == "done"
    assert done["counts"] == {
        "read": 8,
        "created": 7,
        "updated": 0,
        "unchanged": 0,
        "removed": 0,
        "failed": 1,
        "indexed": 7,
    }
    assert [error["line"] for error in done["errors"]] == [9]


def test_a_kill_between_pictures_loses_and_repeats_none(
    brand: Brand, shop: Shop, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.catalog.indexing.BATCH", 2)
    job = brand.post(feed(*(shop.row(number) for number in range(1, 6))))
    brand.queue.sent.clear()
    looked: list[int] = []
    settle = imports.Indexer._settle

    def killed(indexer: imports.Indexer, batch: list, seen: dict) -> None:
        if len(looked) == 1:
            raise KeyboardInterrupt
        looked.append(1)
        settle(indexer, batch, seen)

    with monkeypatch.context() as patched:
        patched.setattr(imports.Indexer, "_settle", killed)
        with pytest.raises(KeyboardInterrupt):
            imports.run_import(brand.ports, job["id"])
    clock.advance(timedelta(minutes=1))
    imports.run_import(brand.ports, job["id"])
    done = brand.read(f"/v1/imports/{job['id']}")
    assert (done["state"], done["counts"]["indexed"], done["errors"]) == ("done", 5, [])


def test_imports_of_one_catalog_wait_for_each_other(brand: Brand, shop: Shop) -> None:
    first = brand.post(feed(shop.row(1)))
    second = brand.post(feed(shop.row(2)))
    brand.queue.sent.clear()
    imports.run_import(brand.ports, second["id"])
    assert brand.read(f"/v1/imports/{second['id']}")["state"] == "queued"
    imports.run_import(brand.ports, first["id"])
    assert [arguments["import_id"] for _, arguments in brand.queue.sent] == [second["id"]]
    brand.work()
    assert set(brand.products()) == {"p2"}


def test_two_workers_do_an_import_once(brand: Brand, shop: Shop) -> None:
    job = brand.post(feed(*(shop.row(number) for number in range(1, 6))))
    threads = [threading.Thread(target=imports.run_import, args=(brand.ports, job["id"])) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = brand.read(f"/v1/imports/{job['id']}")
    assert (done["state"], done["counts"]["created"], done["counts"]["indexed"]) == ("done", 5, 5)


def test_errors_are_counted_beyond_those_that_are_kept(brand: Brand, shop: Shop) -> None:
    job = brand.imported(feed(shop.row(1), *({"id": f"x{number}"} for number in range(1200))))
    assert job["counts"]["failed"] == 1200
    assert len(job["errors"]) == 1000
    assert job["errors_total"] >= 1200


def test_an_index_can_be_rebuilt_from_what_is_stored(brand: Brand, shop: Shop) -> None:
    brand.imported(feed(shop.row(1), shop.row(2, image_link=f"{shop.url}/none.jpg")))
    ports = brand.ports
    ports.index.drop_catalog(brand.catalog_id)
    assert found(ports, brand.catalog_id, picture(1)) == []
    assert rebuild_index(ports.database, ports.index, ports.eyes.embedder_version, ports.eyes.dim).products == 1
    assert found(ports, brand.catalog_id, picture(1)) == ["Product 1"]


def test_products_that_another_embedder_saw_are_looked_at_again_from_the_kept_picture(brand: Brand, shop: Shop) -> None:
    brand.imported(feed(shop.row(1)))
    with brand.ports.database.write() as session:
        session.get(ProductVector, brand.products()["p1"]["id"]).embedder_version = "an older one"
    asked = len(shop.asked)
    assert imports.look_again(brand.ports) == 1
    imports.sweep(brand.ports)
    brand.work()
    assert brand.products()["p1"]["index"]["state"] == "indexed"
    assert len(shop.asked) == asked
    with brand.ports.database.read() as session:
        stored = session.get(ProductVector, brand.products()["p1"]["id"])
    assert stored.embedder_version == brand.ports.eyes.embedder_version


def test_a_demo_is_not_called_ready_until_this_releases_embedder_has_looked_at_all(
    brand: Brand, shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    brand.imported(feed(shop.row(1), shop.row(2)))
    ports = brand.ports
    with ports.database.write() as session:
        session.get(ProductVector, brand.products()["p1"]["id"]).embedder_version = "an older one"
    house = EmbeddedHouse.__new__(EmbeddedHouse)
    house.ports = ports
    monkeypatch.setattr(embedded, "STANDSTILL_S", 0.05)
    house.wait_until_seen(threading.Event())
    assert "1 of 1 products have not been looked at yet" in caplog.text

    # What nobody can find any more is not waited for.
    imports.look_again(ports)
    imports.sweep(ports)
    monkeypatch.setattr(embedded, "STANDSTILL_S", 60.0)
    working = threading.Timer(0.1, brand.work)
    working.start()
    house.wait_until_seen(threading.Event())
    assert found(ports, brand.catalog_id, picture(1)) == ["Product 1", "Product 2"]
    working.join()


def test_a_shopify_export_lands_but_waits_for_its_shop(brand: Brand, shop: Shop) -> None:
    shop.row(1)
    image = f"{shop.url}/1.jpg"
    head = "Handle,Title,Body (HTML),Vendor,Variant Price,Variant Inventory Qty,Image Src\n"
    own = brand.imported((head + f"mug,Mug,<p>A <b>mug</b></p>,Clay,19.90,3,{image}\n").encode())
    assert (own["format"], own["counts"]["indexed"]) == ("shopify_csv", 1)
    assert "USD" in own["warnings"][0]
    assert brand.products()["mug"]["url"] == f"{shop.url}/products/mug"
    assert brand.products()["mug"]["description"] == "A mug"
    cdn = (head + "cup,Cup,,Clay,5,1,https://cdn.shopify.com/1.jpg\n").encode()
    told = brand.imported(cdn, currency="EUR")
    assert (told["counts"]["created"], told["counts"]["indexed"], told["errors"][0]["field"]) == (1, 0, "link")
    assert brand.products()["cup"]["index"]["state"] == "failed"
    brand.imported(cdn, currency="EUR", shop_url="https://clay.example")
    assert brand.products()["cup"]["url"] == "https://clay.example/products/cup"


def test_the_sweep_finds_products_that_wait_without_an_import(brand: Brand, shop: Shop, client: TestClient) -> None:
    brand.imported(feed(shop.row(1)))
    product = brand.products()["p1"]
    shop.files["/new.jpg"] = picture(50)
    body = {
        "title": "New",
        "price_micros": 1,
        "currency": "EUR",
        "url": "https://a.example/",
        "image_url": f"{shop.url}/new.jpg",
    }
    assert client.put(f"/v1/products/{product['id']}", json=body, headers=brand.auth).status_code == 200
    brand.queue.sent.clear()
    imports.sweep(brand.ports)
    assert brand.queue.sent == [("catalog.index_products", {"catalog_id": brand.catalog_id})]
    brand.work()
    assert found(brand.ports, brand.catalog_id, picture(50)) == ["New"]


def test_real_photographs_are_found_among_each_other(brand: Brand, shop: Shop, shared_data: Path) -> None:
    folder = shared_data / "grocery"
    with (folder / "catalog.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:12]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        columns = ("id", "title", "product_type", "description", "image_link", "link", "price")
        lines = [
            {
                "id": row["id"],
                "title": row["title"],
                "product_type": row["category"],
                "description": row["description"],
                "image_link": row["image"],
                "link": f"https://grocer.example/{row['id']}",
                "price": "1,99 EUR",
            }
            for row in rows
        ]
        archive.writestr("feed.tsv", feed(*lines, columns=columns).replace(b"\r\n", b"\n"))
        for row in rows:
            archive.write(folder / row["image"], row["image"])
    job = brand.imported(out.getvalue())
    assert (job["counts"]["indexed"], job["errors"]) == (12, [])
    for row in rows:
        assert found(brand.ports, brand.catalog_id, (folder / row["image"]).read_bytes())[0] == row["title"]
