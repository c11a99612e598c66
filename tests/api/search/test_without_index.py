"""What still works while the product index is away, what says so, and what goes on by itself when it is back."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.catalog import imports
from api.kit.clock import FixedClock
from api.media.models import MediaState
from api.ports import Ports
from api.search.index import IndexFilter
from api.settings import FetchSettings, Settings
from tests.api.catalog.shop import Brand, feed, open_shop
from tests.api.catalog.shop import Shop as Feeds
from tests.api.media.world import Web, World, open_web, open_world, street_photo
from tests.api.search.away import TIMEOUT_S, BlackHole, closed_port, index_at
from tests.api.search.conftest import Shop, drawing
from workers import search as search_tasks

# three callers of whom each waits by itself: connecting, and one call. If one waits for all, a busy machine has time
PATIENCE_S = 3 * (2.0 + TIMEOUT_S)


@pytest.fixture(params=["closed port", "black hole"])
def away(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of an index that is away."""
    if request.param == "closed port":
        yield closed_port()
        return
    hole = BlackHole()
    yield hole.port
    hole.close()


@pytest.fixture
def web() -> Iterator[Web]:
    with open_web() as opened:
        yield opened


@pytest.fixture
def feeds() -> Iterator[Feeds]:
    yield from open_shop()


@pytest.fixture
def settings(settings: Settings, web: Web, feeds: Feeds) -> Settings:
    allowed = FetchSettings(allow=f"{web.host},{feeds.host}")
    return settings.model_copy(update={"fetch": allowed})


@pytest.fixture
def world(client: TestClient, ports: Ports, queue, web: Web, account) -> World:
    return open_world(client, ports, queue, web, account)


@pytest.fixture
def brand(client: TestClient, ports: Ports, queue, account) -> Brand:
    return Brand(client, ports, account("brand").auth, queue).with_catalog()


def test_searches_say_that_they_cannot_be_answered_now(client: TestClient, shop: Shop, ports: Ports, away: int) -> None:
    def ask() -> list[Any]:
        files = {"image": ("a.png", drawing("disc"))}
        return [
            client.post("/v1/search", params={"detect": "false"}, files=files, headers=shop.mine.auth),
            client.get("/v1/products/prd_disc/similar", headers=shop.mine.auth),
            client.get("/v1/products/prd_disc/complements", headers=shop.mine.auth),
        ]

    with index_at(ports, away):
        started = time.monotonic()
        for answer in ask():
            assert (answer.status_code, answer.json()["code"]) == (503, "index_unavailable"), answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["Retry-After"]) >= 1
            assert "127.0.0.1" not in answer.text  # where our servers are is nobody's business
        assert time.monotonic() - started < PATIENCE_S
    assert [answer.status_code for answer in ask()] == [200, 200, 200]


def test_what_is_wrong_with_a_request_is_told_all_the_same(
    client: TestClient, shop: Shop, ports: Ports, away: int
) -> None:
    with index_at(ports, away):
        answer = client.get("/v1/products/prd_disc/similar", params={"limit": 0}, headers=shop.mine.auth)
        assert answer.status_code == 422
        assert client.get("/v1/products/prd_never/similar", headers=shop.mine.auth).status_code == 404


