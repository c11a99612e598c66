"""What a publisher does about shoppers' words: switch them off, and find what they object to."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from api.kit.clock import FixedClock
from api.media.feedback import KEPT
from api.media.feedback_sweep import sweep
from api.media.models import TagVote
from tests.api.media.test_feedback import BROWSER, Say, say, token_of, two
from tests.api.media.test_votes_bounds import Views
from tests.api.media.world import ORIGIN, World, unit

__all__ = ["say", "two"]
Two = tuple[str, list[str]]


def listed(world: World, **query: Any) -> list[str]:
    answer = world.client.get("/v1/media", params=query, headers=world.publisher.auth)
    assert answer.status_code == 200, answer.text
    return [media["url"] for media in answer.json()["items"]]


def taken(world: World, key: str | None = None, origin: str | None = ORIGIN) -> Any:
    headers = {"Origin": origin} if origin else {}
    return world.client.get("/v1/feedback", params={"key": key or world.site["key"]}, headers=headers)


def test_a_site_that_takes_no_votes_is_told_nothing(world: World, two: Two) -> None:
    answer = taken(world)
    assert (answer.status_code, answer.json()) == (200, {"open": True})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    token = token_of(world, two[0])
    world.controls(votes=False)
    body = {"key": world.site["key"], "token": token, "verdict": "not_this"}
    answer = world.client.post("/v1/feedback", json=body, headers={"Origin": ORIGIN, "User-Agent": BROWSER})
    assert (answer.status_code, answer.json()["code"]) == (403, "votes_off")
    assert world.rows(TagVote) == []
    assert taken(world).json() == {"open": False}
    assert world.media(two[0])[0]["status"] == "ready", "its tags stay"


def test_who_may_ask_whether_votes_are_taken(world: World) -> None:
    assert taken(world, key="pk_nobody").status_code == 401
    assert taken(world, key="x" * 300).status_code == 422
    assert taken(world, origin="https://elsewhere.example").status_code == taken(world, origin=None).status_code == 403


def test_a_page_beside_the_api_may_ask_although_its_browser_names_no_origin(world: World) -> None:
    ours = {"name": "Ours", "origins": [str(world.client.base_url)]}
    site = world.client.post("/v1/sites", json=ours, headers=world.publisher.auth)
    assert site.status_code == 201, site.text
    answer = taken(world, key=site.json()["key"], origin=None)
    assert (answer.status_code, answer.json()) == (200, {"open": True})


def test_pictures_with_objections_are_found(world: World, two: Two, say: Say, clock: FixedClock) -> None:
    catalog, dim = world.catalog(), world.ports.eyes.dim
    world.ready("/b.jpg", (world.product(catalog, unit(0, 1, dim=dim)), 0.8))
    assert listed(world, objected=True) == []
    assert len(listed(world)) == 2
    say("right")
    assert listed(world, objected=True) == []
    say("not_this")
    assert listed(world, objected=True) == [two[0]]
    assert listed(world, objected=True, status="ready", site_id=world.site["id"]) == [two[0]]
    assert listed(world, objected=True, status="pending") == []
    other = world.account("publisher")
    answer = world.client.get("/v1/media", params={"objected": True}, headers=other.auth)
    assert answer.json()["items"] == []
    clock.advance(KEPT + timedelta(days=1))
    assert sweep(world.ports.database, Views({}), clock.now()) == 1
    assert listed(world, objected=True) == []


def test_a_word_taken_back_is_no_objection(world: World, two: Two, say: Say) -> None:
    token = token_of(world, two[0])
    say("not_this", token=token)
    say("right", token=token)
    assert listed(world, objected=True) == []


def test_objections_are_found_without_going_through_the_tags(world: World, two: Two, say: Say) -> None:
    database = world.ports.database
    if not database.is_sqlite:
        pytest.skip("how PostgreSQL looks a few rows up depends on how many there are")
    say("not_this")
    asked: list[tuple[str, Any]] = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    listed(world, objected=True)
    [(statement, values)] = [one for one in asked if "objected" in one[0] and "FROM media" in one[0]]
    with database.read() as session:
        plan = [row[3] for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert any("ix_tags_objected" in step for step in plan), plan
    assert not any(step.startswith("SCAN tags") for step in plan), plan
