"""The same page as in the tests of events, on both sides of the event store: reports are only true if events came
through the front door."""

from collections.abc import Iterator

import pytest

from api.settings import Settings
from tests.api.events.conftest import page  # noqa: F401 - a fixture
from tests.event_stores import SIDES, own_database


@pytest.fixture(params=SIDES)
def settings(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Settings]:
    """On both sides of the event store."""
    if request.param == "chdb":
        yield settings
        return
    with own_database() as url:
        events = settings.events.model_copy(update={"clickhouse_url": url})
        yield settings.model_copy(update={"events": events})
