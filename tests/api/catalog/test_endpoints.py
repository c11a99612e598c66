"""Catalogs and products over HTTP: who may, what is refused and how, and the happy paths."""

import pytest
from fastapi.testclient import TestClient

from api.accounts.scopes import Scope
from api.ports import Ports
from tests.api.catalog.shop import Brand, Shop, feed

PRODUCT_KEYS = {
    "id",
    "external_id",
    "catalog_id",
    "title",
    "brand",
    "category",
    "price_micros",
    "sale_price_micros",
    "currency",
    "url",
    "image_url",
    "availability",
    "audience",
    "attributes",
}
CALLS = [
    ("POST", "/v1/catalogs"),
    ("GET", "/v1/catalogs"),
    ("GET", "/v1/catalogs/{c}"),
    ("PATCH", "/v1/catalogs/{c}"),
    ("DELETE", "/v1/catalogs/{c}"),
    ("POST", "/v1/catalogs/{c}/imports"),
    ("GET", "/v1/catalogs/{c}/imports"),
    ("GET", "/v1/imports/{i}"),
    ("GET", "/v1/products"),
    ("GET", "/v1/products/{p}"),
    ("PUT", "/v1/products/{p}"),
    ("DELETE", "/v1/products/{p}"),
]
BODY = {"title": "New", "price_micros": 5_000_000, "currency": "EUR", "url": "https://a.example/"}
BODIES = {
    ("POST", "/v1/catalogs"): {"name": "x"},
    ("PATCH", "/v1/catalogs/{c}"): {"name": "x"},
    ("PUT", "/v1/products/{p}"): BODY,
}


@pytest.fixture
def stocked(brand: Brand, shop: Shop) -> dict[str, str]:
    """A catalog with a product; the ids for the paths."""
    job = brand.imported(feed(shop.row(1)))
    return {"c": brand.catalog_id, "i": job["id"], "p": brand.products()["p1"]["id"]}


def test_nobody_comes_in_without_key_or_scope(client: TestClient, account) -> None:
    weak = account("brand", scopes=[Scope.search]).auth
    for method, path in CALLS:
        url = path.format(c="ctg_x", i="imp_x", p="prd_x")
        body = BODIES.get((method, path), {"feed_url": "https://a.example/"})
        assert client.request(method, url).status_code == 401, (method, path)
        answer = client.request(method, url, headers=weak, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope"), (method, path)


def test_another_tenants_rows_are_not_there(client: TestClient, account, stocked: dict[str, str], brand: Brand) -> None:
    stranger = account("brand").auth
    before = brand.products()
    for method, path in CALLS:
        if "{" in path:
            body = BODIES.get((method, path), {"feed_url": "https://a.example/"})
            answer = client.request(method, path.format(**stocked), headers=stranger, json=body)
            assert answer.status_code == 404, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
    assert brand.products() == before
    assert client.get("/v1/products", headers=stranger).json()["items"] == []


BAD_CATALOGS = [
    ({}, "#/name"),
    ({"name": ""}, "#/name"),
    ({"name": "<b></b>"}, "#/name"),
    ({"name": "x", "listed": "perhaps"}, "#/listed"),
    ({"name": "x", "color": 1}, "#/color"),
    ({"name": "x" * 201}, "#/name"),
]


def test_a_bad_catalog_is_refused_by_field(brand: Brand) -> None:
    for body, pointer in BAD_CATALOGS:
        answer = brand.client.post("/v1/catalogs", json=body, headers=brand.auth)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_listing_takes_the_operators_approval(client: TestClient, account) -> None:
    plain, approved = account("brand"), account("brand", approved=True)
    body = {"name": "Shop", "listed": True}
    assert client.post("/v1/catalogs", json=body, headers=plain.auth).json()["listing"] == "awaiting_approval"
    made = client.post("/v1/catalogs", json=body, headers=approved.auth).json()
    assert made["listing"] == "listed"
    url = f"/v1/catalogs/{made['id']}"
    assert client.patch(url, json={"listed": False}, headers=approved.auth).json()["listing"] == "unlisted"
    assert client.get(url, headers=approved.auth).json()["listed"] is False


def test_catalogs_page_by_cursor(brand: Brand) -> None:
    for _ in range(4):
        brand.with_catalog()
    first = brand.read("/v1/catalogs", limit="3")
    rest = brand.read("/v1/catalogs", limit="3", cursor=first["next_cursor"])
    assert len({row["id"] for row in first["items"] + rest["items"]}) == 5
    assert rest["next_cursor"] is None


def test_a_deleted_catalog_is_gone_with_all_it_held(brand: Brand, stocked: dict[str, str], ports: Ports) -> None:
    assert brand.client.delete(f"/v1/catalogs/{stocked['c']}", headers=brand.auth).status_code == 204
    assert ports.index.count(stocked["c"]) == 0
    for path in (f"/v1/catalogs/{stocked['c']}", f"/v1/products/{stocked['p']}"):
        assert brand.client.get(path, headers=brand.auth).status_code == 404
    brand.work()
    assert brand.read("/v1/products")["items"] == []


BAD_IMPORTS = [
    ({"json": {}}, 422, "#/feed_url"),
    ({"json": {"feed_url": "ftp://a.example/"}}, 422, "#/feed_url"),
    ({"json": {"feed_url": "https://a.example/", "mode": "full"}}, 422, "#/mode"),
    ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "#"),
    ({"content": b"x", "headers": {"content-type": "text/csv"}}, 415, "@Content-Type"),
    ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "#"),
    ({"files": {"feed": ("a.csv", b"x")}}, 422, "#/feed"),
    ({"files": {"file": ("a.csv", b"")}}, 422, "#/file"),
    ({"files": {"file": ("a.csv", b"x")}, "params": {"mode": "some"}}, 422, "?mode"),
    ({"files": {"file": ("a.csv", b"x")}, "params": {"currency": "XXX"}}, 422, "?currency"),
    ({"files": {"file": ("a.csv", b"x")}, "params": {"shop_url": "javascript:x"}}, 422, "?shop_url"),
]


