"""The ports of the house, opened once a process; what differs between the two shapes is chosen here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from api.accounts.auth import Gatekeeper
from api.accounts.sessions import SessionSigner
from api.kit.blobs import BlobStore, FolderBlobs
from api.kit.clock import Clock, SystemClock
from api.kit.db import Database
from api.kit.fetcher import Fetcher
from api.kit.queue import TaskQueue
from api.kit.secrets import Secrets, load_secrets
from api.settings import Settings
from api.sites.service import SiteDirectory


@dataclass
class Ports:
    """Everything a service may need beyond its arguments. Opened by `open_ports`, closed by `close`."""

    settings: Settings
    clock: Clock
    secrets: Secrets
    database: Database
    queue: TaskQueue
    blobs: BlobStore
    fetcher: Fetcher
    gatekeeper: Gatekeeper
    sites: SiteDirectory
    closers: list[Callable[[], None]] = field(default_factory=list)

    def health_checks(self) -> dict[str, Callable[[], object]]:
        """What `/readyz` tries; each raises when its part cannot serve."""
        return {"database": self.database.check}

    def close(self) -> None:
        """Close in reverse order of opening."""
        for closer in reversed(self.closers):
            closer()
        self.closers.clear()


def open_ports(settings: Settings, queue: TaskQueue, clock: Clock | None = None) -> Ports:
    """Open everything. Raises at once, with the reason, when a part cannot be had."""
    settings.datadir.mkdir(parents=True, exist_ok=True)
    secrets = load_secrets(settings)
    database = Database(settings.database_url)
    fetcher = Fetcher(settings.fetch)
    ports = Ports(
        settings=settings,
        clock=clock or SystemClock(),
        secrets=secrets,
        database=database,
        queue=queue,
        blobs=FolderBlobs(settings.datadir / "blobs"),
        fetcher=fetcher,
        gatekeeper=Gatekeeper(database, SessionSigner(secrets.session_key)),
        sites=SiteDirectory(database),
    )
    ports.closers += [database.close, fetcher.close]
    return ports


def _ports(request: Request) -> Ports:
    ports: Ports = request.app.state.ports
    return ports


PortsDep = Annotated[Ports, Depends(_ports)]
