"""`POST /v1/tags` as a page's script meets it."""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import event

from api.kit.clock import FixedClock
from api.media.models import Media, MediaState
from tests.api.media.world import ORIGIN, World, street_photo, unit

SCRIPT = {"Origin": ORIGIN}


def test_only_listed_origins_with_a_known_key_are_answered(world: World) -> None:
    assert world.tags("https://x.example/a.jpg", key="pk_unknown").status_code == 401
    assert world.tags("https://x.example/a.jpg", key=world.publisher.secret).status_code == 401
    for origin in ("https://evil.example", "http://magazine.example", None):
        answer = world.tags("https://x.example/a.jpg", origin=origin)
        assert answer.status_code == 403
        assert answer.json()["code"] == "origin_not_listed"
        assert answer.headers.get("access-control-allow-origin") in {None, "*"}  # readable, but nothing is granted
    answer = world.tags()
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["cache-control"] == "no-store"
    assert "origin" in answer.headers["vary"].lower()


def test_a_preflight_lets_json_through(world: World) -> None:
    answer = world.client.options("/v1/tags", headers={**SCRIPT, "Access-Control-Request-Method": "POST"})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "content-type" in answer.headers["access-control-allow-headers"].lower()


@pytest.mark.parametrize(
    ("media", "pointer"),
    [
        ([{"url": "javascript:alert(1)"}], "#/media/0/url"),
        ([{"url": "https://a.example/x"}, {"url": "data:image/png;base64,AA"}], "#/media/1/url"),
        ([{"url": "/relative.jpg"}], "#/media/0/url"),
        ([{"url": "https://user:pw@a.example/x.jpg"}], "#/media/0/url"),
        ([{"url": "https://a.example/" + "x" * 5000}], "#/media/0/url"),
        ([{"url": "https://a.example/x", "kind": "audio"}], "#/media/0/kind"),
        ([{"url": "https://a.example/x", "width": -1}], "#/media/0/width"),
        ([{"url": "https://a.example/x", "height": "tall"}], "#/media/0/height"),
        ([{"kind": "image"}], "#/media/0/url"),
        ([{"url": "https://a.example/x"}] * 51, "#/media"),
        ("all of them", "#/media"),
    ],
)
def test_what_is_wrong_is_named(world: World, media: object, pointer: str) -> None:
    answer = world.client.post("/v1/tags", json={"key": world.site["key"], "media": media}, headers=SCRIPT)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_bodies_that_cannot_be_read_are_refused(world: World) -> None:
    def post(content: bytes, kind: str = "text/plain") -> int:
        return world.client.post("/v1/tags", content=content, headers={**SCRIPT, "Content-Type": kind}).status_code

    assert post(b"") == 400
    assert post(b'{"key": "pk_1", "media": [') == 400
    assert post(b"\xff\xfe") == 400
    assert post(b"[" * 60_000) in {400, 422}
    assert post(b'{"key": 1, "media": []}') == 422
    assert post(b'{"media": []}') == 422
    assert post(b"{" + b" " * 70_000) == 413
    assert post(b"{}", "application/xml") == 415


def test_a_picture_of_another_host_is_blocked_and_never_fetched(world: World) -> None:
    other = "http://127.0.0.1:1/a.jpg"
    assert world.media("https://elsewhere.example/a.jpg", other) == [
        {"url": "https://elsewhere.example/a.jpg", "status": "blocked", "tags": []},
        {"url": other, "status": "blocked", "tags": []},
    ]
    assert world.queue.sent == []
    assert world.rows(Media) == []


def test_an_unknown_picture_is_asked_for_once_however_it_is_spelled(world: World) -> None:
    spellings = [world.url("/a.jpg"), world.url("/a.jpg#top"), world.url("/a.jpg").replace("http:", "HTTP:")]
    first, second = world.media(*spellings), world.media(*spellings)
    assert [item["status"] for item in first + second] == ["pending"] * 6
    assert [item["url"] for item in first] == spellings
    (row,) = world.rows(Media)
    assert world.queue.sent == [("media.analyse", {"media_id": row.id})]


