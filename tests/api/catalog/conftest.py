"""A shop on the web, and a brand at the API whose fetcher may go there."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from api.ports import Ports
from api.settings import FetchSettings, Settings, VisionSettings
from tests.api.catalog.shop import Brand, Shop, open_shop


@pytest.fixture
def shop() -> Iterator[Shop]:
    yield from open_shop()


@pytest.fixture
def settings(settings: Settings, shop: Shop) -> Settings:
    """The usual ones, with a fetcher that may go to the shop."""
    fetch, vision = FetchSettings(allow=shop.host), VisionSettings(decoders=1)
    return settings.model_copy(update={"fetch": fetch, "vision": vision})


@pytest.fixture
def brand(client: TestClient, ports: Ports, account, queue) -> Brand:
    return Brand(client, ports, account("brand").auth, queue).with_catalog()
