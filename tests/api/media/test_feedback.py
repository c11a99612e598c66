"""`POST /v1/feedback`: whose words count, what they do to a tag, and what they cannot do."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from api.kit.clock import FixedClock
from api.media import feedback
from api.media.models import Tag, TagVote
from tests.api.media.world import ORIGIN, World, unit

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
Say = Callable[..., Any]


@pytest.fixture
def two(world: World) -> tuple[str, list[str]]:
    """The address of a picture with one tag, and the products on it, best first."""
    catalog, dim = world.catalog(), world.ports.eyes.dim
    products = [world.product(catalog, unit(1, dim=dim)), world.product(catalog, unit(1, 0.1, dim=dim))]
    url, _ = world.ready("/a.jpg", (products[0], 0.8), (products[1], 0.6))
    return url, [product.id for product in products]


@pytest.fixture
def say(world: World, two: tuple[str, list[str]]) -> Say:
    """A new view of the picture says something of a product on its tag."""

    def call(verdict: str, product_id: str | None = None, *, agent: str = BROWSER, token: str = "", **more: Any) -> Any:
        token = token or token_of(world, two[0], product_id)
        body = {"key": world.site["key"], "token": token, "verdict": verdict, **more}
        return world.client.post("/v1/feedback", json=body, headers={"Origin": ORIGIN, "User-Agent": agent})

    return call


def token_of(world: World, url: str, product_id: str | None = None) -> str:
    [tag] = world.media(url)[0]["tags"]
    tokens = {product["id"]: product.get("token") or tag["token"] for product in tag["products"]}
    return str(tokens[product_id or tag["products"][0]["id"]])


def shown(world: World, url: str) -> list[str]:
    world.forget()
    tags = world.media(url)[0]["tags"]
    return [product["id"] for product in tags[0]["products"]] if tags else []


def test_three_views_take_a_product_off_its_tag_and_the_next_takes_its_place(
    world: World, two: tuple[str, list[str]], say: Say
) -> None:
    url, (first, second) = two
    for _ in range(2):
        answer = say("not_this", first)
        assert (answer.status_code, answer.json()) == (202, {"counted": True})
        assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert shown(world, url) == [first, second]
    say("not_this", first)
    assert shown(world, url) == [second]


def test_when_every_product_is_off_the_tag_is_not_shown(world: World, two: tuple[str, list[str]], say: Say) -> None:
    url, products = two
    tokens = [[token_of(world, url, product) for product in products] for _ in range(6)]
    for view, token in enumerate(tokens):
        say("not_this", token=token[view % 2])
    assert shown(world, url) == []
    assert world.media(url)[0]["status"] == "none"


def test_views_that_find_it_right_keep_it_and_bring_it_back(world: World, two: tuple[str, list[str]], say: Say) -> None:
    url, (first, second) = two
    tokens = [token_of(world, url, first) for _ in range(6)]
    for verdict, token in zip(["right", "right", "not_this", "not_this", "not_this"], tokens, strict=False):
        say(verdict, token=token)
    assert shown(world, url) == [first, second]  # three in five are not three in four
    say("not_this", token=tokens[0])  # the same view has thought again
    say("not_this", token=tokens[1])
    assert shown(world, url) == [second]
    for token in (*tokens[:2], tokens[5]):
        say("right", token=token)
    assert shown(world, url) == [first, second]


def test_one_view_has_one_word_however_often_it_says_it(world: World, two: tuple[str, list[str]], say: Say) -> None:
    url, products = two
    token = token_of(world, url)
    for _ in range(5):
        assert say("not_this", token=token).status_code == 202
    assert shown(world, url) == products
    [row] = world.rows(TagVote)
    assert set(row.model_dump()) == {"tag_id", "nonce", "tenant_id", "site_id", "product_id", "verdict", "voter", "at"}
    assert row.voter == row.nonce  # a test's client has no address: the view is the voter


@pytest.mark.parametrize("agent", ["curl/8.5.0", "Mozilla/5.0 (compatible; Googlebot/2.1)", ""])
def test_programs_are_answered_and_not_counted(world: World, two: tuple[str, list[str]], say: Say, agent: str) -> None:
    for _ in range(4):
        assert say("not_this", agent=agent).json() == {"counted": False}
    assert shown(world, two[0]) == two[1]
    assert world.rows(TagVote) == []


def test_a_pin_of_the_publisher_stands_above_all_words(world: World, two: tuple[str, list[str]], say: Say) -> None:
    url, (first, _) = two
    for _ in range(3):
        say("not_this", first)
    [tag] = world.rows(Tag)
    pinned = world.client.patch(f"/v1/tags/{tag.id}", json={"product_id": first}, headers=world.publisher.auth)
    assert pinned.status_code == 200
    assert shown(world, url) == [first]


def test_the_publisher_sees_the_words_and_nobody_else_does(world: World, two: tuple[str, list[str]], say: Say) -> None:
    _, (first, second) = two
    say("right", second)
    for _ in range(3):
        say("not_this", first)
    [media] = world.client.get("/v1/media", headers=world.publisher.auth).json()["items"]
    expected = {
        first: {"product_id": first, "not_this": 3, "right": 0, "off": True},
        second: {"product_id": second, "not_this": 0, "right": 1, "off": False},
    }
    assert {said["product_id"]: said for said in media["tags"][0]["votes"]} == expected
    assert world.client.get("/v1/media", headers=world.account("publisher").auth).json()["items"] == []


def test_words_outlive_a_new_look_and_go_with_their_tag(world: World, two: tuple[str, list[str]], say: Say) -> None:
    from api.media.repository import MediaAcrossTenants

    say("not_this")
    [tag] = world.rows(Tag)
    with world.ports.database.write() as session:
        MediaAcrossTenants(session).delete_tags([tag.id])
    assert world.rows(TagVote) == []
    gone = say("not_this", token=world.ports.sealer.seal(_claims(world, tag)))
    assert (gone.status_code, gone.json()["code"], gone.json()["errors"][0]["pointer"]) == (422, "tag_gone", "#/token")


def test_another_sites_tag_cannot_be_voted_on(world: World, two: tuple[str, list[str]], say: Say) -> None:
    other = world.account("publisher")
    site = {"name": "Rival", "origins": ["https://rival.example"], "media_hosts": [world.web.host]}
    key = world.client.post("/v1/sites", json=site, headers=other.auth).json()["key"]
    body = {"key": key, "token": token_of(world, two[0]), "verdict": "not_this"}
    headers = {"Origin": "https://rival.example", "User-Agent": BROWSER}
    answer = world.client.post("/v1/feedback", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "token_foreign")
    # nor with the site's own key from another page
    foreign = {"Origin": "https://rival.example", "User-Agent": BROWSER}
    assert world.client.post("/v1/feedback", json=body | {"key": world.site["key"]}, headers=foreign).status_code == 403
    assert world.rows(TagVote) == []


def test_tokens_that_are_old_or_made_up_are_refused(
    world: World, two: tuple[str, list[str]], say: Say, clock: FixedClock
) -> None:
    token = token_of(world, two[0])
    for wrong in (token[:-2], token[:-1] + ("A" if token[-1] != "A" else "B"), "x"):
        answer = say("not_this", token=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "token_forged")
    clock.advance(timedelta(hours=25))
    assert say("not_this", token=token).json()["code"] == "token_expired"


def test_a_site_has_its_share_an_hour(
    world: World, two: tuple[str, list[str]], say: Say, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "PER_SITE", 2)
    assert [say("right").status_code for _ in range(3)] == [202, 202, 429]
    assert say("right").headers["retry-after"] == "3600"
    clock.advance(timedelta(hours=1, seconds=1))
    assert say("right").status_code == 202


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b'{"key": "pk_x", "token": "t", "verdict": "awful"}', 422, "#/verdict"),
        (b'{"key": "pk_x", "token": "t"}', 422, "#/verdict"),
        (b'{"key": "pk_x", "token": "", "verdict": "right"}', 422, "#/token"),
        (b'{"key": 5, "token": "t", "verdict": "right"}', 422, "#/key"),
        (b'{"key": "pk_x", "token": "t", "verdict": "right"}', 401, "#/key"),
        (b'{"key": "pk_x", "token": "t", "verdict": "right", "more": "' + b"x" * 5000 + b'"}', 413, "#"),
        (b"\xff", 400, "#"),
        (b"", 400, "#"),
        (b"[" * 4000, 422, "#"),
    ],
)
def test_what_is_wrong_is_named(world: World, body: bytes, status: int, pointer: str) -> None:
    headers = {"Origin": ORIGIN, "Content-Type": "text/plain", "User-Agent": BROWSER}
    answer = world.client.post("/v1/feedback", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_a_preflight_lets_json_through(world: World) -> None:
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    answer = world.client.options("/v1/feedback", headers=headers)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, ORIGIN)


def _claims(world: World, tag: Tag) -> Any:
    from api.events.tokens import TagClaims

    return TagClaims(
        nonce="another view", publisher_id=tag.tenant_id, site_id=world.site["id"], media_id=tag.media_id,
        tag_id=tag.id, product_id="prd_any", brand_id="ten_any",
        issued_at_ms=int(world.ports.clock.now().timestamp() * 1000),
    )  # fmt: skip
