"""What `serve`, `worker`, `sink` and `beat` have in common: how one begins, and what it refuses to begin with."""

import atexit
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from sqlalchemy.exc import SQLAlchemyError

from api.events.log import LogUnavailable
from api.events.migrations import pending
from api.events.store import EventStore, StoreUnavailable
from api.kit import logs, tracing
from api.kit.db import Database
from api.kit.migrations import schema_problem
from api.kit.readiness import reason_of
from api.moving.service import moving_problem
from api.ports import Ports, open_ports
from api.settings import Settings
from api.settings_check import Role, WrongSettings, checked
from workers import celery_app
from workers.cli.web import AddressInUse, listening_socket

log = logging.getLogger(__name__)


def settings_for(role: Role) -> Settings:
    """The settings, checked for what this role needs. When they are wrong: all that is, by name, and status 2."""
    try:
        return checked(role)
    except WrongSettings as wrong:
        typer.echo(f"shoplight {role}: these settings are wrong:", err=True)
        for problem in wrong.problems:
            typer.echo(f"  {problem}", err=True)
        raise typer.Exit(2) from wrong


def begin(role: Role) -> Settings:
    """The settings for this role; logs and traces as they say."""
    settings = settings_for(role)
    logs.configure(settings.telemetry)
    tracing.start(settings.telemetry, role)
    atexit.register(tracing.stop)
    return settings


def bound(settings: Settings, role: Role) -> socket.socket:
    """The listening socket of `http.host` and `http.port`."""
    http = settings.http
    try:
        return listening_socket(http.host, http.port, reuse_port=http.reuse_port)
    except AddressInUse as error:
        give_up(role, f"{error}. Choose another with SHOPLIGHT_HTTP_PORT, or 0 for any free one.")


@contextmanager
def opened(settings: Settings, role: Role) -> Iterator[Ports]:
    """All ports, closed at the end: the spool is then on its way or safe on the disk."""
    try:
        ports = open_ports(settings, celery_app.configure(settings))
    except LogUnavailable as error:
        give_up(role, f"{error}. Each process needs a folder of its own: set SHOPLIGHT_DATADIR.")
    except OSError as error:
        give_up(role, f"{error}. SHOPLIGHT_DATADIR must name a folder that can be written.")
    try:
        refuse_older_database(role, ports.database)
        refuse_older_events(role, ports.event_store)
        yield ports
    finally:
        ports.close()


def refuse_older_database(role: Role, database: Database) -> None:
    """End when the tables are not those of this release. A server that is away is asked again by `/readyz`."""
    try:
        problem = schema_problem(database) or moving_problem(database)
    except SQLAlchemyError as error:
        log.warning("the database cannot be asked for its schema yet: %s", reason_of(error))
    else:
        if problem:
            give_up(role, problem)


def refuse_older_events(role: Role, store: EventStore) -> None:
    """The same for the event store."""
    try:
        missing = pending(store)
    except StoreUnavailable as error:
        log.warning("the event store cannot be asked for its schema yet: %s", reason_of(error))
    else:
        if missing:
            give_up(role, f"the event store lacks {', '.join(missing)}: run `shoplight migrate`")


def address(listener: socket.socket) -> str:
    """Where a bound socket is found."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def give_up(role: Role, reason: str) -> NoReturn:
    """End with one line for people and status 1."""
    typer.echo(f"shoplight {role}: {reason}", err=True)
    raise typer.Exit(1)
