"""What is clicked together: counted by views, without flagged clicks, and only what many views agree on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.events.store import EventStore
from api.kit.clock import FixedClock
from api.ports import Ports
from api.search.coclick_repository import CoClicksAcrossTenants
from api.search.coclicks import LEAST_VIEWS, MOST_CLICKS, WINDOW, count_again
from tests.event_stores import SIDES, stores_of


@pytest.fixture(params=SIDES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    with stores_of(request.param, tmp_path) as stores:
        opened = stores.open()
        if request.param == "chdb":
            from api.events.migrations import migrate

            migrate(opened)
        yield opened


class Clicks:
    """Rows of the event store: each view clicks its products, one after the other."""

    def __init__(self, at: int) -> None:
        self._at = at
        self.rows: dict[str, list[object]] = {
            name: [] for name in ("publisher_id", "event_id", "type", "at", "nonce", "product_id", "flag")
        }

    def view(self, nonce: str, products: str, *, publisher: str = "ten_p", flag: str = "", age_s: int = 60) -> None:
        for product in products.split():
            row = (publisher, f"evt{len(self.rows['type'])}", "click", self._at - age_s, nonce, f"prd_{product}", flag)
            for column, value in zip(self.rows.values(), row, strict=True):
                column.append(value)


def test_pairs_that_enough_views_clicked_are_found_from_both_sides_and_nothing_else(
    store: EventStore, ports: Ports, clock: FixedClock
) -> None:
    clicks = Clicks(int(clock.now().timestamp()))
    for n in range(LEAST_VIEWS):
        clicks.view(f"n{n}", "dress shoe shoe" if n else "dress shoe bag")
        clicks.view(f"alone{n}", "dress")
        clicks.view(f"bot{n}", "dress lamp", flag="known_bot")
        clicks.view(f"old{n}", "dress mug", age_s=int(WINDOW.total_seconds()) + 60)
        clicks.view(f"all{n}", "dress hat " + " ".join(f"p{i}" for i in range(MOST_CLICKS)))
    for n in range(LEAST_VIEWS - 1):  # too few; the same view again is no other one, but another publisher's is
        clicks.view(f"few{n}", "dress belt")
        clicks.view(f"few{n}", "dress belt")
        clicks.view(f"two{n}", "shoe scarf")
    clicks.view("two0", "shoe scarf", publisher="ten_q")
    store.insert("events", clicks.rows)

    assert count_again(store, ports.database, clock.now()) == 4
    assert dict(ports.co_clicks.of("prd_dress")) == {"prd_shoe": LEAST_VIEWS}
    assert dict(ports.co_clicks.of("prd_shoe")) == {"prd_dress": LEAST_VIEWS, "prd_scarf": LEAST_VIEWS}
    assert dict(ports.co_clicks.of("prd_bag")) == {}

    clock.advance(WINDOW)  # a later count forgets
    assert count_again(store, ports.database, clock.now()) == 0
    ports.co_clicks.forget()
    assert dict(ports.co_clicks.of("prd_dress")) == {}


def test_many_pairs_are_stored_as_rows_and_not_as_objects(ports: Ports, clock: FixedClock) -> None:
    """Objects took thirteen times as long (3.0 against 0.2 s for 60,000), while the one writer of SQLite was held."""
    pairs = [(f"prd_{n % 300}", f"prd_{n}", n + 5) for n in range(12_000)]
    with ports.database.write() as session:
        CoClicksAcrossTenants(session).replace(iter(pairs), clock.now())
        assert list(session) == []
    assert dict(ports.co_clicks.of("prd_7")) == {f"prd_{n}": n + 5 for n in range(7, 12_000, 300)}
