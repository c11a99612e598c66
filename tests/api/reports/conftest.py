"""The same page as in the tests of events: reports are only true if events came through the front door."""

from tests.api.events.conftest import page  # noqa: F401 - a fixture
