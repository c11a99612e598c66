"""A data directory as a start leaves it, and the command as people type it."""

from collections.abc import Callable, Iterator

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.kit.clock import FixedClock
from api.kit.db import Database
from api.kit.migrations import upgrade
from api.ports import Ports, open_ports
from api.settings import Settings
from tests.api.events.conftest import page
from tests.conftest import RecordingQueue
from workers.cli.main import app

Shoplight = Callable[..., Result]


@pytest.fixture
def shoplight() -> Shoplight:
    """`shoplight("search", "a.jpg", "--json")`."""

    def run(*arguments: object) -> Result:
        # wide: a long path in a frame is broken anywhere
        return CliRunner(env={"COLUMNS": "400"}).invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def ports(settings: Settings, queue: RecordingQueue, clock: FixedClock) -> Iterator[Ports]:
    """Migrated, as a start does it, so that a command can take over."""
    database = Database(settings.database_url)
    upgrade(database)
    database.close()
    opened = open_ports(settings, queue, clock)
    yield opened
    opened.close()


__all__ = ["page"]