def test_srcset_variants_are_media_of_their_own(world: World) -> None:
    world.media(world.url("/a.jpg?w=400"), world.url("/a.jpg?w=800"))
    assert len(world.rows(Media)) == 2


def test_a_site_has_a_budget_of_new_media_a_day(world: World, clock: FixedClock) -> None:
    world.ports.tags.forget()
    world.ports.tags._memory._daily_budget = 3
    statuses = [item["status"] for item in world.media(*(world.url(f"/{n}.jpg") for n in range(5)))]
    assert sorted(statuses) == ["none", "none", "pending", "pending", "pending"]
    assert len(world.rows(Media)) == 3
    assert world.media(world.url("/9.jpg"))[0]["status"] == "none"
    clock.advance(timedelta(days=1))
    assert world.media(world.url("/9.jpg"))[0]["status"] == "pending"


def test_a_tag_carries_flat_products_and_sealed_tokens(world: World, clock: FixedClock) -> None:
    catalog, dim = world.catalog(), world.ports.eyes.dim
    best = world.product(catalog, unit(1, dim=dim), title="Tote")
    second = world.product(catalog, unit(1, 0.1, dim=dim))
    url, tag_id = world.ready("/a.jpg", (best, 0.8), (second, 0.6))
    (item,) = world.media(url)
    assert item["status"] == "ready"
    (tag,) = item["tags"]
    assert (tag["id"], tag["label"], tag["sponsored"]) == (tag_id, "bag", False)
    assert tag["box"] == {"x": 0.1, "y": 0.2, "w": 0.3, "h": 0.4}
    assert [p["id"] for p in tag["products"]] == [best.id, second.id]
    assert tag["products"][0] | {"title": "Tote", "score": 0.8, "match_type": "similar"} == tag["products"][0]
    assert tag["products"][0]["image_url"].endswith(f"/i/{best.id}/640")
    assert "token" not in tag["products"][0]
    claims = world.ports.sealer.open(tag["token"], clock.now())
    assert (claims.tag_id, claims.product_id, claims.brand_id) == (tag_id, best.id, catalog.tenant_id)
    assert (claims.publisher_id, claims.site_id) == (world.publisher.tenant_id, world.site["id"])
    assert (claims.campaign_id, claims.price_micros, claims.price_kind) == (None, 0, None)
    further = world.ports.sealer.open(tag["products"][1]["token"], clock.now())
    assert (further.product_id, further.nonce) == (second.id, claims.nonce)


def test_each_answer_is_a_view_of_its_own(world: World, clock: FixedClock) -> None:
    product = world.product(world.catalog(), unit(1, dim=world.ports.eyes.dim))
    urls = [world.ready(path, (product, 0.8))[0] for path in ("/a.jpg", "/b.jpg")]
    nonces = []
    for _ in range(2):
        answer = world.media(*urls)
        seen = {world.ports.sealer.open(item["tags"][0]["token"], clock.now()).nonce for item in answer}
        assert len(seen) == 1
        nonces += seen
    assert len(set(nonces)) == 2


