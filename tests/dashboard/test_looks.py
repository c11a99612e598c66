"""What a product and an object look like, shown with words beside the swatches."""

import io
import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from api.catalog.models import Product, ProductVector
from api.ports import Ports
from api.vision.colours import NAMES
from tests.dashboard.conftest import PAGE, Person
from workers.training.drawn_garments import Drawing, drawn

CSS = Path(__file__).resolve().parents[2] / "dashboard" / "static" / "dashboard.css"


def test_a_catalogs_page_names_the_colours_of_a_product(ports: Ports, person: Callable[..., Person]) -> None:
    one = person("brand")
    path = one.post("/brand/catalogs", {"name": "Shop"}, follow_redirects=False).headers["location"]
    catalog_id, now = path.rpartition("/")[2], ports.clock.now()
    texts = dict.fromkeys(("description", "brand", "category", "url", "image_link", "mpn", "row_hash"), "")
    rest = {"price_micros": 1, "currency": "EUR", "availability": "in_stock", "audience": "unknown"}
    rest |= {"index_state": "indexed", "created_at": now, "updated_at": now}
    seen = {
        "version": 1,
        "colours": [{"name": "navy", "share": 0.8}, {"name": "white", "share": 0.196}],
        "pattern": "striped",
        "sharpness": 0.5,
    }
    with ports.database.write() as session:
        tenant_id = ports.catalogs.owner_of(catalog_id) or ""
        owned = {"tenant_id": tenant_id, "catalog_id": catalog_id}
        for name, looks in (("a", seen), ("b", None)):
            session.add(Product(id=f"prd_{name}", external_id=name, title=name, **rest, **owned, **texts))
            session.flush()
            session.add(ProductVector(product_id=f"prd_{name}", embedder_version="v", vector=b"", seen=looks, **owned))
    page = one.get(path)
    assert page.count('class="looks"') == 1
    [looks] = re.findall(r'<ul class="looks".*?</ul>', page)
    words = re.sub(r"<[^>]+>", " ", looks).split()
    assert words == ["navy", "80", "%", "white", "20", "%", "striped"]


def test_the_search_box_tells_what_an_object_looks_like(person: Callable[..., Person]) -> None:
    out = io.BytesIO()
    Image.fromarray(drawn(Drawing("plain", (200, 25, 30)))).save(out, "png")
    one = person("developer")
    form, files = {"csrf": one.csrf(), "whole": "true"}, {"image": ("a.png", out.getvalue())}
    answer = one.client.post("/developer/search", data=form, files=files, headers={**PAGE, "HX-Request": "true"})
    assert answer.status_code == 200, answer.text
    words = re.sub(r"<[^>]+>", " ", answer.text)
    assert re.search(r"red\s+(9\d|100) %", words)
    assert "plain" in words
    assert "% of the picture" in words


def test_every_colour_has_its_swatch() -> None:
    style = CSS.read_text()
    assert [name for name in NAMES if f".of-{name} " not in style] == []
