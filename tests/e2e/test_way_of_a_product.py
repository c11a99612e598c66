"""A feed through the API: searchable within a minute in every API process, then changed, unlisted, removed for good."""

import csv
import functools
import io
import logging
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.every_process import House, api_processes, call, everywhere, fresh

pytestmark = pytest.mark.slow
log = logging.getLogger(__name__)
SEARCHABLE_WITHIN_S, CHANGED_WITHIN_S = 60, 60
UNLISTED_WITHIN_S = FOLLOWS_WITHIN_S = 5
# alone: with the answer of the DELETE; beside others: no search is ever answered from an index older than this
GONE_WITHIN_S = {1: 0.0, 2: 5.0}
COLUMNS = ["id", "title", "description", "link", "image_link", "price", "availability", "brand", "product_type"]
PRODUCTS = 40


@dataclass
class Grocer:
    """A brand's catalog of groceries with their studio pictures."""

    house: House
    catalog_id: str
    pictures: dict[str, bytes]
    rows: dict[str, dict[str, str]]
    ids: dict[str, str] = field(default_factory=dict)

    def feed(self, *items: str, prices: dict[str, str] | None = None) -> bytes:
        """A ZIP of these products' rows and pictures, some at a price of their own."""
        out, text = io.BytesIO(), io.StringIO()
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        with zipfile.ZipFile(out, "w") as archive:
            for item in items:
                writer.writerow({**self.rows[item], "price": (prices or {}).get(item, "2.50 EUR")})
                archive.writestr(f"{item}.jpg", self.pictures[item])
            archive.writestr("feed.csv", text.getvalue())
        return out.getvalue()

    def imported(self, feed: bytes, **options: str) -> dict[str, Any]:
        """The import at its end; on the way it only ever got further."""
        began = time.monotonic()
        files = {"file": ("feed.zip", feed, "application/zip")}
        path = f"/v1/catalogs/{self.catalog_id}/imports"
        job: dict[str, Any] = call(self.house, "POST", path, "brand_key", files=files, params=options)
        assert job["state"] == "queued"
        states, counts = ["queued", "running", "done"], dict.fromkeys(job["counts"], 0)
        while job["state"] != "done":
            assert time.monotonic() - began < SEARCHABLE_WITHIN_S, job
            before, job = job["state"], call(self.house, "GET", f"/v1/imports/{job['id']}", "brand_key")
            assert states.index(job["state"]) >= states.index(before), job
            assert all(job["counts"][name] >= count for name, count in counts.items()), (counts, job)
            counts = job["counts"]
            time.sleep(0.05)
        log.info("%s done after %.1f s: %s", options, time.monotonic() - began, job["counts"])
        return job

    def search(self, item: str, key: str = "brand_key", **filters: Any) -> tuple[str, httpx2.Response]:
        """A search with a product's own picture, over a connection of its own."""
        query = {"detect": "false", "limit": 20, "catalog_ids": self.catalog_id, **filters}
        asked = {name: value for name, value in query.items() if value != ""}
        files = {"image": ("picture.jpg", self.pictures[item], "image/jpeg")}
        headers = self.house.bearer(key)
        return fresh(self.house, "POST", "/v1/search", params=asked, files=files, headers=headers)

    def until(
        self, item: str, right: Callable[[list[dict[str, Any]]], bool], within_s: float, **more: Any
    ) -> dict[str, float]:
        """Until every API process answers a search with the right matches."""

        def holds(answer: httpx2.Response) -> bool:
            assert answer.status_code == 200, answer.text
            return right(answer.json()["objects"][0]["matches"])

        return everywhere(self.house, functools.partial(self.search, item, **more), holds, within_s)

    def first(self, item: str) -> Callable[[list[dict[str, Any]]], bool]:
        """Whether this product is the best match, as a picture of itself."""
        return lambda matches: (
            bool(matches) and matches[0]["product"]["external_id"] == item and matches[0]["score"] > 0.99
        )

    def absent(self, item: str) -> Callable[[list[dict[str, Any]]], bool]:
        """Whether it is not among the matches."""
        return lambda matches: self.ids[item] not in [match["product"]["id"] for match in matches]


@pytest.fixture(scope="module")
def grocer(house: House, shared_data: Path) -> Iterator[Grocer]:
    pictures, rows = {}, {}
    with (shared_data / "grocery" / "catalog.csv").open(newline="") as catalog:
        for line in list(csv.DictReader(catalog))[:PRODUCTS]:
            item = line["id"]
            pictures[item] = (shared_data / "grocery" / line["image"]).read_bytes()
            values = (item, line["title"], line["description"], f"https://grocer.example/{item}", f"{item}.jpg")
            rows[item] = dict(zip(COLUMNS, (*values, "", "in stock", "Grocer", line["category"]), strict=True))
    made = call(house, "POST", "/v1/catalogs", "brand_key", json={"name": "Groceries", "listed": False})
    shop = Grocer(house, made["id"], pictures, rows)
    job = shop.imported(shop.feed(*rows))
    assert job["errors"] == []
    assert job["counts"] == {
        "read": PRODUCTS,
        "created": PRODUCTS,
        "updated": 0,
        "unchanged": 0,
        "removed": 0,
        "failed": 0,
        "indexed": PRODUCTS,
    }
    query = f"/v1/products?catalog_id={made['id']}&limit=200"
    shop.ids = {item["external_id"]: item["id"] for item in call(house, "GET", query, "brand_key")["items"]}
    yield shop
    call(house, "DELETE", f"/v1/catalogs/{made['id']}", "brand_key")


