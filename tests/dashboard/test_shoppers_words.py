"""What shoppers say of products on tags, told to their publisher, who decides with one click."""

import re
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.media.world import ORIGIN, World, open_web, open_world, unit
from tests.dashboard.conftest import PAGE, Person

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SHIRT, BAG = "A <i>linen</i> shirt", "A canvas bag"


@pytest.fixture
def world(site: Callable[[], TestClient], ports: Any, queue: Any, account: Any) -> Iterator[World]:
    with open_web() as web:
        yield open_world(site(), ports, queue, web, account)


@pytest.fixture
def publisher(site: Callable[[], TestClient], world: World) -> Person:
    """The world's publisher, signed in."""
    client = site()
    email = next(f"publisher{n}@example.com" for n in range(9) if _signs_in(client, f"publisher{n}@example.com"))
    assert email
    return Person(client)


def _signs_in(client: TestClient, email: str) -> bool:
    form = {"email": email, "password": "long enough"}
    return client.post("/signin", data=form, follow_redirects=False).status_code == 303


@pytest.fixture
def tagged(world: World) -> tuple[str, dict[str, str]]:
    """The address of a picture with a shirt and a bag on its one tag, and their ids by title."""
    catalog, dim = world.catalog(), world.ports.eyes.dim
    shirt = world.product(catalog, unit(1, dim=dim), title=SHIRT)
    bag = world.product(catalog, unit(0, 1, dim=dim), title=BAG)
    url, _ = world.ready("/a.jpg", (shirt, 0.8), (bag, 0.6))
    return url, {SHIRT: shirt.id, BAG: bag.id}


def shown(world: World, url: str) -> list[str]:
    world.forget()
    return [product["title"] for tag in world.media(url)[0]["tags"] for product in tag["products"]]


def not_this(world: World, url: str, views: int) -> None:
    say(world, url, "not_this", views)


def say(world: World, url: str, verdict: str, views: int) -> None:
    """So many views of the page say it of the first product that they see."""
    world.forget()
    tokens = [world.media(url)[0]["tags"][0]["token"] for _ in range(views)]
    for token in tokens:
        body = {"key": world.site["key"], "token": token, "verdict": verdict}
        headers = {"Origin": ORIGIN, "User-Agent": BROWSER}
        assert world.client.post("/v1/feedback", json=body, headers=headers).status_code == 202


def words(text: str) -> str:
    [row] = re.findall(r'<tr class="said">.*?</tr>', text, re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", row).split())


def decide(publisher: Person, tag_id: str, state: str) -> Any:
    return publisher.post(f"/publisher/tags/{tag_id}", {"state": state})


def test_the_page_names_the_product_and_counts_who_said_it(
    world: World, publisher: Person, tagged: tuple[str, dict[str, str]]
) -> None:
    url, _ = tagged
    assert "Shoppers on" not in publisher.get("/publisher/media")
    not_this(world, url, 1)
    page = publisher.get("/publisher/media")
    assert SHIRT not in page
    assert words(page) == f"Shoppers on “{escape(SHIRT)}”: 1 × not this Keep the tag Hide the tag"
    not_this(world, url, 4)
    assert "5 × not this off the tag Keep the tag" in words(publisher.get("/publisher/media"))


def test_a_tag_that_is_kept_shows_all_its_products_whatever_shoppers_say_until_they_may_speak_again(
    world: World, publisher: Person, tagged: tuple[str, dict[str, str]]
) -> None:
    url, _ = tagged
    not_this(world, url, 5)
    assert shown(world, url) == [BAG]
    [tag] = world.rows()
    card = decide(publisher, tag.id, "approved")
    assert words(card.text).endswith("5 × not this kept by you Their votes change nothing. Take approval back")
    not_this(world, url, 5)
    assert shown(world, url) == [SHIRT, BAG]
    card = decide(publisher, tag.id, "active")
    assert words(card.text).endswith("10 × not this off the tag Keep the tag Hide the tag")
    assert shown(world, url) == [BAG]


def test_the_tag_is_hidden_with_one_click(world: World, publisher: Person, tagged: tuple[str, dict[str, str]]) -> None:
    url, _ = tagged
    not_this(world, url, 1)
    [tag] = world.rows()
    card = decide(publisher, tag.id, "hidden")
    assert words(card.text).endswith("1 × not this Keep the tag")
    assert shown(world, url) == []


def test_what_nobody_sells_any_more_is_told_as_such(
    world: World, publisher: Person, tagged: tuple[str, dict[str, str]]
) -> None:
    url, _ = tagged
    not_this(world, url, 5)
    [catalog_id] = world.brands
    auth = world.brands[catalog_id].auth
    unlisted = world.client.patch(f"/v1/catalogs/{catalog_id}", json={"listed": False}, headers=auth)
    assert unlisted.status_code == 200, unlisted.text
    world.forget()
    assert "“a product no longer listed”: 5 × not this" in words(publisher.get("/publisher/media"))


def test_what_pleases_asks_for_no_decision(world: World, publisher: Person, tagged: tuple[str, dict[str, str]]) -> None:
    url, _ = tagged
    say(world, url, "right", 2)
    assert words(publisher.get("/publisher/media")).endswith(": 2 × right")
    [tag] = world.rows()
    assert words(decide(publisher, tag.id, "approved").text).endswith(": 2 × right")


def test_anothers_tag_is_not_there_and_a_form_of_another_page_is_refused(
    world: World, publisher: Person, person: Callable[..., Person], tagged: tuple[str, dict[str, str]]
) -> None:
    [tag] = world.rows()
    assert decide(person("publisher"), tag.id, "approved").status_code == 404
    without_token = publisher.client.post(f"/publisher/tags/{tag.id}", data={"state": "hidden"}, headers=PAGE)
    assert without_token.status_code == 403


def test_pictures_that_shoppers_object_to_are_listed_alone(
    world: World, publisher: Person, tagged: tuple[str, dict[str, str]]
) -> None:
    url, _ = tagged
    assert "No shopper has an objection" in publisher.get("/publisher/media?objected=true")
    not_this(world, url, 1)
    page = publisher.get("/publisher/media?objected=true")
    assert url in page
    assert "1 × not this" in words(page)
    assert "No shopper has an objection" in publisher.get("/publisher/media?objected=true&status=failed")


def test_votes_are_switched_off_and_on(
    world: World, publisher: Person, person: Callable[..., Person], tagged: tuple[str, dict[str, str]]
) -> None:
    switch = f"/publisher/sites/{world.site['id']}/votes"
    world.controls(blocked_brands=["Nobody"])
    assert "Take no votes" in publisher.get("/publisher/sites")
    page = publisher.post(switch, {"votes": "false"}).text
    assert "votes off" in page
    assert switch in page
    token = world.media(tagged[0])[0]["tags"][0]["token"]
    body = {"key": world.site["key"], "token": token, "verdict": "not_this"}
    headers = {"Origin": ORIGIN, "User-Agent": BROWSER}
    assert world.client.post("/v1/feedback", json=body, headers=headers).status_code == 403
    # neither another publisher nor a form of another page
    assert person("publisher").post(switch, {"votes": "true"}).status_code == 404
    assert publisher.client.post(switch, data={"votes": "true"}, headers=PAGE).status_code == 403
    assert "votes on" in publisher.post(switch, {"votes": "true"}).text
    assert world.client.post("/v1/feedback", json=body, headers=headers).status_code == 202
    site = world.client.get(f"/v1/sites/{world.site['id']}", headers=world.publisher.auth).json()
    assert site["controls"]["blocked_brands"] == ["Nobody"], "the rest of what was decided stays"
