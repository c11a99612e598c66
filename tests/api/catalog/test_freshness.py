"""A product changed by one process shows in another within seconds, on both databases."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from api.accounts.models import Tenant
from api.accounts.scopes import TenantKind
from api.catalog import freshness
from api.catalog.directory import CatalogAcrossTenants
from api.catalog.freshness import ChangedElsewhere
from api.catalog.models import Catalog, Product
from api.catalog.pictures import ProductPictures
from api.catalog.repository import CatalogRepository
from api.kit.blobs import FolderBlobs
from api.kit.clock import FixedClock
from api.kit.db import Database
from tests.patience import until

BASE = "http://house.example"
SECONDS = timedelta(seconds=1)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated store for two processes."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated"), tmp_path / "two.db")
        yield f"sqlite:///{tmp_path / 'two.db'}"
        return
    with request.getfixturevalue("test_databases").migrated() as made:
        yield made


class Process:
    """What a process that serves holds of the catalogs, over a connection of its own."""

    def __init__(self, url: str, clock: FixedClock, folder: Path) -> None:
        self.database = Database(url)
        self.catalogs = CatalogAcrossTenants(self.database, BASE)
        self.pictures = ProductPictures(self.database, FolderBlobs(folder))
        self.changes = ChangedElsewhere(self.database, clock, self.catalogs, self.pictures)
        self.statements: list[tuple[str, Any]] = []
        event.listen(self.database.engine, "before_cursor_execute", self._note)

    def _note(self, *arguments: Any) -> None:
        if str(arguments[2]).startswith("SELECT products"):
            self.statements.append((str(arguments[2]), arguments[3]))

    def prices(self, *ids: str) -> list[int | None]:
        """As a warm answer shows them, from memory alone; None for a product that is not there."""
        found = self.catalogs.peek_products(ids)
        assert found is not None, "an answer would have to wait for the database"
        return [found[one].price_micros if one in found else None for one in ids]


@pytest.fixture
def process(url: str, clock: FixedClock, tmp_path: Path) -> Iterator[Callable[[], Process]]:
    made: list[Process] = []

    def start() -> Process:
        made.append(Process(url, clock, tmp_path / "blobs"))
        return made[-1]

    yield start
    for one in made:
        one.database.close()


@pytest.fixture
def writer(process: Callable[[], Process], clock: FixedClock) -> Process:
    """The process through which products change; three are there for an hour."""
    made = process()
    then = clock.now() - timedelta(hours=1)
    with made.database.write() as session:
        session.add(Tenant(id="tnt_a", kind=TenantKind.brand, name="A", created_at=then))
        session.flush()
        session.add(Catalog(id="ctg_a", tenant_id="tnt_a", name="A", created_at=then))
        session.flush()
        session.add_all([_product(f"prd_{number}", then) for number in range(3)])
    return made


def _product(product_id: str, then: Any) -> Product:
    texts: dict[str, Any] = dict.fromkeys(("description", "brand", "category", "image_link", "mpn", "audience"), "")
    return Product(
        id=product_id,
        tenant_id="tnt_a",
        catalog_id="ctg_a",
        external_id=product_id,
        title="Lamp",
        price_micros=100,
        currency="EUR",
        url="https://shop.example/",
        availability="in_stock",
        row_hash="x",
        index_state="no_picture",
        picture_key="pictures/old",
        created_at=then,
        updated_at=then,
        **texts,
    )


@contextmanager
def changing(writer: Process, clock: FixedClock, product_id: str, **values: Any) -> Iterator[None]:
    """A transaction that has changed a product, and commits when the block ends."""
    with writer.database.write() as session:
        row = session.get(Product, product_id)
        assert row is not None
        for name, value in ({"updated_at": clock.now()} | values).items():
            setattr(row, name, value)
        session.add(row)
        session.flush()
        yield


def change(writer: Process, clock: FixedClock, product_id: str, **values: Any) -> None:
    with changing(writer, clock, product_id, **values):
        pass


IDS = ("prd_0", "prd_1", "prd_2")


@pytest.fixture
def reader(writer: Process, process: Callable[[], Process]) -> Process:
    """Another process, which holds the three products."""
    made = process()
    made.catalogs.products_by_ids(IDS)
    assert made.prices(*IDS) == [100, 100, 100]
    made.statements.clear()
    return made


def test_a_new_price_shows_after_one_look_and_no_answer_waits_for_it(
    reader: Process, writer: Process, clock: FixedClock
) -> None:
    clock.advance(SECONDS)
    change(writer, clock, "prd_1", price_micros=90)
    assert reader.prices(*IDS) == [100, 100, 100]
    assert reader.changes.look() == 1
    assert reader.prices(*IDS) == [100, 90, 100]
    assert len(reader.statements) == 2, "one for what changed, one for the product that was held"


def test_a_removed_product_goes_and_comes_back(reader: Process, writer: Process, clock: FixedClock) -> None:
    clock.advance(SECONDS)
    with writer.database.write() as session:
        assert CatalogRepository(session, "tnt_a").remove_products(["prd_0"], clock.now()) == 1
    reader.changes.look()
    assert reader.prices(*IDS) == [None, 100, 100]
    clock.advance(SECONDS)
    change(writer, clock, "prd_0", deleted_at=None)
    reader.changes.look()
    assert reader.prices(*IDS) == [100, 100, 100]


def test_its_picture_goes_at_the_same_time(reader: Process, writer: Process, clock: FixedClock) -> None:
    assert reader.pictures.view("prd_0") is not None
    clock.advance(SECONDS)
    with writer.database.write() as session:
        CatalogRepository(session, "tnt_a").remove_products(["prd_0"], clock.now())
    assert reader.pictures.view("prd_0") is not None
    reader.changes.look()
    assert reader.pictures.view("prd_0") is None


def test_a_change_that_is_committed_late_is_seen(reader: Process, writer: Process, clock: FixedClock) -> None:
    clock.advance(SECONDS)
    with changing(writer, clock, "prd_2", price_micros=80):
        clock.advance(4 * SECONDS)
        assert reader.changes.look() == 0
        clock.advance(4 * SECONDS)
        assert reader.changes.look() == 0
    clock.advance(SECONDS)
    assert reader.changes.look() == 1
    assert reader.prices(*IDS) == [100, 100, 80]


def test_a_change_is_news_once_and_two_changes_are_twice(reader: Process, writer: Process, clock: FixedClock) -> None:
    clock.advance(SECONDS)
    change(writer, clock, "prd_1", price_micros=90)
    assert [reader.changes.look() for _ in range(3)] == [1, 0, 0]
    clock.advance(SECONDS)
    change(writer, clock, "prd_1", price_micros=70)
    assert [reader.changes.look() for _ in range(3)] == [1, 0, 0]
    assert reader.prices("prd_1") == [70]


def test_when_nothing_changes_a_look_is_one_query_that_finds_nothing(reader: Process, clock: FixedClock) -> None:
    for _ in range(5):
        clock.advance(2 * SECONDS)
        assert reader.changes.look() == 0
    assert len(reader.statements) == 5


def test_products_that_nobody_asked_for_are_not_read(
    process: Callable[[], Process], writer: Process, clock: FixedClock
) -> None:
    cold = process()
    clock.advance(SECONDS)
    change(writer, clock, "prd_1", price_micros=90)
    assert cold.changes.look() == 1
    assert len(cold.statements) == 1
    assert cold.catalogs.peek_products(["prd_1"]) is None


def test_of_too_many_changes_the_newest_come_first(
    reader: Process, writer: Process, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "MOST", 2)
    for product_id in IDS:
        clock.advance(SECONDS)
        change(writer, clock, product_id, price_micros=60)
    assert reader.changes.look() == 2
    assert reader.prices(*IDS) == [100, 60, 60]


def test_what_a_failed_look_did_not_find_the_next_one_does(reader: Process, writer: Process, clock: FixedClock) -> None:
    clock.advance(SECONDS)
    change(writer, clock, "prd_1", price_micros=90)
    with _renamed(writer):
        clock.advance(30 * SECONDS)  # longer than the overlap
        with pytest.raises(SQLAlchemyError):
            reader.changes.look()
    clock.advance(15 * SECONDS)
    assert reader.changes.look() == 1
    assert reader.prices("prd_1") == [90]


@contextmanager
def _renamed(writer: Process) -> Iterator[None]:
    """No table of products, as long as the block lasts."""
    with writer.database.engine.connect().execution_options(write=True) as connection:
        connection.exec_driver_sql("ALTER TABLE products RENAME TO gone")
        connection.commit()
        yield
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO products")
        connection.commit()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_the_watch_goes_on_when_a_server_that_was_away_is_back(
    url: str, reader: Process, writer: Process, clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    name = writer.database.engine.url.database
    server = psycopg.connect(url.replace("+psycopg", "").rpartition("/")[0] + "/postgres", autocommit=True)
    with reader.changes.watching(every_s=0.05):
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        until(lambda: "cannot be looked for" in caplog.text)
        assert reader.prices("prd_0") == [100], "what is held is told all the same"
        time.sleep(0.3)
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        clock.advance(SECONDS)
        change(writer, clock, "prd_0", price_micros=50)
        until(lambda: reader.prices("prd_0") == [50])
    server.close()
    assert caplog.text.count("cannot be looked for") == 1
    looks = len(reader.statements)
    time.sleep(0.2)
    assert len(reader.statements) == looks, "it ends with its block"


def test_a_look_goes_by_the_index_of_changes(reader: Process) -> None:
    reader.changes.look()
    query, parameters = reader.statements[0]
    with reader.database.engine.connect() as connection:
        if not reader.database.is_sqlite:
            connection.exec_driver_sql("SET enable_seqscan = off")  # three rows are read faster as they lie
        word = "EXPLAIN QUERY PLAN" if reader.database.is_sqlite else "EXPLAIN"
        plan = "\n".join(str(row) for row in connection.exec_driver_sql(f"{word} {query}", parameters).all())
    assert "ix_products_updated" in plan
