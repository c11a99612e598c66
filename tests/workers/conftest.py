"""What tests of pictures and films share: a site with its pictures and brands, and streams, made once a session. Each
file says with its own `settings` how long the fetcher waits for `web`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.ports import Ports
from tests.api.media.world import Web, World, open_web, open_world
from tests.workers.hls_streams import make


@pytest.fixture
def web() -> Iterator[Web]:
    with open_web() as opened:
        yield opened


@pytest.fixture
def world(client: TestClient, ports: Ports, queue, web: Web, account) -> World:
    return open_world(client, ports, queue, web, account)


@pytest.fixture(scope="session")
def hls_folder(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See `hls_streams.make`."""
    return make(tmp_path_factory.mktemp("hls"), shared_data)