def test_a_warm_answer_issues_no_sql(world: World, ageless_memory: None) -> None:
    product = world.product(world.catalog(), unit(1, dim=world.ports.eyes.dim))
    url, _ = world.ready("/a.jpg", (product, 0.8))
    world.media(url)
    statements: list[str] = []
    event.listen(world.ports.database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    for _ in range(20):
        assert world.media(url)[0]["status"] == "ready"
    assert statements == []


def test_unlisted_removed_and_sold_out_products_leave_the_tags(world: World) -> None:
    dim = world.ports.eyes.dim
    catalog = world.catalog()
    kept, removed = world.product(catalog, unit(1, dim=dim)), world.product(catalog, unit(1, dim=dim))
    sold_out = world.product(catalog, unit(1, dim=dim), availability="out_of_stock")
    unlisted = world.product(world.catalog(listed=False), unit(1, dim=dim))
    unapproved = world.product(world.catalog(approved=False), unit(1, dim=dim))
    url, _ = world.ready("/a.jpg", (unlisted, 0.9), (unapproved, 0.9), (sold_out, 0.9), (removed, 0.8), (kept, 0.7))

    def shown() -> list[str]:
        return [product["id"] for tag in world.media(url)[0]["tags"] for product in tag["products"]]

    assert shown() == [removed.id, kept.id]
    with world.ports.database.write() as session:
        row = session.get(type(removed), removed.id)
        assert row is not None
        row.deleted_at = world.ports.clock.now()
    world.forget()
    assert shown() == [kept.id]
    with world.ports.database.write() as session:
        row = session.get(type(catalog), catalog.id)
        assert row is not None
        row.listed = False
    world.forget()
    assert world.media(url) == [{"url": url, "status": "none", "tags": []}]


def test_the_publishers_controls_are_kept(world: World) -> None:
    dim = world.ports.eyes.dim
    catalog = world.catalog()
    shoe = world.product(catalog, unit(1, dim=dim), brand="Nope", category="Apparel > Shoes")
    bag = world.product(catalog, unit(1, dim=dim), brand="Acme", category="Apparel > Bags")
    url, tag_id = world.ready("/a.jpg", (shoe, 0.9), (bag, 0.8))

    def first() -> str | None:
        tags = world.media(url)[0]["tags"]
        return tags[0]["products"][0]["id"] if tags else None

    assert first() == shoe.id
    for blocked in ({"blocked_brands": ["NOPE"]}, {"blocked_categories": ["shoes"]}, {"blocked_products": [shoe.id]},
                    {"blocked_products": [shoe.external_id]}, {"blocked_categories": ["apparel > Shoes"]}):  # fmt: skip
        world.controls(**blocked)
        assert first() == bag.id, blocked
    world.controls(blocked_categories=["apparel"])
    assert first() is None
    world.controls(max_tags_image=0)
    assert first() is None
    world.controls(blocked_media=[url + "#x"])
    assert world.media(url)[0]["status"] == "blocked"
    world.controls(enabled=False)
    assert world.media(url)[0]["status"] == "blocked"
    world.controls(review=True)
    assert first() is None
    patch = world.client.patch(f"/v1/tags/{tag_id}", json={"state": "approved"}, headers=world.publisher.auth)
    assert patch.status_code == 200
    world.forget()
    assert first() == shoe.id


def test_no_more_tags_than_the_site_wants_the_surest_first(world: World) -> None:
    catalog = world.catalog()
    products = [world.product(catalog, unit(1, n, dim=world.ports.eyes.dim)) for n in range(10)]
    url, _ = world.ready("/a.jpg", (products[9], 0.8), score=0.5)
    media = world.row(url)
    with world.ports.database.write() as session:
        session.add_all(world.tag_row(media, (products[n], 0.8), score=0.6 + n / 100) for n in range(9))
    world.forget()
    assert len(world.media(url)[0]["tags"]) == 5
    world.controls(max_tags_image=2)
    sure = {tag.id for tag in sorted(world.rows(), key=lambda tag: -tag.score)[:2]}
    assert {tag["id"] for tag in world.media(url)[0]["tags"]} == sure


def test_a_product_stands_on_a_picture_once_where_it_is_surest(world: World) -> None:
    catalog = world.catalog()
    chair, lamp = (world.product(catalog, unit(1, n, dim=world.ports.eyes.dim)) for n in range(2))
    url, _ = world.ready("/a.jpg", (chair, 0.7), score=0.9)
    media = world.row(url)
    with world.ports.database.write() as session:
        session.add(world.tag_row(media, (chair, 0.9), score=0.8))
        session.add(world.tag_row(media, (lamp, 0.6), score=0.7))
    world.forget()
    shown = [(tag["products"][0]["id"], tag["products"][0]["score"]) for tag in world.media(url)[0]["tags"]]
    assert shown == [(chair.id, 0.9), (lamp.id, 0.6)]


def test_a_videos_tags_are_limited_at_each_moment(world: World) -> None:
    product = world.product(world.catalog(), unit(1, dim=world.ports.eyes.dim))
    url, _ = world.ready("/v.mp4", (product, 0.8), kind="video", from_ms=0, to_ms=4000, track=[[0, 0.1, 0.2, 0.3, 0.4]])
    media = world.row(url)
    with world.ports.database.write() as session:
        session.add_all(world.tag_row(media, (product, 0.8), score=0.8, from_ms=0, to_ms=3000) for _ in range(4))
        session.add_all(world.tag_row(media, (product, 0.8), score=0.7, from_ms=5000, to_ms=9000) for _ in range(2))
    world.forget()
    tags = world.media(url, kind="video")[0]["tags"]
    assert sorted((tag["from_ms"], tag["to_ms"]) for tag in tags) == [
        (0, 3000), (0, 3000), (0, 4000), (5000, 9000), (5000, 9000),
    ]  # fmt: skip
    assert all(tag["track"] for tag in tags)


def test_what_failed_or_shows_nothing_is_none(world: World) -> None:
    for path, state in (("/f.jpg", MediaState.failed), ("/n.jpg", MediaState.none)):
        url, _ = world.ready(path)
        with world.ports.database.write() as session:
            row = session.get(Media, world.row(url).id)
            assert row is not None
            row.state = state
        world.forget()
        assert world.media(url)[0] == {"url": url, "status": "none", "tags": []}


def test_a_real_photo_goes_from_unknown_to_tagged(world: World, shared_data, clock: FixedClock) -> None:
    photo = street_photo(shared_data, 3)
    url = world.put("/photo.jpg", photo)
    picture = world.ports.eyes.decode(photo)
    seen = world.ports.eyes.detect(picture, 0.3, 10)[0]
    catalog = world.catalog()
    wanted = world.product(catalog, world.ports.eyes.embed(picture, [seen.box])[0], title="The very thing")
    for number in range(5):  # other things that are not in the picture
        noise = np.random.default_rng(number).normal(size=world.ports.eyes.dim)
        world.product(catalog, noise / np.linalg.norm(noise))
    answer = world.tags(url).json()
    assert (answer["media"][0]["status"], answer["ttl_s"] < 10) == ("pending", True)
    assert world.work() == 1
    world.forget()
    answer = world.tags(url).json()
    assert (answer["media"][0]["status"], answer["ttl_s"] > 10) == ("ready", True)
    hit = [tag for tag in answer["media"][0]["tags"] if tag["products"][0]["id"] == wanted.id]
    assert hit[0]["label"] == seen.label
    assert hit[0]["box"]["x"] == pytest.approx(seen.box.x, abs=0.01)
    assert hit[0]["products"][0]["score"] > 0.9


def test_a_campaign_pays_for_the_tag_and_its_creative_speaks(world: World, clock: FixedClock) -> None:
    catalog, dim = world.catalog(), world.ports.eyes.dim
    better, paying = world.product(catalog, unit(1, dim=dim)), world.product(catalog, unit(1, dim=dim))
    url, _ = world.ready("/a.jpg", (better, 0.80), (paying, 0.78))
    auth = world.brands[catalog.id].auth
    body = {
        "name": "c",
        "bid_micros": 250_000,
        "currency": "EUR",
        "daily_budget_micros": 10**8,
        "product_ids": [paying.id],
    }
    campaign = world.client.post("/v1/campaigns", json=body, headers=auth).json()
    look = {"campaign_id": campaign["id"], "name": "x", "call_to_action": "Try it", "badge": "New", "style": "accent"}
    creative = world.client.post("/v1/creatives", json=look, headers=auth).json()
    world.forget()
    (tag,) = world.media(url)[0]["tags"]
    assert tag["sponsored"] is True
    assert tag["creative"] == {"call_to_action": "Try it", "badge": "New", "style": "accent"}
    assert [product["id"] for product in tag["products"]] == [paying.id, better.id]
    claims = world.ports.sealer.open(tag["token"], clock.now())
    assert (claims.product_id, claims.campaign_id, claims.creative_id) == (paying.id, campaign["id"], creative["id"])
    assert (claims.price_micros, claims.price_kind, claims.currency) == (250_000, "cpc", "EUR")
    other = world.ports.sealer.open(tag["products"][1]["token"], clock.now())
    assert (other.product_id, other.campaign_id, other.price_micros) == (better.id, None, 0)
    world.client.patch(f"/v1/campaigns/{campaign['id']}", json={"state": "paused"}, headers=auth)
    world.forget()
    assert world.media(url)[0]["tags"][0]["sponsored"] is False
