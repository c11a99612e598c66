"""Two brands with catalogs of pictures that are easily told apart, embedded and indexed as the worker does it."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from PIL import Image, ImageDraw

from api.catalog.models import Catalog, Product, ProductVector
from api.ports import Ports
from api.search.milvus import MilvusIndex
from api.search.rebuild import rebuild_index
from api.settings import IndexSettings
from tests.api.vision.pictures import encoded
from tests.conftest import Account, AccountMaker
from tests.services import url_of

MILVUS_DIM = 32

SHAPES = ("disc", "stripes", "checks", "triangle", "rings", "cross")
COLOURS = ("crimson", "darkgreen", "royalblue", "orange", "purple", "teal")


def drawing(name: str) -> bytes:
    """A PNG of one shape in its own colour on white."""
    number = SHAPES.index(name)
    picture = Image.new("RGB", (240, 240), "white")
    draw, colour = ImageDraw.Draw(picture), COLOURS[number]
    if name == "disc":
        draw.ellipse((40, 40, 200, 200), fill=colour)
    elif name == "stripes":
        for x in range(40, 200, 32):
            draw.rectangle((x, 40, x + 14, 200), fill=colour)
    elif name == "checks":
        for x in range(40, 200, 40):
            for y in range(40, 200, 40):
                draw.rectangle((x, y, x + 18, y + 18), fill=colour)
    elif name == "triangle":
        draw.polygon([(120, 30), (30, 200), (210, 200)], fill=colour)
    elif name == "rings":
        for r in range(20, 100, 20):
            draw.ellipse((120 - r, 120 - r, 120 + r, 120 + r), outline=colour, width=7)
    else:
        draw.rectangle((100, 30, 140, 210), fill=colour)
        draw.rectangle((30, 100, 210, 140), fill=colour)
    return encoded(picture, "PNG")


@dataclass
class Shop:
    """Brand `mine` has catalog `own` (unlisted); brand `other` has `listed` and `hidden`."""

    mine: Account
    other: Account
    catalogs: dict[str, str]
    products: dict[str, str]


@pytest.fixture
def add_product(ports: Ports) -> Callable[..., str]:
    """Writes a product with its vector, as the catalog's worker leaves it."""

    def add(tenant_id: str, catalog_id: str, name: str, picture: bytes, **columns: object) -> str:
        now = ports.clock.now()
        values: dict[str, object] = {
            "title": name,
            "description": "",
            "brand": "Acme",
            "category": "",
            "price_micros": 10_000_000,
            "currency": "EUR",
            "url": f"https://shop.example/{name}",
            "image_link": f"https://shop.example/{name}.png",
            "availability": "in_stock",
            "audience": "unknown",
            "mpn": "",
            "row_hash": "",
            "index_state": "indexed",
        }
        vector = ports.eyes.embed(ports.eyes.decode(picture))[0]
        product_id = f"prd_{name}"
        with ports.database.write() as session:
            owned = {"id": product_id, "tenant_id": tenant_id, "catalog_id": catalog_id, "external_id": name}
            session.add(Product(**owned, **values | columns, created_at=now, updated_at=now))  # type: ignore[arg-type]
            session.flush()
            session.add(
                ProductVector(
                    product_id=product_id,
                    tenant_id=tenant_id,
                    catalog_id=catalog_id,
                    embedder_version=ports.eyes.embedder_version,
                    vector=vector.astype("<f4").tobytes(),
                )
            )
        return product_id

    return add


@pytest.fixture
def shop(ports: Ports, account: AccountMaker, add_product: Callable[..., str]) -> Shop:
    mine, other = account("brand"), account("brand", approved=True)
    catalogs = {"own": "ctg_own", "listed": "ctg_listed", "hidden": "ctg_hidden"}
    now = ports.clock.now()
    with ports.database.write() as session:
        for name, owner, listed in (("own", mine, False), ("listed", other, True), ("hidden", other, False)):
            row = Catalog(id=catalogs[name], tenant_id=owner.tenant_id, name=name, listed=listed, created_at=now)
            session.add(row)
    kinds = {
        "disc": ("own", mine, {"category": "Shoes > Boots", "price_micros": 80_000_000, "audience": "women"}),
        "stripes": ("own", mine, {"category": "Tops", "sale_price_micros": 5_000_000, "brand": "Bolt"}),
        "checks": ("listed", other, {"category": "Bags", "availability": "out_of_stock"}),
        "triangle": ("listed", other, {"category": "Shoes", "currency": "USD", "brand": "Bolt"}),
        "rings": ("hidden", other, {"category": "Bags"}),
    }
    products = {
        name: add_product(owner.tenant_id, catalogs[catalog], name, drawing(name), **columns)
        for name, (catalog, owner, columns) in kinds.items()
    }
    rebuilt = rebuild_index(ports.database, ports.index, ports.eyes.embedder_version, ports.eyes.dim)
    assert (rebuilt.products, rebuilt.unusable) == (len(products), 0)
    return Shop(mine, other, catalogs, products)


@pytest.fixture(scope="session")
def milvus() -> Iterator[MilvusIndex]:
    """One collection for all tests that only put and remove: to make one takes three seconds."""
    index = MilvusIndex(milvus_settings(), MILVUS_DIM)
    index.clear()
    yield index
    index.destroy()
    index.close()


def milvus_settings(**more: object) -> IndexSettings:
    """A real server, and a name that nobody else uses."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    return IndexSettings(**{"milvus_url": url_of("milvus"), "collection": name, "timeout_s": 20} | more)
