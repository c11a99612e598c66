"""A page that sends events, on an app with everything real behind it."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from api.ports import Ports
from tests.api.events.shop_page import ShopPage


@pytest.fixture
def page(ports: Ports, account) -> Iterator[ShopPage]:
    with TestClient(create_app(ports), raise_server_exceptions=False) as client:
        yield ShopPage(client, ports, account("publisher"))
