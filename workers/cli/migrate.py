"""`shoplight migrate`: every store brought to what this release needs, and made where it is missing. Touches nothing
that a newer release has made. Moving a whole house is moving.py's."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from api.errors import ApiError
from api.events import migrations as events
from api.events.log import LogUnavailable
from api.events.store import StoreUnavailable
from api.kit import migrations as relational
from api.kit.clock import SystemClock
from api.kit.db import Database
from api.kit.readiness import reason_of
from api.search.index import IndexMissing, IndexUnavailable
from api.search.rebuild import Rebuilder
from api.settings import Settings
from api.settings_check import Role
from api.shapes import open_blobs, open_event_store, open_index
from api.vision.service import Eyes
from workers.cli import moving
from workers.cli.processes import begin, give_up
from workers.cli.remote import AsJson

log = logging.getLogger(__name__)
ROLE = Role.migrate
MAINTENANCE = "postgres"  # the database that every PostgreSQL has
_AWAY = (SQLAlchemyError, ApiError, StoreUnavailable, LogUnavailable, IndexUnavailable, OSError)


class TooNew(Exception):
    """A newer release has been here: going on would undo or misread what it made."""


def migrate(
    source: Annotated[Path | None, typer.Option("--from", help="Move a data directory into this house.")] = None,
    into: Annotated[Path | None, typer.Option(help="Move this house into a new data directory.")] = None,
    take_back: Annotated[bool, typer.Option("--take-back", help="Open a house again that has moved.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="With --take-back: the data directory that moved.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring all stores to the schemas of this release; make topic, bucket and index where they are missing."""
    settings = begin(ROLE)
    if sum((source is not None, into is not None, take_back)) > 1:
        give_up(ROLE, "one of --from, --into and --take-back at a time")
    if source is not None:
        moving.move_from(source, as_json=as_json)
    elif into is not None:
        moving.move_into(into, as_json=as_json)
    elif take_back:
        moving.open_again(as_json=as_json, folder=data_dir)
    else:
        _bring_up(settings)


def _bring_up(settings: Settings) -> None:
    settings.datadir.mkdir(parents=True, exist_ok=True)
    failed = []
    for name, step in _steps(settings):
        try:
            typer.echo(f"{name}: {step()}")
        except TooNew as error:
            failed.append(f"{name}: {error}")
        except _AWAY as error:
            failed.append(f"{name}: {reason_of(error, settings.secret_values())}")
    if failed:
        give_up(ROLE, "; ".join([*failed, "what worked is done; run it again for the rest"]))


def _steps(settings: Settings) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "database", lambda: _database(settings)
    yield "event store", lambda: _event_store(settings)
    if settings.events.kafka_servers:
        yield "event log", lambda: _topic(settings)
    if settings.blobs.s3_bucket:
        yield "blobs", lambda: _bucket(settings)
    if settings.index.milvus_url:
        yield "index", lambda: _index(settings)


def _database(settings: Settings) -> str:
    database = Database(settings.database_url)
    try:
        made = _made_database(database)
        problem = relational.schema_problem(database)
        if problem and "newer" in problem:
            raise TooNew(problem)
        relational.upgrade(database)
        current, _ = relational.current_and_head(database)
    finally:
        database.close()
    return f"{'made, ' if made else ''}at schema {current}{'' if problem else ', as before'}"


def _made_database(database: Database) -> bool:
    """Create the database on its server where it is missing and we may."""
    if database.is_sqlite:
        return False
    try:
        database.check()
    except OperationalError as error:
        url = make_url(database.url)
        if "does not exist" not in str(error.orig) or not url.database:
            raise
        anywhere: Engine = create_engine(url.set(database=MAINTENANCE), isolation_level="AUTOCOMMIT")
        try:
            with anywhere.connect() as connection:
                name = anywhere.dialect.identifier_preparer.quote(url.database)
                connection.exec_driver_sql(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        finally:
            anywhere.dispose()
        return True
    return False


def _event_store(settings: Settings) -> str:
    store = open_event_store(settings)
    try:
        unknown = events.newer(store)
        if unknown:
            raise TooNew(f"the event store has {', '.join(unknown)} of a newer version: install that version")
        applied = events.migrate(store)
    finally:
        store.close()
    return f"applied {', '.join(applied)}" if applied else "at this release's schema, as before"


def _topic(settings: Settings) -> str:
    from api.events.kafka_client import KafkaClient  # noqa: PLC0415 - a library of the scale-out shape

    kafka = KafkaClient(settings.events)
    try:
        return f"topic {settings.events.kafka_topic} with {kafka.partitions()} partitions"
    finally:
        kafka.drop()


def _bucket(settings: Settings) -> str:
    from api.kit.s3_blobs import S3Blobs  # noqa: PLC0415 - a library of the scale-out shape

    blobs = open_blobs(settings)
    made = isinstance(blobs, S3Blobs) and blobs.prepare()
    return f"bucket {settings.blobs.s3_bucket}{' made' if made else ', as before'}"


def _index(settings: Settings) -> str:
    eyes = Eyes(settings.vision, settings.fetch.max_picture_bytes)
    index, database = open_index(settings, eyes), Database(settings.database_url)
    try:
        index.check()
    except IndexMissing:
        done = Rebuilder(database, index, eyes.embedder_version, eyes.dim).reindex(SystemClock().now())
        return f"made, with {done.products} products" if done else "another process is making it"
    finally:
        index.close()
        database.close()
        eyes.close()
    return "serves, as before"
