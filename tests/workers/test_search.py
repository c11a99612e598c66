"""The tasks of the product index: quiet while it is away, and whole again where a server lost it."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.ports import Ports
from api.search.milvus import MilvusIndex
from tests.api.search.away import closed_port, index_at, use_index
from tests.api.search.conftest import Shop, add_product, milvus_settings, shop
from workers import search as tasks
from workers.celery_app import BEAT

__all__ = ["add_product", "shop"]


@pytest.fixture
def emptied(ports: Ports, shop: Shop) -> Iterator[Ports]:
    """The house with a real server that has nothing of it."""
    index = MilvusIndex(milvus_settings(), ports.eyes.dim)
    use_index(ports, index)
    yield ports
    index.destroy()
    index.close()


def test_the_beat_asks_for_both() -> None:
    assert {"search.sweep", "search.compare"} <= set(BEAT)


def test_an_index_that_is_away_is_asked_again_at_the_next_beat(ports: Ports, queue: Any) -> None:
    with index_at(ports, closed_port()):
        for task in (tasks.sweep, tasks.compare, tasks.refill):
            task(ports)
    assert queue.sent == []


def test_an_index_that_serves_is_left_alone(ports: Ports, queue: Any, shop: Shop) -> None:
    tasks.sweep(ports)
    tasks.compare(ports)
    assert queue.sent == []
    assert [ports.index.count(catalog_id) for catalog_id in shop.catalogs.values()] == [2, 2, 1]


def test_a_server_that_lost_it_is_filled_again_once(emptied: Ports, queue: Any, shop: Shop) -> None:
    tasks.sweep(emptied)
    assert queue.sent == [("search.refill", {})]
    with emptied.database.alone("search.reindex"):
        tasks.refill(emptied)  # another worker is at it
        tasks.sweep(emptied)
        assert len(queue.sent) == 2
    tasks.refill(emptied)
    assert [emptied.index.count(catalog_id) for catalog_id in shop.catalogs.values()] == [2, 2, 1]
    tasks.sweep(emptied)
    assert len(queue.sent) == 2