def test_a_search_that_could_not_be_answered_is_not_metered(
    client: TestClient, shop: Shop, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    metered: list[Any] = []
    monkeypatch.setattr(ports.meter, "record", lambda *args, **more: metered.append((args, more)))
    with index_at(ports, closed_port()):
        client.get("/v1/products/prd_disc/similar", headers=shop.mine.auth)
    assert metered == []
    client.get("/v1/products/prd_disc/similar", headers=shop.mine.auth)
    assert len(metered) == 1


def test_tags_go_on(world: World, ports: Ports, away: int) -> None:
    catalog = world.catalog()
    product = world.product(catalog, world.vector_of(drawing("disc")))
    url, _ = world.ready("/known.png", (product, 0.9))
    with index_at(ports, away):
        for _ in range(2):  # from the rows, then from memory
            [known] = world.media(url)
            assert (known["status"], len(known["tags"])) == ("ready", 1)
            world.forget()
        [unknown] = world.media(world.url("/new.png"))
        assert unknown["status"] == "pending"


def test_a_new_picture_waits_and_is_looked_at_when_the_index_is_back(
    world: World, ports: Ports, clock: FixedClock, shared_data: Path, away: int
) -> None:
    photo = street_photo(shared_data, 5)
    picture = ports.eyes.decode(photo)
    [garment] = ports.eyes.detect(picture, 0.3, 1)
    world.product(world.catalog(), ports.eyes.embed(picture, [garment.box])[0])
    url = world.put("/photo.jpg", photo)
    with index_at(ports, away):
        world.media(url)
        world.work()
        for _ in range(5):  # more often than a picture that is at fault is tried
            clock.advance(timedelta(minutes=10))
            world.queue.send("media.sweep")
            world.work()
        row = world.row(url)
        assert (row.state, row.attempts, world.web.asked) == (MediaState.pending, 0, [])
    world.queue.send("media.sweep")
    world.work()
    assert world.row(url).state is MediaState.ready


def test_an_index_that_leaves_while_a_picture_is_looked_at_costs_it_no_attempt(
    world: World, ports: Ports, clock: FixedClock, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = world.put("/photo.jpg", street_photo(shared_data, 5))
    world.catalog()
    with index_at(ports, closed_port()) as index:
        monkeypatch.setattr(index, "check", lambda: None)  # it was there when the work began
        world.media(url)
        world.work()
    row = world.row(url)
    assert (row.state, row.attempts) == (MediaState.pending, 0)
    assert row.error is not None
    assert "index" in row.error
    clock.advance(timedelta(minutes=1))
    world.queue.send("media.sweep")
    world.work()
    row = world.row(url)
    assert (row.state in {MediaState.ready, MediaState.none}, row.error) == (True, None)


def test_an_import_waits_and_goes_on(brand: Brand, feeds: Feeds, ports: Ports, away: int) -> None:
    with index_at(ports, away):
        job = brand.post(feed(*(feeds.row(n) for n in range(3))))
        brand.work()
        for _ in range(7):  # more often than an import that breaks off is tried
            imports.sweep(ports)
            brand.work()
        assert brand.read(f"/v1/imports/{job['id']}")["state"] in {"queued", "running"}
        assert feeds.asked == []  # nobody's pictures are fetched for nothing
    imports.sweep(ports)
    brand.work()
    done = brand.read(f"/v1/imports/{job['id']}")
    assert (done["state"], done["counts"]["indexed"], done["errors"]) == ("done", 3, [])
    assert ports.index.count(brand.catalog_id) == 3


def test_an_import_whose_index_leaves_half_way_keeps_its_rows_and_goes_on(
    brand: Brand, feeds: Feeds, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    with index_at(ports, closed_port()) as index:
        monkeypatch.setattr(index, "check", lambda: None)  # it was there when the work began
        job = brand.post(feed(*(feeds.row(n) for n in range(3))))
        for _ in range(7):
            brand.work()
            imports.sweep(ports)
        told = brand.read(f"/v1/imports/{job['id']}")
        assert (told["state"], told["counts"]["created"], told["counts"]["indexed"]) == ("queued", 3, 0)
        assert {row["index"]["state"] for row in brand.products().values()} == {"pending"}
    brand.queue.sent.clear()
    imports.sweep(ports)
    brand.work()
    done = brand.read(f"/v1/imports/{job['id']}")
    assert (done["state"], done["counts"]["indexed"], done["errors"]) == ("done", 3, [])


def test_removing_does_not_wait_for_the_index_and_what_is_removed_never_comes_back(
    brand: Brand, feeds: Feeds, ports: Ports, away: int
) -> None:
    brand.imported(feed(*(feeds.row(n) for n in range(3))))
    gone = brand.products()["p1"]["id"]
    vector = ports.index.vector(brand.catalog_id, gone)
    with index_at(ports, away):
        assert brand.client.delete(f"/v1/products/{gone}", headers=brand.auth).status_code == 204
        assert brand.client.get(f"/v1/products/{gone}", headers=brand.auth).status_code == 404
    where = frozenset({brand.catalog_id})
    assert vector is not None
    assert gone in {hit.product_id for hit in ports.index.search(vector[None], 9, IndexFilter(where))[0]}
    [found] = ports.finder.match(vector[None], catalog_ids=where, k=9)
    assert {match.product.external_id for match in found} == {"p0", "p2"}
    search_tasks.compare(ports)
    assert (ports.index.count(brand.catalog_id), ports.index.vector(brand.catalog_id, gone)) == (2, None)


def test_a_catalog_is_deleted_without_the_index_and_cleared_away_with_it(
    brand: Brand, feeds: Feeds, ports: Ports, away: int
) -> None:
    brand.imported(feed(feeds.row(1)))
    with index_at(ports, away):
        answer = brand.client.delete(f"/v1/catalogs/{brand.catalog_id}", headers=brand.auth)
        assert answer.status_code == 204
        brand.work()
    imports.sweep(ports)
    brand.work()
    assert ports.index.count(brand.catalog_id) == 0


def test_putting_the_same_product_again_keeps_it_searchable(brand: Brand, feeds: Feeds, ports: Ports) -> None:
    brand.imported(feed(feeds.row(1)))
    product = brand.products()["p1"]
    same = ("title", "description", "url", "image_url", "price_micros", "currency", "availability")
    body = {name: product[name] for name in same}
    answer = brand.client.put(f"/v1/products/{product['id']}", json=body, headers=brand.auth)
    assert (answer.status_code, answer.json()["index"]["state"]) == (200, "indexed"), answer.text
    assert ports.index.count(brand.catalog_id) == 1
