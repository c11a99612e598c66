"""The worker's way of a picture, on real photographs and the shipped models."""

from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from api.kit.clock import FixedClock
from api.media.analysis import LEASE, MAX_ATTEMPTS, Facts
from api.media.models import Media, MediaState
from api.media.service import analyses_of
from api.settings import FetchSettings, Settings
from tests.api.media.world import Web, World, street_photo
from workers import media as tasks


@pytest.fixture
def settings(settings: Settings, web: Web) -> Settings:
    return settings.model_copy(update={"fetch": FetchSettings(allow=web.host)})


def blank_picture() -> bytes:
    """A grey wall."""
    return cv2.imencode(".png", np.full((300, 300, 3), 128, np.uint8))[1].tobytes()


def catalog_of(world: World, photo: bytes) -> list[str]:
    """A listed catalog with a product for each object on the photo."""
    picture = world.ports.eyes.decode(photo)
    catalog = world.catalog()
    found = world.ports.eyes.detect(picture, 0.3, 10)
    vectors = world.ports.eyes.embed(picture, [item.box for item in found])
    return [world.product(catalog, vector).id for vector in vectors]


def looked_at(world: World, path: str, data: bytes) -> Media:
    """The row of a picture after a page showed it and a worker looked."""
    url = world.put(path, data)
    world.media(url)
    world.work()
    return world.row(url)


def test_the_garments_of_a_photo_become_tags(world: World, shared_data: Path) -> None:
    photo = street_photo(shared_data, 5)
    products = catalog_of(world, photo)
    row = looked_at(world, "/a.jpg", photo)
    assert (row.state, row.error, row.attempts) == (MediaState.ready, None, 0)
    assert (row.width, row.height) == (world.ports.eyes.decode(photo).width, world.ports.eyes.decode(photo).height)
    tags = world.rows()
    assert tags
    assert all(tag.matches[0]["product_id"] in products and tag.matches[0]["score"] > 0.9 for tag in tags)


def test_nothing_that_looks_alike_means_no_tag(world: World, shared_data: Path) -> None:
    row = looked_at(world, "/a.jpg", street_photo(shared_data, 5))
    assert row.state is MediaState.none
    assert all(tag.matches == [] for tag in world.rows())


def test_products_that_come_later_are_matched_without_another_fetch(world: World, shared_data: Path) -> None:
    photo = street_photo(shared_data, 5)
    url = looked_at(world, "/a.jpg", photo).url or ""
    products = catalog_of(world, photo)
    world.forget()
    asked = len(world.web.asked)
    tasks.sweep(world.ports)
    assert world.row(url).state is MediaState.ready
    assert {tag.matches[0]["product_id"] for tag in world.rows()} <= set(products)
    assert len(world.web.asked) == asked
    world.forget()
    assert world.media(url)[0]["status"] == "ready"


def test_matching_again_keeps_what_the_publisher_decided(world: World, shared_data: Path) -> None:
    photo = street_photo(shared_data, 5)
    catalog_of(world, photo)
    row = looked_at(world, "/a.jpg", photo)
    before = {tag.id: tag.label for tag in world.rows()}
    for tag_id in before:
        body = {"state": "approved", "label": "mine"}
        assert world.client.patch(f"/v1/tags/{tag_id}", json=body, headers=world.publisher.auth).status_code == 200
    world.client.post(f"/v1/media/{row.id}/analyse", headers=world.publisher.auth)
    assert world.work() == 1
    tasks.rematch(world.ports, row.id)
    assert {tag.id: tag.label for tag in world.rows()} == before
    assert {(tag.state.value, tag.edited_label) for tag in world.rows()} == {("approved", "mine")}


def test_looking_again_at_the_same_photo_keeps_every_tag(world: World, shared_data: Path) -> None:
    photo = street_photo(shared_data, 5)
    catalog_of(world, photo)
    row = looked_at(world, "/a.jpg", photo)
    before = {tag.id: tag.matches for tag in world.rows()}
    world.client.post(f"/v1/media/{row.id}/analyse", headers=world.publisher.auth)
    assert world.work() == 1
    assert {tag.id: tag.matches for tag in world.rows()} == before


def test_what_a_publisher_edited_stays_although_it_is_seen_no_more(world: World, shared_data: Path) -> None:
    row = looked_at(world, "/a.jpg", street_photo(shared_data, 5))
    edited, *others = [tag.id for tag in world.rows()]
    assert others
    body = {"state": "hidden"}
    assert world.client.patch(f"/v1/tags/{edited}", json=body, headers=world.publisher.auth).status_code == 200
    world.put("/a.jpg", blank_picture())
    world.client.post(f"/v1/media/{row.id}/analyse", headers=world.publisher.auth)
    world.work()
    assert [tag.id for tag in world.rows()] == [edited]


def test_tags_of_things_that_are_gone_go_too(world: World, shared_data: Path) -> None:
    photo, other = street_photo(shared_data, 5), street_photo(shared_data, 40)
    row = looked_at(world, "/a.jpg", photo)
    before = {tag.id for tag in world.rows()}
    world.put("/a.jpg", other)
    world.client.post(f"/v1/media/{row.id}/analyse", headers=world.publisher.auth)
    world.work()
    found = len(world.ports.eyes.detect(world.ports.eyes.decode(other), 0.3, 10))
    after = {tag.id for tag in world.rows()}
    assert after != before
    assert len(after) <= found


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "empty"), (b"<html>not a picture</html>", "HTML"), (b"\xff\xd8\xff\xe0" + b"\0" * 100, "")],
)
def test_what_is_no_picture_fails_at_once_and_says_why(world: World, data: bytes, reason: str) -> None:
    row = looked_at(world, "/a.jpg", data)
    assert row.state is MediaState.failed
    assert row.error
    assert reason in row.error
    read = world.client.get(f"/v1/media/{row.id}", headers=world.publisher.auth).json()
    assert (read["status"], read["error"]) == ("failed", row.error)


