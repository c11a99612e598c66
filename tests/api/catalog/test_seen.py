"""What is seen on products' pictures: stored at indexing, in every answer from memory, in the index, and measured anew
where it is missing or old."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import event, update
from sqlmodel import Session

from api.catalog import imports
from api.catalog.models import Product, ProductVector
from api.catalog.schemas import Seen
from api.search.rebuild import index_row
from tests.api.catalog.shop import Brand, Shop, feed
from workers.training.drawn_garments import Drawing, drawn

RED, WHITE, NAVY = (200, 25, 30), (250, 250, 250), (22, 30, 66)


def garment(pattern: str = "plain", first: tuple[int, int, int] = RED) -> bytes:
    out = io.BytesIO()
    what = Drawing(pattern, first, WHITE, ground=(228, 228, 228), period=32, share=0.4)
    Image.fromarray(drawn(what)).save(out, "png")
    return out.getvalue()


def offered(brand: Brand, shop: Shop) -> dict[str, Any]:
    """A red garment and a striped one, imported; by the brand's id."""
    shop.files |= {"/1.jpg": garment(), "/2.jpg": garment("striped", NAVY)}
    assert brand.imported(feed(shop.row(1), shop.row(2)))["counts"]["indexed"] == 2
    return brand.products()


def test_a_product_tells_what_it_looks_like(brand: Brand, shop: Shop) -> None:
    red, striped = (offered(brand, shop)[name] for name in ("p1", "p2"))
    assert red["seen"]["colours"][0]["name"] == "red"
    assert (red["seen"]["pattern"], striped["seen"]["pattern"]) == ("plain", "striped")
    assert {colour["name"] for colour in striped["seen"]["colours"]} == {"navy", "white"}
    assert set(red["seen"]) == {"colours", "pattern", "sharpness"}
    assert set(red["seen"]["colours"][0]) == {"name", "share"}
    assert brand.read(f"/v1/products/{red['id']}")["seen"] == red["seen"]


def test_memory_tells_it_without_sql(brand: Brand, shop: Shop) -> None:
    product_id = offered(brand, shop)["p2"]["id"]
    catalogs = brand.ports.catalogs
    catalogs.products_by_ids([product_id])
    statements: list[str] = []
    event.listen(brand.ports.database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    found = catalogs.peek_products([product_id])
    assert found is not None
    seen = found[product_id].seen
    assert isinstance(seen, Seen)
    assert seen.pattern == "striped"
    assert statements == []


def test_an_answer_sent_back_is_a_request(brand: Brand, shop: Shop) -> None:
    product = offered(brand, shop)["p1"]
    answer = brand.client.put(f"/v1/products/{product['id']}", json=product | {"title": "Renamed"}, headers=brand.auth)
    assert answer.status_code == 200, answer.text
    assert answer.json()["seen"] == product["seen"]
    brand.work()
    after = brand.products()["p1"]
    assert (after["title"], after["seen"], after["index"]["state"]) == ("Renamed", product["seen"], "indexed")


def test_another_picture_has_other_looks_and_a_broken_one_none(brand: Brand, shop: Shop) -> None:
    offered(brand, shop)
    shop.files["/3.png"] = garment("plain", NAVY)
    brand.imported(feed(shop.row(1, image_link=f"{shop.url}/3.png"), shop.row(2, image_link=f"{shop.url}/none.png")))
    after = brand.products()
    assert after["p1"]["seen"]["colours"][0]["name"] == "navy"
    assert (after["p2"]["index"]["state"], after["p2"]["seen"]) == ("failed", None)


@pytest.mark.parametrize("older", [None, {"version": 0, "colours": [], "pattern": "plain", "sharpness": 0.5}])
def test_looks_that_are_missing_or_old_are_measured_anew(
    brand: Brand, shop: Shop, older: dict[str, Any] | None
) -> None:
    before = offered(brand, shop)
    asked = len(shop.asked)
    with brand.ports.database.write() as session:
        session.exec(update(ProductVector).values(seen=older))
    assert imports.look_again(brand.ports) == 2
    assert imports.look_again(brand.ports) == 0
    brand.ports.catalogs.forget()
    assert brand.products()["p1"]["index"]["state"] == "pending"
    imports.sweep(brand.ports)
    brand.work()
    assert {name: row["seen"] for name, row in brand.products().items()} == {
        name: row["seen"] for name, row in before.items()
    }
    assert len(shop.asked) == asked  # from the pictures that were kept


def test_the_index_knows_colours_and_pattern(brand: Brand, shop: Shop) -> None:
    product_id = offered(brand, shop)["p2"]["id"]
    with Session(brand.ports.database.engine) as session:
        product, stored = session.get(Product, product_id), session.get(ProductVector, product_id)
    assert product
    assert stored
    vector = np.frombuffer(stored.vector, "<f4")
    row = index_row(product, vector, stored.seen)
    assert (set(row.colours), row.pattern) == ({"navy", "white"}, "striped")
    faint = {"version": 1, "colours": [{"name": "red", "share": 0.14}], "pattern": "unknown", "sharpness": 0.1}
    assert index_row(product, vector, faint).colours == ()
    assert (index_row(product, vector, None).colours, index_row(product, vector, None).pattern) == ((), None)


def test_what_was_seen_finds_a_product(brand: Brand, shop: Shop) -> None:
    offered(brand, shop)

    def found(**where: str) -> set[str]:
        files = {"image": ("a.png", garment())}
        answer = brand.client.post("/v1/search", params={"detect": "false", **where}, files=files, headers=brand.auth)
        assert answer.status_code == 200, answer.text
        [item] = answer.json()["objects"]
        assert item["attributes"]["colours"][0]["name"] == "red"
        return {match["product"]["external_id"] for match in item["matches"]}

    assert found(colour="red") == {"p1"}
    assert found(colour="navy") == {"p2"}
    assert found(pattern="striped") == {"p2"}
    assert found(colour="green") == set()