def test_a_bad_import_is_refused_by_field(brand: Brand) -> None:
    for send, status, pointer in BAD_IMPORTS:
        headers = brand.auth | send.pop("headers", {})
        answer = brand.client.post(f"/v1/catalogs/{brand.catalog_id}/imports", headers=headers, **send)
        assert answer.status_code == status, answer.text
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert brand.read(f"/v1/catalogs/{brand.catalog_id}/imports")["items"] == []


def test_a_misspelt_option_never_removes_products(brand: Brand) -> None:
    path = f"/v1/catalogs/{brand.catalog_id}/imports?Mode=merge"
    answer = brand.client.post(path, files={"file": ("f.csv", b"id,title")}, headers=brand.auth)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "?Mode")


def test_a_feed_above_the_bound_is_refused(brand: Brand, ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports.settings.fetch, "max_feed_bytes", 1000)
    answer = brand.client.post(
        f"/v1/catalogs/{brand.catalog_id}/imports", files={"file": ("a", b"x" * 200_000)}, headers=brand.auth
    )
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (413, "#/file")


def test_imports_are_listed_newest_first(brand: Brand, shop: Shop) -> None:
    ids = [brand.imported(feed(shop.row(1)))["id"] for _ in range(3)]
    first = brand.read(f"/v1/catalogs/{brand.catalog_id}/imports", limit="2")
    rest = brand.read(f"/v1/catalogs/{brand.catalog_id}/imports", limit="2", cursor=first["next_cursor"])
    assert [row["id"] for row in first["items"] + rest["items"]] == ids[::-1]


def test_a_product_is_what_the_contract_says(brand: Brand, shop: Shop) -> None:
    brand.imported(feed(shop.row(1, title="<b>A</b> & B", price="19,90 EUR"), shop.row(2)))
    product = brand.products()["p1"]
    assert set(product) >= PRODUCT_KEYS
    assert (product["title"], product["price_micros"], product["currency"]) == ("A & B", 19_900_000, "EUR")
    assert product["index"] == {"state": "indexed", "error": None}
    assert brand.read(f"/v1/products/{product['id']}") == product


def test_products_are_found_by_id_and_words(brand: Brand, shop: Shop) -> None:
    brand.imported(feed(shop.row(1, title="100% wool"), shop.row(2, title="Cotton")))
    for params, ids in (
        ({"q": "WOOL"}, ["p1"]),
        ({"q": "%"}, ["p1"]),
        ({"q": "_"}, []),
        ({"external_id": "p2"}, ["p2"]),
        ({"q": "none"}, []),
    ):
        assert [row["external_id"] for row in brand.read("/v1/products", **params)["items"]] == ids, params
    unknown = brand.client.get("/v1/products", params={"catalog_id": "ctg_x"}, headers=brand.auth)
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (404, "?catalog_id")


