"""Several processes on one relational store, on SQLite and on a real PostgreSQL: each has a Database of its own, and
all begin in the same instant."""

import copy
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.kit.db import Database
from api.main import create_app
from api.ports import Ports
from api.settings import DatabaseSettings, FetchSettings, Settings, VisionSettings
from tests.api.billing.conftest import WrittenCounts, closer, counts, customer, stripe_payments, stripe_server
from tests.api.catalog.shop import Brand, Shop, open_shop

SIDES = ("sqlite", "postgresql")


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls answered, in their order; an exception is an answer too."""
    gate = threading.Barrier(len(calls))

    def begin(call: Callable[[], Any]) -> Any:
        gate.wait(60)
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - the test says which are right
            return error

    with ThreadPoolExecutor(len(calls)) as threads:
        return [future.result(60) for future in [threads.submit(begin, call) for call in calls]]


@pytest.fixture
def shop() -> Iterator[Shop]:
    yield from open_shop()


@pytest.fixture(params=SIDES)
def settings(request: pytest.FixtureRequest, tmp_path: Path, shop: Shop) -> Iterator[Settings]:
    more = {"fetch": FetchSettings(allow=shop.host), "vision": VisionSettings(decoders=1)}
    if request.param == "sqlite":
        yield Settings(datadir=tmp_path / "data", **more)
        return
    with request.getfixturevalue("test_databases").migrated() as url:
        yield Settings(datadir=tmp_path / "data", database=DatabaseSettings(url=url), **more)


@pytest.fixture
def processes(ports: Ports, settings: Settings) -> Iterator[list[Ports]]:
    """The ports of four processes: the same servers, but connections of their own."""
    made = []
    for _ in range(4):
        other = copy.copy(ports)
        other.database = Database(settings.database_url, pool_size=5)
        made.append(other)
    yield made
    for other in made:
        other.database.close()


@pytest.fixture
def doors(processes: list[Ports]) -> list[TestClient]:
    """The HTTP surface of two of them."""
    apps = [create_app(ports) for ports in processes[:2]]
    for app in apps:
        app.openapi()  # FastAPI builds its routes when they are first asked for, and not well from two threads
    return [TestClient(app, raise_server_exceptions=False) for app in apps]


@pytest.fixture
def brand(client, ports: Ports, account, queue) -> Brand:
    return Brand(client, ports, account("brand").auth, queue).with_catalog()


__all__ = ["WrittenCounts", "closer", "counts", "customer", "stripe_payments", "stripe_server"]
