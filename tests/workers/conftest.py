"""What tests of films share: streams are made once a session."""

from pathlib import Path

import pytest

from tests.workers.hls_streams import make


@pytest.fixture(scope="session")
def hls_folder(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See `hls_streams.make`."""
    return make(tmp_path_factory.mktemp("hls"), shared_data)