def test_a_listed_product_may_be_read_by_anybody_with_a_key(
    client: TestClient, account, shop: Shop, ports: Ports, queue
) -> None:
    owner = Brand(client, ports, account("brand", approved=True).auth, queue).with_catalog(listed=True)
    owner.imported(feed(shop.row(1)))
    path = f"/v1/products/{owner.products()['p1']['id']}"
    stranger = account("developer").auth
    assert client.get(path, headers=stranger).status_code == 200
    assert client.delete(path, headers=stranger).status_code == 404
    assert client.get("/v1/products", headers=stranger).json()["items"] == []
    client.patch(f"/v1/catalogs/{owner.catalog_id}", json={"listed": False}, headers=owner.auth)
    assert client.get(path, headers=stranger).status_code == 404


def test_put_replaces_by_the_rules_of_a_row(brand: Brand, shop: Shop, stocked: dict[str, str], ports: Ports) -> None:
    before = brand.products()["p1"]
    body = {**BODY, "image_url": before["image_url"], "attributes": {"color": "red"}, "gtin": "4006381333931"}
    after = brand.client.put(f"/v1/products/{stocked['p']}", json=body, headers=brand.auth).json()
    assert (after["title"], after["price_micros"], after["attributes"]) == ("New", 5_000_000, {"color": "red"})
    asked = len(shop.asked)
    brand.work()
    assert brand.products()["p1"]["index"]["state"] == "indexed"
    assert len(shop.asked) == asked  # the picture is the same
    assert ports.catalogs.products_by_ids([stocked["p"]])[stocked["p"]].title == "New"


BAD_PRODUCTS = [
    ({"title": ""}, "#/title"),
    ({"price_micros": 0}, "#/price_micros"),
    ({"currency": "XXX"}, "#/currency"),
    ({"url": "javascript:x"}, "#/url"),
    ({"image_url": "ftp://x"}, "#/image_url"),
    ({"gtin": "123"}, "#/gtin"),
    ({"sale_price_micros": 9_000_000}, "#/sale_price_micros"),
    ({"availability": "maybe"}, "#/availability"),
    ({"external_id": "other"}, "#/external_id"),
    ({"surprise": 1}, "#/surprise"),
    ({"price_micros": 1.5}, "#/price_micros"),
    ({"price_micros": 10**30}, "#/price_micros"),
]


def test_put_refuses_by_field(brand: Brand, stocked: dict[str, str]) -> None:
    for change, pointer in BAD_PRODUCTS:
        answer = brand.client.put(f"/v1/products/{stocked['p']}", json={**BODY, **change}, headers=brand.auth)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert brand.products()["p1"]["title"] == "Product 1"


def test_money_is_a_whole_number(brand: Brand, stocked: dict[str, str]) -> None:
    for price in (True, "5000000", 5.5):
        body = {**BODY, "price_micros": price}
        answer = brand.client.put(f"/v1/products/{stocked['p']}", json=body, headers=brand.auth)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/price_micros"), price


def test_what_get_answers_can_be_put_back(brand: Brand, stocked: dict[str, str]) -> None:
    before = brand.read(f"/v1/products/{stocked['p']}")
    answer = brand.client.put(f"/v1/products/{stocked['p']}", json=before, headers=brand.auth)
    assert answer.status_code == 200, answer.text
    assert answer.json() == before


def test_a_removed_product_is_found_no_more(brand: Brand, stocked: dict[str, str], ports: Ports) -> None:
    assert brand.client.delete(f"/v1/products/{stocked['p']}", headers=brand.auth).status_code == 204
    assert ports.index.count(stocked["c"]) == 0
    assert ports.catalogs.products_by_ids([stocked["p"]]) == {}
    assert brand.client.get(f"/v1/products/{stocked['p']}", headers=brand.auth).status_code == 404
    assert brand.client.delete(f"/v1/products/{stocked['p']}", headers=brand.auth).status_code == 404


def test_a_product_without_a_picture_leaves_the_index(brand: Brand, stocked: dict[str, str], ports: Ports) -> None:
    assert ports.index.count(stocked["c"]) == 1
    brand.client.put(f"/v1/products/{stocked['p']}", json=BODY, headers=brand.auth)
    assert ports.index.count(stocked["c"]) == 0
