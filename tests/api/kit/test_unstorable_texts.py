"""Texts that PostgreSQL or UTF-8 cannot hold, at every door that takes texts: a clear 4xx that names the field, or the
text put right; never a 500, and the house still readable after it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.catalog import imports
from api.ports import Ports
from api.settings import DatabaseSettings, Settings, VisionSettings
from tests.postgresql import TestDatabases

NASTY = ("a\x00b", "\x00", "\ud800", "a\udfffb", "x" * 70_000, "\u202eevil\u0000", "\U0010ffff" * 400)
ORIGIN = "https://magazine.example"


@pytest.fixture
def settings(tmp_path: Path, test_databases: TestDatabases) -> Iterator[Settings]:
    with test_databases.migrated() as url:
        more = {"database": DatabaseSettings(url=url), "vision": VisionSettings(decoders=1)}
        yield Settings(datadir=tmp_path / "data", **more)


def variants(value: Any, nasty: str) -> Iterator[Any]:
    """The value with one of its texts, or of its names, replaced."""
    if isinstance(value, str):
        yield nasty
    elif isinstance(value, list):
        for index, item in enumerate(value):
            for other in variants(item, nasty):
                yield [*value[:index], other, *value[index + 1 :]]
    elif isinstance(value, dict):
        for name, item in value.items():
            for other in variants(item, nasty):
                yield {**value, name: other}
        yield {**value, nasty: "value"}


class Doors:
    """The public calls that take texts, with what must be there for them."""

    def __init__(self, client: TestClient, account: Any) -> None:
        self.client = client
        self.brand, self.publisher = account("brand", approved=True), account("publisher")
        self.catalog = self.made("/v1/catalogs", {"name": "Shop", "listed": True}, self.brand)["id"]
        self.site = self.made(
            "/v1/sites", {"name": "M", "origins": [ORIGIN], "media_hosts": ["m.example"]}, self.publisher
        )
        self.campaign_body = {
            "name": "Autumn", "bid_kind": "cpc", "bid_micros": 100_000, "currency": "EUR",
            "daily_budget_micros": 5_000_000, "starts_at": "2026-11-01T00:00:00Z",
            "targeting": {"site_ids": [self.site["id"]], "categories": ["Shoes"]}, "catalog_ids": [self.catalog],
        }  # fmt: skip
        self.campaign = self.made("/v1/campaigns", self.campaign_body, self.brand)["id"]
        creative = {
            "campaign_id": self.campaign,
            "name": "Red",
            "call_to_action": "Buy",
            "badge": "New",
            "style": "plain",
        }
        assert self.send("POST", "/v1/creatives", creative, self.brand.auth) == 201
        self.creative = creative

    def made(self, path: str, body: dict[str, Any], owner: Any) -> dict[str, Any]:
        answer = self.client.post(path, json=body, headers=owner.auth)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> int:
        content = json.dumps(body).encode()  # escapes what no text on the wire may hold
        typed = {**headers, "Content-Type": "application/json"}
        answer = self.client.request(method, path, content=content, headers=typed)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", answer.text
        if answer.status_code == 422:
            assert answer.json()["errors"], f"{method} {path} {str(body)[:200]}: {answer.text[:300]}"
        return answer.status_code

    def calls(self) -> list[tuple[str, str, dict[str, Any], dict[str, str]]]:
        brand, publisher, page = self.brand.auth, self.publisher.auth, {"Origin": ORIGIN}
        controls = {
            "blocked_brands": ["A"],
            "blocked_categories": ["B"],
            "blocked_products": ["C"],
            "blocked_media": ["D"],
        }
        looked_at = {"url": f"{ORIGIN}/a", "title": "A page", "lang": "en"}
        shown = [{"url": "https://m.example/a.jpg", "kind": "image"}]
        events = [{"id": "e", "type": "click", "token": "t"}]
        arms = [{"name": "a", "weight": 1}, {"name": "b", "weight": 1}]
        return [
            ("POST", "/v1/sites", {"name": "M", "origins": [ORIGIN], "media_hosts": ["m.example"]}, publisher),
            ("PATCH", f"/v1/sites/{self.site['id']}", {"name": "N", "controls": controls}, publisher),
            ("POST", "/v1/keys", {"name": "ci", "scopes": ["sites:read"]}, publisher),
            ("POST", "/v1/catalogs", {"name": "Shop"}, brand),
            ("PATCH", f"/v1/catalogs/{self.catalog}", {"name": "Shop"}, brand),
            ("POST", "/v1/campaigns", self.campaign_body, brand),
            ("PATCH", f"/v1/campaigns/{self.campaign}", {"name": "W", "targeting": {"categories": ["Hats"]}}, brand),
            ("POST", "/v1/creatives", self.creative, brand),
            ("POST", "/v1/experiments", {"campaign_id": self.campaign, "name": "look", "arms": arms}, brand),
            ("POST", f"/v1/catalogs/{self.catalog}/imports", {"feed_url": "https://shop.example/feed.csv"}, brand),
            ("POST", "/v1/videos", {"url": "https://m.example/film.mp4"}, publisher),
            ("POST", "/v1/tags", {"key": self.site["key"], "page": looked_at, "media": shown}, page),
            ("POST", "/v1/events", {"key": self.site["key"], "events": events}, page),
        ]  # fmt: skip


@pytest.mark.parametrize("nasty", NASTY, ids=lambda text: ascii(text[:6]))
def test_no_text_of_a_call_breaks_it(client: TestClient, account, nasty: str) -> None:
    doors = Doors(client, account)
    for method, path, body, headers in doors.calls():
        assert doors.send(method, path, body, headers) < 500
        for other in variants(body, nasty):
            status = doors.send(method, path, other, headers)
            assert status < 500, f"{method} {path} {str(other)[:300]}"
    for path, owner in (("/v1/sites", doors.publisher), ("/v1/catalogs", doors.brand), ("/v1/campaigns", doors.brand)):
        listed = client.get(path, headers=owner.auth)
        assert listed.status_code == 200
        assert "\\u0000" not in listed.text


@pytest.mark.parametrize("nasty", NASTY, ids=lambda text: ascii(text[:6]))
def test_no_text_of_a_feed_or_a_product_breaks_it(
    client: TestClient, ports: Ports, account, queue: Any, nasty: str
) -> None:
    doors = Doors(client, account)
    good = {
        "id": "p1", "title": "Lamp", "description": "A lamp", "link": "https://shop.example/1", "brand": "Acme",
        "image_link": "https://shop.example/1.jpg", "price": "9.50 EUR", "availability": "in stock", "gtin": "",
        "product_type": "Lamps", "mpn": "m1", "colour": "red", "gender": "female",
    }  # fmt: skip
    rows = [
        {**row, "id": f"p{number}" if row["id"] == "p1" else row["id"]}
        for number, row in enumerate(variants(good, nasty))
    ]
    lines = "\n".join(json.dumps(row) for row in [good, *rows]).encode()
    path = f"/v1/catalogs/{doors.catalog}/imports"
    job = client.post(path, files={"file": ("feed.jsonl", lines)}, headers=doors.brand.auth)
    assert job.status_code == 202, job.text
    queue.sent.clear()
    imports.run_import(ports, job.json()["id"])
    done = client.get(f"/v1/imports/{job.json()['id']}", headers=doors.brand.auth).json()
    assert done["state"] == "done", done["errors"]
    assert done["counts"]["created"] >= 1
    products = client.get("/v1/products", headers=doors.brand.auth)
    assert products.status_code == 200
    assert "\\u0000" not in products.text
    product = products.json()["items"][0]
    body = {
        "title": "Lamp", "description": "A lamp", "brand": "Acme", "category": "Lamps", "price_micros": 9_500_000,
        "currency": "EUR", "url": "https://shop.example/1", "image_url": "https://shop.example/1.jpg",
        "availability": "in_stock", "audience": "women", "attributes": {"colour": "red"},
    }  # fmt: skip
    for other in variants(body, nasty):
        assert doors.send("PUT", f"/v1/products/{product['id']}", other, doors.brand.auth) < 500, str(other)[:300]


def test_cursors_keys_and_search_words_with_controls_are_refused_by_name(client: TestClient, account) -> None:
    brand = account("brand")
    cursor = client.get("/v1/catalogs", params={"cursor": "YQBi"}, headers=brand.auth)  # a, NUL, b
    assert (cursor.status_code, cursor.json()["errors"][0]["pointer"]) == (422, "?cursor")
    key = client.post("/v1/catalogs", json={"name": "A"}, headers={**brand.auth, "Idempotency-Key": "a\x7fb"})
    assert (key.status_code, key.json()["errors"][0]["pointer"]) == (422, "@Idempotency-Key")
    for text in ("%", "_", "\\", "100%_\\'\"", "ä" * 300):
        assert client.get("/v1/products", params={"q": text}, headers=brand.auth).status_code in {200, 422}
