"""Search and its neighbours over HTTP: who finds what, which filters hold, what is refused."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import event

from api.accounts.scopes import Scope
from api.catalog.models import Product, ProductVector
from api.events.records import UsageRecord, decode
from api.ports import Ports
from api.search.rebuild import rebuild_index
from tests.api.search.conftest import Shop, drawing
from tests.api.vision.pictures import encoded, noise
from tests.conftest import AccountMaker

WHOLE = {"x": 0, "y": 0, "w": 1, "h": 1}
Caller = Callable[..., dict[str, Any]]


def post(client: TestClient, auth: dict[str, str], picture: bytes, **query: Any) -> Any:
    return client.post("/v1/search", params=query, files={"image": ("a.png", picture)}, headers=auth)


@pytest.fixture
def find(client: TestClient, shop: Shop) -> Callable[..., list[dict[str, Any]]]:
    """The matches of a whole picture."""

    def call(name: str = "disc", **query: Any) -> list[dict[str, Any]]:
        answer = post(client, shop.mine.auth, drawing(name), detect="false", **query)
        assert answer.status_code == 200, answer.text
        [found] = answer.json()["objects"]
        return found["matches"]

    return call


def names(matches: list[dict[str, Any]]) -> set[str]:
    return {match["product"]["external_id"] for match in matches}


def test_a_catalogs_own_picture_finds_its_product_exactly(client: TestClient, shop: Shop) -> None:
    answer = post(client, shop.mine.auth, drawing("triangle"), detect="false").json()
    [found] = answer["objects"]
    assert (found["label"], found["score"], found["box"]) == (None, None, WHOLE)
    best = found["matches"][0]
    assert (best["product"]["id"], best["match_type"]) == (shop.products["triangle"], "exact")
    assert best["score"] == pytest.approx(1, abs=1e-3)
    assert [match["product"]["external_id"] for match in found["matches"]][-1] == "checks"  # it is out of stock
    scores = [match["score"] for match in found["matches"][:-1]]
    assert scores == sorted(scores, reverse=True)
    assert all(match["offers"] == [] for match in found["matches"])
    assert answer["query_id"].startswith("qry_")


def test_the_product_in_an_answer_has_the_contracts_fields(find: Callable[..., list[dict[str, Any]]]) -> None:
    assert list(find("disc")[0]["product"]) == [
        "id", "external_id", "catalog_id", "title", "brand", "category", "price_micros", "sale_price_micros",
        "currency", "url", "image_url", "availability", "audience", "attributes", "seen",
    ]  # fmt: skip


def test_what_looks_otherwise_is_similar_at_most(find: Callable[..., list[dict[str, Any]]]) -> None:
    assert [match["match_type"] for match in find("disc")] == ["exact", "similar", "similar", "similar"]
    assert {match["match_type"] for match in find("cross")} == {"similar"}


def test_a_tenant_finds_its_own_and_listed_products_and_no_others(client: TestClient, shop: Shop) -> None:
    def seen(auth: dict[str, str]) -> set[str]:
        return names(post(client, auth, drawing("rings"), detect="false").json()["objects"][0]["matches"])

    assert seen(shop.mine.auth) == {"disc", "stripes", "checks", "triangle"}
    assert seen(shop.other.auth) == {"checks", "triangle", "rings"}


FILTERS: list[tuple[dict[str, Any], set[str]]] = [
    ({"catalog_ids": "ctg_own"}, {"disc", "stripes"}),
    ({"catalog_ids": ["ctg_own", "ctg_listed"]}, {"disc", "stripes", "checks", "triangle"}),
    ({"brand": "bolt"}, {"stripes", "triangle"}),
    ({"brand": ["bolt", "ACME"]}, {"disc", "stripes", "checks", "triangle"}),
    ({"category": "shoes"}, {"disc", "triangle"}),
    ({"category": "Shoes > Boots"}, {"disc"}),
    ({"category": ["Tops", "Bags"]}, {"stripes", "checks"}),
    ({"price_min_micros": 50_000_000}, {"disc"}),
    ({"price_max_micros": 9_000_000}, {"stripes"}),  # its sale price; it costs 10 otherwise
    ({"price_min_micros": 10_000_000, "price_max_micros": 10_000_000, "currency": "EUR"}, {"checks"}),
    ({"currency": "usd"}, {"triangle"}),
    ({"in_stock": "true"}, {"disc", "stripes", "triangle"}),
    ({"in_stock": "false"}, {"checks"}),
    ({"audience": "women"}, {"disc"}),
    ({"brand": "acme", "category": "bags", "in_stock": "true"}, set()),
]


def test_filters_hold(find: Callable[..., list[dict[str, Any]]]) -> None:
    assert [names(find("cross", **query)) for query, _ in FILTERS] == [expected for _, expected in FILTERS]


def test_the_limit_cuts_the_matches(find: Callable[..., list[dict[str, Any]]]) -> None:
    assert len(find(limit=2)) == 2


def test_a_box_is_searched_for_alone(client: TestClient, shop: Shop) -> None:
    scene = Image.new("RGB", (720, 480), "gray")
    scene.paste(Image.open(io.BytesIO(drawing("triangle"))), (480, 0))
    scene.paste(Image.open(io.BytesIO(drawing("stripes"))), (0, 240))
    for name, box in (("triangle", "0.6667,0,0.3333,0.5"), ("stripes", "0,0.5,0.3333,0.5")):
        answer = post(client, shop.mine.auth, encoded(scene, "PNG"), box=box)
        [found] = answer.json()["objects"]
        assert (found["label"], found["score"]) == (None, None)
        assert [found["box"][side] for side in "xywh"] == pytest.approx([float(part) for part in box.split(",")])
        assert found["matches"][0]["product"]["external_id"] == name


def test_objects_of_a_detected_picture_each_have_a_label_and_matches(
    client: TestClient, shop: Shop, shared_data: Path
) -> None:
    photo = sorted((shared_data / "streetstyle" / "images").glob("*.jpg"))[5].read_bytes()
    objects = post(client, shop.mine.auth, photo, min_score=0.001, limit=3).json()["objects"]
    detected = client.post(
        "/v1/detect", params={"min_score": 0.001}, files={"image": ("a.jpg", photo)}, headers=shop.mine.auth
    ).json()["detections"]
    parts = [(found["label"], found["box"]) for found in objects if found["label"]]
    assert sorted(parts, key=str) == sorted(((item["label"], item["box"]) for item in detected), key=str)
    # however few are asked for, and though what is out of stock stands last
    whole_lines = post(client, shop.mine.auth, photo, min_score=0.001).json()["objects"]
    assert [found["box"] for found in whole_lines] == [found["box"] for found in objects]
    nearest = [max(match["score"] for match in found["matches"]) for found in whole_lines if found["label"]]
    assert nearest == sorted(nearest, reverse=True)
    assert 1 <= len(parts) <= 20
    assert all(len(found["matches"]) == 3 for found in objects)


def test_a_picture_on_which_nothing_is_detected_is_searched_as_a_whole(client: TestClient, shop: Shop) -> None:
    [found] = post(client, shop.mine.auth, drawing("disc"), min_score=1).json()["objects"]
    assert (found["label"], found["box"]) == (None, WHOLE)
    assert found["matches"][0]["product"]["external_id"] == "disc"


WRONG_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"limit": 0}, "?limit"),
    ({"limit": 101}, "?limit"),
    ({"min_score": 0}, "?min_score"),
    ({"min_score": "nan"}, "?min_score"),
    ({"detect": "perhaps"}, "?detect"),
    ({"box": "0,0,1"}, "?box"),
    ({"box": "0,0,0,1"}, "?box"),
    ({"box": "0.5,0,0.6,1"}, "?box"),
    ({"box": "-0.1,0,0.5,1"}, "?box"),
    ({"box": "nan,0,0.5,1"}, "?box"),
    ({"price_min_micros": -1}, "?price_min_micros"),
    ({"price_min_micros": 2, "price_max_micros": 1}, "?price_max_micros"),
    ({"price_max_micros": "cheap"}, "?price_max_micros"),
    ({"currency": "euro"}, "?currency"),
    ({"in_stock": "maybe"}, "?in_stock"),
    ({"brand": ""}, "?brand.0"),
    ({"brand": ["b"] * 51}, "?brand"),
    ({"colour": "blurple"}, "?colour.0"),
    ({"pattern": "wavy"}, "?pattern.0"),
    ({"shade": "red"}, "?shade"),
    ({"catalog_ids": "ctg_nowhere"}, "?catalog_ids"),
    ({"catalog_ids": "ctg_hidden"}, "?catalog_ids"),
]


def test_a_wrong_option_is_named(client: TestClient, shop: Shop) -> None:
    for query, pointer in WRONG_OPTIONS:
        answer = post(client, shop.mine.auth, drawing("disc"), **query)
        assert answer.status_code == 422, query
        assert answer.headers["content-type"] == "application/problem+json"
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_bad_pictures_are_refused_like_those_of_detect(client: TestClient, shop: Shop) -> None:
    answer = post(client, shop.mine.auth, encoded(noise(), "JPEG")[:5000])
    assert (answer.status_code, answer.json()["code"]) == (422, "picture_truncated")
    assert answer.json()["errors"][0]["pointer"] == "#/image"


def test_a_search_is_metered_once_and_a_refused_one_is_not(client: TestClient, shop: Shop, ports: Ports) -> None:
    good = post(client, shop.mine.auth, drawing("disc"), detect="false").json()
    post(client, shop.mine.auth, b"")
    post(client, shop.mine.auth, drawing("disc"), limit=0)
    client.get("/v1/products/prd_disc/similar", headers=shop.mine.auth)
    usage = [(record.tenant_id, record.kind, record.quantity) for record in metered(ports)]
    assert usage == [(shop.mine.tenant_id, "search", 1), (shop.mine.tenant_id, "similar", 1)]
    assert metered(ports)[0].query_id == good["query_id"]


def metered(ports: Ports) -> list[UsageRecord]:
    ports.event_log.append([]).result(60)  # the spool makes records durable behind the answer, in their order
    records = [decode(record.payload) for record in ports.event_log.read(0, 100).records]
    return [record for record in records if isinstance(record, UsageRecord)]


def test_a_warm_search_asks_the_database_nothing(
    client: TestClient, shop: Shop, ports: Ports, ageless_memory: None
) -> None:
    for _ in range(2):
        with statements_of(ports) as statements:
            assert post(client, shop.mine.auth, drawing("disc")).status_code == 200
    assert statements == []


@pytest.mark.parametrize("call", ["similar", "complements"])
def test_who_may_ask(client: TestClient, shop: Shop, account: AccountMaker, call: str) -> None:
    path = f"/v1/products/prd_disc/{call}"
    assert client.get(path).status_code == 401
    assert client.get(path, headers=account("brand", scopes=[Scope.detect]).auth).status_code == 403
    # another tenant's unlisted product and one that never was look the same
    for foreign in (path, f"/v1/products/prd_never/{call}"):
        answer = client.get(foreign, headers=shop.other.auth)
        assert (answer.status_code, answer.json()["code"]) == (404, "product_not_found")
    wrong = client.get(path, params={"limit": 0}, headers=shop.mine.auth)
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "?limit")
    unknown = client.get(path, params={"box": "0,0,1,1"}, headers=shop.mine.auth)
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "?box")


def test_search_needs_a_key_with_the_scope(client: TestClient, account: AccountMaker) -> None:
    assert client.post("/v1/search", files={"image": b"x"}).status_code == 401
    assert post(client, account("brand", scopes=[Scope.detect]).auth, drawing("disc")).status_code == 403


def test_similar_products_leave_the_product_itself_out(client: TestClient, shop: Shop) -> None:
    matches = client.get("/v1/products/prd_disc/similar", headers=shop.mine.auth).json()["matches"]
    assert names(matches) == {"stripes", "checks", "triangle"}
    narrowed = client.get("/v1/products/prd_disc/similar", params={"catalog_ids": "ctg_listed", "brand": "Bolt"},
                          headers=shop.mine.auth)  # fmt: skip
    assert names(narrowed.json()["matches"]) == {"triangle"}


def test_complements_go_with_the_product_instead_of_replacing_it(client: TestClient, shop: Shop) -> None:
    """Boots: a top and a bag of what one may see; no other shoe, and not the hidden bag."""
    matches = client.get("/v1/products/prd_disc/complements", headers=shop.mine.auth).json()["matches"]
    assert names(matches) == {"stripes", "checks"}
    assert {match["match_type"] for match in matches} == {"complement"}
    bags = client.get("/v1/products/prd_disc/complements", params={"category": "bags"}, headers=shop.mine.auth)
    assert names(bags.json()["matches"]) == {"checks"}


def test_warm_complements_ask_the_database_nothing_and_learn_of_new_categories(
    client: TestClient, shop: Shop, ports: Ports, add_product: Callable[..., str], ageless_memory: None
) -> None:
    def complements() -> set[str]:
        answer = client.get("/v1/products/prd_disc/complements", headers=shop.mine.auth)
        return names(answer.json()["matches"])

    assert complements() == complements() == {"stripes", "checks"}
    with statements_of(ports) as statements:
        assert complements() == {"stripes", "checks"}
    assert statements == []
    add_product(shop.mine.tenant_id, "ctg_own", "cross", drawing("cross"), category="Eyewear")
    rebuild_index(ports.database, ports.index, ports.eyes.embedder_version, ports.eyes.dim)
    ports.catalogs.forget()  # a minute passes
    assert complements() == {"stripes", "checks", "cross"}


@contextmanager
def statements_of(ports: Ports) -> Iterator[list[str]]:
    """What the database is asked while the block runs."""
    asked: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    event.listen(ports.database.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(ports.database.engine, "before_cursor_execute", note)


def test_the_best_of_each_part_of_an_outfit_comes_before_a_second_one(
    client: TestClient, shop: Shop, ports: Ports, add_product: Callable[..., str]
) -> None:
    for name, category in (("disc", "Bags"), ("cross", "Bags"), ("rings", "Tops")):
        add_product(shop.mine.tenant_id, "ctg_own", f"{name}-{category}", drawing(name), category=category)
    rebuild_index(ports.database, ports.index, ports.eyes.embedder_version, ports.eyes.dim)
    answer = client.get("/v1/products/prd_disc/complements", params={"limit": 2}, headers=shop.mine.auth)
    categories = [match["product"]["category"] for match in answer.json()["matches"]]
    assert sorted(categories) == ["Bags", "Tops"]


def test_a_product_without_a_vector_says_so(client: TestClient, shop: Shop, ports: Ports) -> None:
    ports.index.remove("ctg_own", ["prd_disc"])
    answer = client.get("/v1/products/prd_disc/similar", headers=shop.mine.auth)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_indexed")


def test_products_gone_from_the_catalog_are_not_shown_though_the_index_still_has_them(
    client: TestClient, shop: Shop, ports: Ports
) -> None:
    with ports.database.write() as session:
        row = session.get(Product, "prd_disc")
        assert row is not None
        row.deleted_at = ports.clock.now()
    ports.catalogs.forget()
    found = post(client, shop.mine.auth, drawing("disc"), detect="false").json()["objects"][0]["matches"]
    assert names(found) == {"stripes", "checks", "triangle"}


def test_a_rebuild_leaves_out_vectors_of_another_embedder_and_damaged_ones(ports: Ports, shop: Shop) -> None:
    with ports.database.write() as session:
        old, short = session.get(ProductVector, "prd_disc"), session.get(ProductVector, "prd_stripes")
        assert old is not None
        assert short is not None
        old.embedder_version, short.vector = "another", short.vector[:-4]
    ports.index.drop_catalog("ctg_own")
    rebuilt = rebuild_index(ports.database, ports.index, ports.eyes.embedder_version, ports.eyes.dim)
    assert (rebuilt.products, rebuilt.unusable) == (3, 1)
    assert ports.index.count("ctg_own") == 0