def test_a_truncated_photo_fails(world: World, shared_data: Path) -> None:
    photo = street_photo(shared_data, 5)
    row = looked_at(world, "/a.jpg", photo[: len(photo) // 2])
    assert row.state is MediaState.failed
    assert "truncated" in (row.error or "")


def test_a_missing_picture_fails_and_a_struggling_server_is_asked_again(
    world: World, clock: FixedClock, shared_data: Path
) -> None:
    world.media(world.url("/missing.jpg"), world.put("/slow.jpg", street_photo(shared_data, 5)))
    world.web.broken.add("/slow.jpg")
    world.work()
    missing, slow = world.row(world.url("/missing.jpg")), world.row(world.url("/slow.jpg"))
    assert (missing.state, missing.error) == (MediaState.failed, "not fetched: the server answered 404")
    assert (slow.state, slow.attempts) == (MediaState.pending, 1)
    assert "503" in (slow.error or "")
    world.queue.send("media.analyse", media_id=slow.id)
    world.work()
    assert world.row(slow.url or "").attempts == 1  # it is not due yet
    world.web.broken.clear()
    clock.advance(timedelta(minutes=1))
    tasks.sweep(world.ports)
    world.work()
    assert world.row(slow.url or "").state in {MediaState.ready, MediaState.none}


def test_after_enough_tries_it_is_given_up(world: World, clock: FixedClock) -> None:
    url = world.put("/slow.jpg", b"")
    world.web.broken.add("/slow.jpg")
    world.media(url)
    for _ in range(MAX_ATTEMPTS + 2):
        world.work()
        clock.advance(timedelta(hours=1))
        tasks.sweep(world.ports)
    assert world.row(url).state is MediaState.failed
    assert world.web.asked.count("/slow.jpg") == MAX_ATTEMPTS
    world.forget()
    assert world.media(url)[0]["status"] == "none"


def test_two_workers_and_a_repeated_hint_look_once(world: World, shared_data: Path) -> None:
    url = world.put("/a.jpg", street_photo(shared_data, 5))
    world.media(url)
    world.queue.sent *= 3
    world.work()
    assert world.web.asked.count("/a.jpg") == 1


def test_work_of_a_killed_worker_is_taken_over_and_stored_once(
    world: World, clock: FixedClock, shared_data: Path
) -> None:
    photo = street_photo(shared_data, 5)
    catalog_of(world, photo)
    url = world.put("/a.jpg", photo)
    world.media(url)
    analyses = analyses_of(world.ports)
    lost = analyses.claim(world.row(url).id)  # and then its process is gone
    assert lost is not None
    world.queue.sent.clear()
    tasks.sweep(world.ports)
    assert world.queue.sent == []  # the lease still runs
    clock.advance(LEASE + timedelta(seconds=1))
    tasks.sweep(world.ports)
    assert world.work() == 1
    tags = {tag.id for tag in world.rows()}
    assert world.row(url).state is MediaState.ready
    # the one that was only slow comes back: it stores nothing, and may not fail the row either
    assert analyses.finish(lost, [], Facts()) is False
    analyses.fail(lost, "late", retryable=False)
    assert (world.row(url).state, {tag.id for tag in world.rows()}) == (MediaState.ready, tags)


def test_of_two_workers_that_hold_one_picture_only_the_later_stores(world: World, clock: FixedClock) -> None:
    url = world.put("/a.jpg", b"x")
    world.media(url)
    analyses = analyses_of(world.ports)
    slow = analyses.claim(world.row(url).id)
    clock.advance(LEASE + timedelta(seconds=1))
    later = analyses.claim(world.row(url).id)
    assert slow is not None
    assert later is not None
    assert analyses.finish(slow, [], Facts(width=1, height=1)) is False
    assert analyses.progress(slow, 0.9, 9) is False
    assert analyses.finish(later, [], Facts(width=2, height=2)) is True
    assert (world.row(url).width, world.row(url).state) == (2, MediaState.none)


def test_a_picture_that_kills_its_workers_is_given_up(world: World, clock: FixedClock) -> None:
    url = world.put("/a.jpg", b"x")
    world.media(url)
    analyses = analyses_of(world.ports)
    for _ in range(MAX_ATTEMPTS):
        assert analyses.claim(world.row(url).id) is not None
        clock.advance(LEASE + timedelta(seconds=1))
    assert analyses.claim(world.row(url).id) is None
    row = world.row(url)
    assert row.state is MediaState.failed
    assert "interrupted" in (row.error or "")


def test_addresses_inside_are_never_fetched(world: World) -> None:
    """A media host that resolves to a private address, and a redirect to one, are refused."""
    site = {"media_hosts": [world.web.host, "127.0.0.2"]}
    world.client.patch(f"/v1/sites/{world.site['id']}", json=site, headers=world.publisher.auth)
    world.forget()
    url = "http://127.0.0.2:9/a.jpg"
    world.media(url)
    world.work()
    row = world.row(url)
    assert row.state is MediaState.failed
    assert "private" in (row.error or "")
