"""What words on a tag cannot do: one actor's many views, few visitors of a popular page, old words."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.events.store import EventStore, StoreUnavailable
from api.kit.clock import FixedClock
from api.media import feedback, feedback_sweep, voters
from api.media.feedback import KEPT, LEAST_VOTERS, MOST_OFF, MOST_VOTERS, needed_of, off_of
from api.media.feedback_sweep import sweep
from api.media.models import Tag, TagVote, Verdict
from api.media.voters import NetworkShares, voter_of
from api.media.votes_repository import VotesRepository
from tests.api.media.test_feedback import BROWSER, Say, say, shown, token_of, two
from tests.api.media.world import ORIGIN, World, unit
from tests.conftest import NOON
from tests.event_stores import SIDES, stores_of
from workers.celery_app import BEAT

__all__ = ["say", "two"]
Two = tuple[str, list[str]]


def from_address(world: World, two: Two, address: str, verdict: str = "not_this") -> None:
    """A new view, from somewhere on the internet."""
    body = {"key": world.site["key"], "token": token_of(world, two[0]), "verdict": verdict}
    caller = TestClient(world.client.app, client=(address, 50_000))
    answer = caller.post("/v1/feedback", json=body, headers={"Origin": ORIGIN, "User-Agent": BROWSER})
    assert (answer.status_code, answer.json()) == (202, {"counted": True})


def test_one_actor_with_many_views_is_one_voter(world: World, two: Two, clock: FixedClock) -> None:
    for _ in range(5):
        from_address(world, two, "9.9.9.9")
    assert len(world.rows(TagVote)) == 5
    assert shown(world, two[0]) == two[1]
    from_address(world, two, "8.8.8.8")
    assert shown(world, two[0]) == two[1]
    from_address(world, two, "1.1.1.1")
    assert shown(world, two[0]) == two[1][1:]


def test_a_day_later_it_may_speak_again(world: World, two: Two, clock: FixedClock) -> None:
    for _ in range(3):
        from_address(world, two, "9.9.9.9")
        clock.advance(timedelta(days=1))
    assert shown(world, two[0]) == two[1][1:]


def test_one_network_does_not_use_up_what_a_site_may_be_told(
    world: World, two: Two, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voters, "PER_NETWORK", 3)
    for address in ("2001:4860::1", "2001:4860:0:1::1", "2001:4860:0:2::1"):
        from_address(world, two, address)
    body = {"key": world.site["key"], "token": token_of(world, two[0]), "verdict": "not_this"}
    caller = TestClient(world.client.app, client=("2001:4860:0:3::1", 50_000))
    answer = caller.post("/v1/feedback", json=body, headers={"Origin": ORIGIN, "User-Agent": BROWSER})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
    assert len(world.rows(TagVote)) == 3
    from_address(world, two, "8.8.8.8")
    clock.advance(timedelta(hours=1))
    from_address(world, two, "2001:4860::1")


def test_what_networks_have_said_is_held_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voters, "PER_NETWORK", 1)
    monkeypatch.setattr(voters, "MOST_NETWORKS", 10)
    shares = NetworkShares()
    assert [shares.takes("sit_a", "9.9.9.9", NOON) for _ in range(2)] == [True, False]
    assert shares.takes("sit_b", "9.9.9.9", NOON)
    assert all(shares.takes("sit_a", f"9.9.8.{n}", NOON) for n in range(100))
    assert len(shares._said) <= 10
    assert all(shares.takes("sit_a", "10.0.0.1", NOON) for _ in range(5))  # many stand behind it


def test_a_voters_words_on_a_tag_are_few_however_often_it_speaks(
    world: World, two: Two, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "PER_VOTER", 2)
    from_address(world, two, "8.8.8.8")
    for _ in range(5):
        clock.advance(timedelta(seconds=1))
        from_address(world, two, "9.9.9.9")
    words = world.rows(TagVote)
    assert len(words) == 3
    assert max(word.at for word in words) == clock.now()


def test_a_tag_keeps_its_newest_words(
    world: World, two: Two, say: Say, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback_sweep, "PER_TAG", 3)
    for n in range(5):
        clock.advance(timedelta(seconds=1))
        say("right" if n < 2 else "not_this")
    sweep(world.ports.database, Views({}), clock.now())
    assert [word.verdict for word in world.rows(TagVote)] == [Verdict.not_this] * 3


def test_words_on_products_that_are_gone_leave_room_for_those_that_stand_there() -> None:
    gone = [(f"prd_gone{n}", Verdict.not_this, 9) for n in range(MOST_OFF)]
    assert off_of([*gone, ("prd_here", Verdict.not_this, 3)], 3, {"prd_here"})[0] == "prd_here"


def test_a_page_of_videos_has_more_tags_than_a_statement_takes_values(world: World) -> None:
    ids = [f"tag_{n}" for n in range(300_000)]
    with world.ports.database.read() as session:
        assert len(VotesRepository(session, world.publisher.tenant_id).counts(ids)) == 300_000


VOTER = {"key": b"k" * 32, "tag_id": "tag_1", "nonce": "a view", "address": "9.9.9.9", "now": NOON}


def voter(**change: Any) -> str:
    return voter_of(**(VOTER | change))


def test_a_voter_is_the_same_on_one_tag_and_day_alone_and_nothing_tells_from_where() -> None:
    assert voter() == voter(nonce="another view", now=NOON + timedelta(hours=11))
    others = [{"tag_id": "tag_2"}, {"address": "9.9.9.8"}, {"now": NOON + timedelta(days=1)}, {"key": b"l" * 32}]
    assert len({voter(), *(voter(**change) for change in others)}) == 5
    assert "9" * 3 not in voter()
    assert len(voter()) == 24


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "::1", "fd00::1", "testclient", "", "9.9.9.9.9", "::ffff:10.0.0.1"]
)
def test_behind_an_address_that_tells_nothing_each_view_is_one(address: str) -> None:
    assert voter(address=address) == "a view"


def test_an_ipv6_network_is_one_voter() -> None:
    assert voter(address="2a00:1450:4001:81b::200e") == voter(address="2a00:1450:4001:81b:ffff::1")
    # a household may have a whole /48
    assert voter(address="2a00:1450:4001:81b::200e") == voter(address="2a00:1450:4001:ffff::1")
    assert voter(address="2a00:1450:4001:81b::200e") != voter(address="2a00:1450:4002:81b::200e")
    assert voter(address="::ffff:9.9.9.9") == voter()


def test_an_approved_tag_keeps_all_its_products(world: World, two: Two, say: Say) -> None:
    for _ in range(3):
        say("not_this", two[1][0])
    assert shown(world, two[0]) == two[1][1:]
    [tag] = world.rows(Tag)
    approve = {"state": "approved"}
    answer = world.client.patch(f"/v1/tags/{tag.id}", json=approve, headers=world.publisher.auth).json()
    assert [said["off"] for said in answer["votes"]] == [False]
    assert shown(world, two[0]) == two[1]


def test_words_take_no_more_than_half_of_a_tag(world: World) -> None:
    catalog, dim = world.catalog(), world.ports.eyes.dim
    products = [world.product(catalog, unit(1, n / 10, dim=dim)) for n in range(8)]
    _, tag_id = world.ready("/many.jpg", *((product, 0.9 - n / 100) for n, product in enumerate(products)))
    now = world.ports.clock.now()
    owned = {"tag_id": tag_id, "tenant_id": world.publisher.tenant_id, "site_id": world.site["id"], "at": now}
    views = [(product, f"{n}/{view}") for n, product in enumerate(products) for view in range(LEAST_VOTERS + n % 3)]
    with world.ports.database.write() as session:
        for product, nonce in views:
            session.add(TagVote(nonce=nonce, voter=nonce, product_id=product.id, verdict=Verdict.not_this, **owned))
    assert sweep(world.ports.database, Views({}), now) == 1
    [tag] = world.rows(Tag)
    assert len(tag.voted_off) == MOST_OFF
    assert set(tag.voted_off) >= {products[2].id, products[5].id}  # five views each


class Views:
    """An event store in which tags were seen so often; None: it is away."""

    def __init__(self, views: dict[str, int] | None) -> None:
        self._views = views

    def select(self, *_: Any) -> list[dict[str, Any]]:
        if self._views is None:
            raise StoreUnavailable
        return [{"tag_id": tag_id, "views": views} for tag_id, views in self._views.items()]


@pytest.mark.parametrize(
    ("views", "needed"), [(0, LEAST_VOTERS), (600, 3), (601, 4), (2000, 10), (10_000, 50), (10**9, MOST_VOTERS)]
)
def test_a_tag_that_many_see_needs_more_voters(views: int, needed: int) -> None:
    assert needed_of(views) == needed


def test_a_popular_tag_gets_its_product_back_until_enough_agree(world: World, two: Two, say: Say) -> None:
    for _ in range(3):
        say("not_this", two[1][0])
    assert shown(world, two[0]) == two[1][1:]
    [tag] = world.rows(Tag)
    store, now = Views({tag.id: 1000}), world.ports.clock.now()
    assert sweep(world.ports.database, store, now) == 1
    assert shown(world, two[0]) == two[1]
    assert sweep(world.ports.database, store, now) == 0
    # from now on it takes five, at once, and while the store is away it is no other number
    assert sweep(world.ports.database, Views(None), now) == 0
    say("not_this", two[1][0])
    assert shown(world, two[0]) == two[1]
    say("not_this", two[1][0])
    assert shown(world, two[0]) == two[1][1:]


def test_words_end(world: World, two: Two, say: Say, clock: FixedClock) -> None:
    for _ in range(2):
        say("not_this", two[1][0])
    clock.advance(KEPT - timedelta(days=1))
    world.forget()
    say("not_this", two[1][0])
    assert shown(world, two[0]) == two[1][1:]
    clock.advance(timedelta(days=2))
    assert sweep(world.ports.database, Views({}), clock.now()) == 1
    assert shown(world, two[0]) == two[1]
    assert len(world.rows(TagVote)) == 1
    say("not_this", two[1][0])  # two count
    assert shown(world, two[0]) == two[1]


def test_the_beat_asks_for_it() -> None:
    assert "feedback.sweep" in BEAT


@pytest.fixture(params=SIDES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    with stores_of(request.param, tmp_path) as stores:
        opened = stores.open()
        if request.param == "chdb":
            from api.events.migrations import migrate

            migrate(opened)
        yield opened


def test_views_are_net_impressions_of_the_tag_in_the_window(
    store: EventStore, world: World, two: Two, say: Say, clock: FixedClock
) -> None:
    say("not_this", two[1][0])
    [tag] = world.rows(Tag)
    now = int(clock.now().timestamp())
    rows: list[tuple[str, str, str, str, int, int, int]] = [
        (tag.tenant_id, tag.id, "impression", "", now - 900, 400, 1),
        (tag.tenant_id, tag.id, "impression", "", now - 900, 700, 2),  # the same quarter, counted again
        (tag.tenant_id, tag.id, "impression", "", now - 86_400, 500, 1),
        (tag.tenant_id, tag.id, "impression", "known_bot", now - 900, 90_000, 1),
        (tag.tenant_id, tag.id, "click", "", now - 900, 90_000, 1),
        (tag.tenant_id, "tag_other", "impression", "", now - 900, 90_000, 1),
        ("tnt_other", tag.id, "impression", "", now - 900, 90_000, 1),
        (tag.tenant_id, tag.id, "impression", "", now - int(KEPT.total_seconds()) - 900, 90_000, 1),
    ]
    names = ("publisher_id", "tag_id", "type", "flag", "bucket", "events", "version")
    store.insert("rollup_15m", {name: [row[n] for row in rows] for n, name in enumerate(names)})
    assert sweep(world.ports.database, store, clock.now()) == 1
    assert world.rows(Tag)[0].votes_needed == needed_of(1200) == 6
