"""The publisher's control over media and tags."""

import pytest

from api.accounts.scopes import Scope
from api.media.models import Media, MediaState
from tests.api.media.world import World, unit


@pytest.fixture
def tagged(world: World) -> tuple[World, str, str]:
    """A picture with one tag: (world, media id, tag id)."""
    product = world.product(world.catalog(), unit(1, dim=world.ports.eyes.dim), title="Tote")
    url, tag_id = world.ready("/a.jpg", (product, 0.8))
    return world, world.row(url).id, tag_id


def calls(media_id: str, tag_id: str) -> list[tuple[str, str, dict | None]]:
    return [
        ("GET", "/v1/media", None),
        ("GET", f"/v1/media/{media_id}", None),
        ("PATCH", f"/v1/media/{media_id}", {"blocked": True}),
        ("POST", f"/v1/media/{media_id}/analyse", None),
        ("PATCH", f"/v1/tags/{tag_id}", {"state": "hidden"}),
    ]


def test_every_call_wants_a_key_the_scope_and_the_own_tenant(tagged: tuple[World, str, str], account) -> None:
    world, *ids = tagged
    reader = account("publisher", scopes=[Scope.sites_read])
    stranger = account("publisher")
    for method, path, body in calls(*ids):
        assert world.client.request(method, path, json=body).status_code == 401, path
        assert world.client.request(method, path, json=body, headers=reader.auth).status_code == 403, path
        answer = world.client.request(method, path, json=body, headers=stranger.auth)
        if path == "/v1/media":
            assert answer.json() == {"items": [], "next_cursor": None}
        else:
            assert answer.status_code == 404, path
    assert [tag.state for tag in world.rows()] == ["active"]
    assert world.queue.sent == []


def test_a_reader_cannot_write(tagged: tuple[World, str, str], account) -> None:
    world, *ids = tagged
    reader = account("publisher", scopes=[Scope.media_read])
    for method, path, body in calls(*ids)[2:]:
        assert world.client.request(method, path, json=body, headers=reader.auth).status_code == 403, path


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"state": "loud"}, "#/state"),
        ({"label": ""}, "#/label"),
        ({"label": "x" * 101}, "#/label"),
        ({"box": {"x": 0.5, "y": 0.5, "w": 0.6, "h": 0.1}}, "#/box"),
        ({"box": {"x": -0.1, "y": 0, "w": 0.1, "h": 0.1}}, "#/box/x"),
        ({"box": {"x": 0.1, "y": 0, "w": 0.1}}, "#/box/h"),
        ({"product_id": "prd_unknown"}, "#/product_id"),
        ({"colour": "red"}, "#/colour"),
    ],
)
def test_what_is_wrong_with_a_change_is_named(tagged: tuple[World, str, str], body: dict, pointer: str) -> None:
    world, _, tag_id = tagged
    answer = world.client.patch(f"/v1/tags/{tag_id}", json=body, headers=world.publisher.auth)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_a_tag_is_hidden_renamed_moved_and_brought_back(tagged: tuple[World, str, str]) -> None:
    world, media_id, tag_id = tagged

    def patch(**body: object) -> dict:
        answer = world.client.patch(f"/v1/tags/{tag_id}", json=body, headers=world.publisher.auth)
        assert answer.status_code == 200, answer.text
        world.forget()
        return answer.json()

    def shown() -> list[dict]:
        return world.media(world.url("/a.jpg"))[0]["tags"]

    before = shown()
    patch(state="hidden")
    assert shown() == []
    patch(state="active", label="hat", box={"x": 0.5, "y": 0.5, "w": 0.2, "h": 0.2})
    assert (shown()[0]["label"], shown()[0]["box"]["x"]) == ("hat", 0.5)
    read = world.client.get(f"/v1/media/{media_id}", headers=world.publisher.auth).json()["tags"][0]
    assert read["detected"]["label"] == "bag"
    patch(label=None, box=None)
    assert [(t["label"], t["box"]) for t in shown()] == [(t["label"], t["box"]) for t in before]


