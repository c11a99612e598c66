"""Real photographs, and a world with a site, its pictures and brands."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from api.ports import Ports
from api.settings import FetchSettings, Settings
from tests.api.media.world import Web, World, open_web, open_world


@pytest.fixture(scope="session")
def street_photos(shared_data: Path) -> list[NDArray[np.uint8]]:
    """Two real street photographs, RGB."""
    paths = sorted((shared_data / "streetstyle").rglob("*.jpg"))[:2]
    return [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]


@pytest.fixture
def web() -> Iterator[Web]:
    with open_web() as opened:
        yield opened


@pytest.fixture
def settings(settings: Settings, web: Web) -> Settings:
    """The usual ones, with a fetcher that may go to the publisher's pictures."""
    return settings.model_copy(update={"fetch": FetchSettings(allow=web.host)})


@pytest.fixture
def world(client: TestClient, ports: Ports, queue, web: Web, account) -> World:
    return open_world(client, ports, queue, web, account)
