"""`GET /i/{product}/{width}`: only public pictures, safely made, cheap to ask for again."""

import io
import time

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import event

from api.catalog.models import Catalog
from api.catalog.service import product_picture
from api.errors import NotFound
from api.ports import Ports
from tests.api.catalog.shop import Brand, Shop, feed, picture


@pytest.fixture
def public(client: TestClient, ports: Ports, account, queue, shop: Shop) -> Brand:
    """A listed catalog with one product whose picture is 1200 px wide."""
    owner = Brand(client, ports, account("brand", approved=True).auth, queue).with_catalog(listed=True)
    shop.files["/1.jpg"] = picture(1, (1200, 900))
    owner.imported(feed(shop.row(1)))
    return owner


def path_of(brand: Brand, width: int | str) -> str:
    return f"/i/{brand.products()['p1']['id']}/{width}"


def test_widths_are_those_we_make(public: Brand, client: TestClient) -> None:
    for asked, served in ((1, 80), (100, 160), (640, 640), (9999, 960)):
        answer = client.get(path_of(public, asked))
        assert answer.status_code == 200
        image = Image.open(io.BytesIO(answer.content))
        assert image.size == (served, served * 3 // 4)
        assert answer.headers["content-type"] == f"image/{image.format.lower()}"
        assert answer.headers["cache-control"].startswith("public, max-age=86400")


def test_webp_for_whoever_takes_it(public: Brand, client: TestClient) -> None:
    answer = client.get(path_of(public, 320), headers={"Accept": "image/avif,image/webp,*/*"})
    assert Image.open(io.BytesIO(answer.content)).format == "WEBP"
    assert answer.headers["vary"] == "Accept"


def test_asking_again_is_cheap(public: Brand, client: TestClient, ports: Ports, ageless_memory: None) -> None:
    path = path_of(public, 320)
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.head(path).headers["content-length"] == str(len(first.content))
    statements: list[str] = []
    event.listen(ports.database.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    for _ in range(5):
        client.get(path)
    assert statements == []


def test_a_width_that_is_none_is_refused(public: Brand, client: TestClient) -> None:
    for width in ("0", "-1", "abc", "99999999999"):
        answer = client.get(path_of(public, width))
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "path:width")


def test_unlisted_pictures_are_their_owners_alone(public: Brand, client: TestClient, ports: Ports, account) -> None:
    path = path_of(public, 320)
    product_id = path.split("/")[2]
    assert client.get(path).status_code == 200
    client.patch(f"/v1/catalogs/{public.catalog_id}", json={"listed": False}, headers=public.auth)
    assert client.get(path).status_code == 404
    owner = ports.pictures.view(product_id).tenant_id
    assert product_picture(ports, owner, product_id, 320).media_type == "image/jpeg"
    for stranger in (None, account("brand").tenant_id):
        with pytest.raises(NotFound):
            product_picture(ports, stranger, product_id, 320)


def test_what_has_no_picture_is_404(public: Brand, client: TestClient) -> None:
    for path in ("/i/prd_none/320", "/i/..%2f..%2fetc/320", f"/i/{'x' * 90}/320"):
        assert client.get(path).status_code == 404, path


def test_a_removed_product_shows_no_picture(public: Brand, client: TestClient) -> None:
    path = path_of(public, 160)
    assert client.get(path).status_code == 200
    client.delete(path.replace("/i/", "/v1/products/").rsplit("/", 1)[0], headers=public.auth)
    assert client.get(path).status_code == 404


def test_unlisting_by_another_process_is_seen_within_5_s(public: Brand, client: TestClient, ports: Ports) -> None:
    path = path_of(public, 160)
    assert client.get(path).status_code == 200
    with ports.database.write() as session:
        session.get(Catalog, public.catalog_id).listed = False
    changed_at = time.monotonic()
    while True:
        asked_after_s = time.monotonic() - changed_at
        if client.get(path).status_code == 404:
            break
        assert asked_after_s < 5, "who asks later than that must not see it"
        time.sleep(0.1)
