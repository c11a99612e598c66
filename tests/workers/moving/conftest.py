"""One house that has been lived in, of which each test gets a copy of its own; and one on servers to move into."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.kit.clock import FixedClock
from api.settings import Settings
from tests.workers.moving.lived_in import EVENING, Inhabitants, finds, looks, opened, settle_in
from tests.workers.moving.servers import house_on_servers


@dataclass(frozen=True)
class Lived:
    """A stopped house on a data directory, who lives there, and what they see of it."""

    settings: Settings
    people: Inhabitants
    seen: dict[str, Any]
    found: list[Any]


@pytest.fixture(scope="session")
def first_house(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    settings = Settings(datadir=tmp_path_factory.mktemp("lived-in") / "data")
    people = settle_in(settings)
    with opened(settings, FixedClock(EVENING)) as house:
        found = finds(house, people)
        house.drain()
        seen = looks(house, people)
        # still in the log when the house is left
        house.post_last(people)
    return Lived(settings, people, seen, found)


@pytest.fixture
def old(first_house: Lived, tmp_path: Path) -> Lived:
    folder = tmp_path / "old"
    shutil.copytree(first_house.settings.datadir, folder, symlinks=True)
    return Lived(Settings(datadir=folder), first_house.people, first_house.seen, first_house.found)


@pytest.fixture
def new(tmp_path: Path) -> Settings:
    return Settings(datadir=tmp_path / "new")


@pytest.fixture
def on_servers(tmp_path: Path) -> Iterator[Settings]:
    """An empty house on PostgreSQL, Kafka, ClickHouse, Milvus and S3."""
    with house_on_servers(tmp_path / "on-servers") as settings:
        yield settings