def test_an_imported_product_is_found_by_its_picture_in_every_process(grocer: Grocer) -> None:
    """Done means searchable: where the index is another server, its other readers follow within seconds."""
    for item in list(grocer.rows)[::9]:
        seconds = grocer.until(item, grocer.first(item), FOLLOWS_WITHIN_S)
        log.info("%s is found after %s", item, seconds)


def test_rows_with_faults_are_named_and_the_rest_is_imported(grocer: Grocer) -> None:
    good, bad = list(grocer.rows)[:2]
    job = grocer.imported(grocer.feed(good, bad, prices={bad: "cheap"}), mode="merge")
    assert (job["counts"]["read"], job["counts"]["failed"], job["counts"]["removed"]) == (2, 1, 0)
    assert [(error["line"], error["field"]) for error in job["errors"]] == [(3, "price")]


def test_nobody_else_sees_an_unlisted_catalog_and_unlisting_works_within_seconds(grocer: Grocer) -> None:
    item = next(iter(grocer.rows))
    product = f"/v1/products/{grocer.ids[item]}"
    stranger = {"headers": grocer.house.bearer("developer_key")}

    def shut_out(within_s: float) -> None:
        search = functools.partial(grocer.search, item, "developer_key")
        seconds = everywhere(grocer.house, search, lambda answer: answer.status_code == 422, within_s)
        log.info("shut out after %s", seconds)
        assert search()[1].json()["code"] == "catalog_not_found"
        # from here on nothing of it anywhere, whichever way it is asked for
        grocer.until(item, grocer.absent(item), 0, key="developer_key", catalog_ids="")
        for path in (product, f"{product}/similar", f"{product}/complements", f"/i/{grocer.ids[item]}/160"):
            everywhere(
                grocer.house,
                functools.partial(fresh, grocer.house, "GET", path, **stranger),
                lambda answer: answer.status_code == 404,
                0,
            )

    shut_out(0)
    call(grocer.house, "PATCH", f"/v1/catalogs/{grocer.catalog_id}", "brand_key", json={"listed": True})
    everywhere(
        grocer.house,
        functools.partial(grocer.search, item, "developer_key"),
        lambda answer: answer.status_code == 200 and grocer.first(item)(answer.json()["objects"][0]["matches"]),
        UNLISTED_WITHIN_S,
    )
    call(grocer.house, "PATCH", f"/v1/catalogs/{grocer.catalog_id}", "brand_key", json={"listed": False})
    shut_out(UNLISTED_WITHIN_S)


def test_a_new_price_shows_in_filters_and_answers_within_a_minute(grocer: Grocer) -> None:
    item = list(grocer.rows)[5]
    cheap = {"price_max_micros": 2_000_000, "currency": "EUR"}
    grocer.until(item, lambda matches: matches == [], 0, **cheap)
    grocer.until(item, grocer.first(item), 0)  # every process has just read the old price, and remembers it
    began = time.monotonic()
    job = grocer.imported(grocer.feed(item, prices={item: "1.75 EUR"}), mode="merge")
    assert (job["counts"]["updated"], job["counts"]["removed"], job["errors"]) == (1, 0, [])
    grocer.until(item, lambda matches: len(matches) == 1, FOLLOWS_WITHIN_S, **cheap)
    seconds = grocer.until(
        item,
        lambda matches: [match["product"]["price_micros"] for match in matches] == [1_750_000],
        CHANGED_WITHIN_S - (time.monotonic() - began),
        **cheap,
    )
    log.info("the new price is told after %s, %.1f s in all", seconds, time.monotonic() - began)
    grocer.until(item, lambda matches: len(matches) == 20, 0)  # a merge removes nothing


def test_a_deleted_product_is_gone_at_once_and_for_good(grocer: Grocer) -> None:
    item = list(grocer.rows)[9]
    grocer.until(item, grocer.first(item), FOLLOWS_WITHIN_S)
    call(grocer.house, "DELETE", f"/v1/products/{grocer.ids[item]}", "brand_key")
    seconds = grocer.until(item, grocer.absent(item), GONE_WITHIN_S[len(api_processes(grocer.house))])
    log.info("gone after %s", seconds)
    _, answer = fresh(grocer.house, "GET", f"/v1/products/{grocer.ids[item]}", headers=grocer.house.bearer("brand_key"))
    assert answer.status_code == 404
    # what else is imported meanwhile does not bring it back
    other = list(grocer.rows)[10]
    grocer.imported(grocer.feed(other, prices={other: "2.60 EUR"}), mode="merge")
    grocer.until(item, grocer.absent(item), 0)


def test_a_full_import_removes_what_its_feed_lacks(grocer: Grocer) -> None:
    kept, gone = list(grocer.rows)[10:20], list(grocer.rows)[20:]
    job = grocer.imported(grocer.feed(*kept), mode="full")
    assert job["counts"]["removed"] == PRODUCTS - len(kept) - 1, "one was deleted before"
    assert job["errors"] == []
    for item in gone[::7]:
        grocer.until(item, grocer.absent(item), FOLLOWS_WITHIN_S)
    for item in kept[::4]:
        grocer.until(item, grocer.first(item), 0)
    listed = call(grocer.house, "GET", f"/v1/products?catalog_id={grocer.catalog_id}&limit=200", "brand_key")["items"]
    assert sorted(item["external_id"] for item in listed) == sorted(kept)