def test_a_pinned_product_stands_alone_until_it_is_let_go(tagged: tuple[World, str, str]) -> None:
    world, _, tag_id = tagged
    other = world.product(world.catalog(), unit(0, 1, dim=world.ports.eyes.dim))
    private = world.product(world.catalog(listed=False), unit(0, 1, dim=world.ports.eyes.dim))

    def pin(product_id: str | None) -> int:
        answer = world.client.patch(f"/v1/tags/{tag_id}", json={"product_id": product_id}, headers=world.publisher.auth)
        world.forget()
        return answer.status_code

    def shown() -> list[str]:
        return [product["id"] for product in world.media(world.url("/a.jpg"))[0]["tags"][0]["products"]]

    before = shown()
    assert pin(private.id) == 422
    assert shown() == before
    assert pin(other.id) == 200
    assert shown() == [other.id]
    assert pin(None) == 200
    assert shown() == before


def test_a_blocked_picture_has_no_tags_until_it_is_let_in(tagged: tuple[World, str, str]) -> None:
    world, media_id, _ = tagged
    for blocked, status in ((True, "blocked"), (False, "ready")):
        answer = world.client.patch(f"/v1/media/{media_id}", json={"blocked": blocked}, headers=world.publisher.auth)
        assert answer.json()["status"] == status
        world.forget()
        assert world.media(world.url("/a.jpg"))[0]["status"] == status


def test_looking_again_keeps_the_tags_and_asks_a_worker(tagged: tuple[World, str, str]) -> None:
    world, media_id, _ = tagged
    answer = world.client.post(f"/v1/media/{media_id}/analyse", headers=world.publisher.auth)
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert world.queue.sent == [("media.analyse", {"media_id": media_id})]
    world.forget()
    assert world.media(world.url("/a.jpg"))[0]["status"] == "ready"
    with world.ports.database.write() as session:
        row = session.get(Media, media_id)
        assert row is not None
        row.state = MediaState.running
    answer = world.client.post(f"/v1/media/{media_id}/analyse", headers=world.publisher.auth)
    assert answer.status_code == 409


def test_the_list_is_newest_first_in_pages_and_by_status(world: World) -> None:
    product = world.product(world.catalog(), unit(1, dim=world.ports.eyes.dim))
    for number in range(5):
        world.ready(f"/{number}.jpg", (product, 0.8))
    world.media(world.url("/new.jpg"))

    def page(**query: object) -> dict:
        answer = world.client.get("/v1/media", params=query, headers=world.publisher.auth)
        assert answer.status_code == 200, answer.text
        return answer.json()

    first = page(limit=4)
    second = page(limit=4, cursor=first["next_cursor"])
    urls = [item["url"].rsplit("/", 1)[1] for item in first["items"] + second["items"]]
    assert urls == ["new.jpg", "4.jpg", "3.jpg", "2.jpg", "1.jpg", "0.jpg"]
    assert second["next_cursor"] is None
    assert [item["status"] for item in page(status="pending")["items"]] == ["pending"]
    assert len(page(status="ready", site_id=world.site["id"])["items"]) == 5
    assert page(status="blocked")["items"] == page(site_id="sit_other")["items"] == []
    assert (
        world.client.get("/v1/media?status=odd", headers=world.publisher.auth).json()["errors"][0]["pointer"]
        == "?status"
    )


def test_what_was_decided_stands_in_the_audit_log(tagged: tuple[World, str, str]) -> None:
    from api.accounts.models import AuditEntry

    world, media_id, tag_id = tagged
    world.client.patch(f"/v1/media/{media_id}", json={"blocked": True}, headers=world.publisher.auth)
    world.client.patch(f"/v1/tags/{tag_id}", json={"state": "hidden"}, headers=world.publisher.auth)
    found = {(row.action, row.subject) for row in world.rows(AuditEntry) if row.tenant_id == world.publisher.tenant_id}
    assert {("media.blocked", media_id), ("tag.updated", tag_id)} <= found
