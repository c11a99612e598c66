"""The ports of the house, opened once a process; what differs between the two shapes is chosen here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from api.accounts.auth import Gatekeeper
from api.accounts.sessions import SessionSigner
from api.ads.auction import Auction
from api.ads.spending import Spending
from api.billing.limits import UsageGate
from api.billing.opening import open_limits, open_payments
from api.billing.payments import PaymentProvider
from api.catalog.directory import CatalogAcrossTenants
from api.catalog.pictures import ProductPictures
from api.events.log import EventLog
from api.events.meter import Meter
from api.events.service import Collector
from api.events.store import EventStore
from api.events.tokens import TokenSealer
from api.kit.blobs import BlobStore
from api.kit.clock import Clock, SystemClock
from api.kit.db import Database
from api.kit.fetcher import Fetcher
from api.kit.queue import TaskQueue
from api.kit.secrets import Secrets, load_secrets
from api.media.memory import MediaMemory
from api.media.serving import TagServer
from api.media.shelf import Shelf
from api.media.voters import NetworkShares
from api.search.coclicks import CoClicks
from api.search.exactness import ExactRule
from api.search.index import ProductIndex
from api.search.service import Finder
from api.search.verdicts import Verdicts
from api.search.worn_together import load_worn_together
from api.settings import Settings
from api.shapes import open_blobs, open_event_log, open_event_store, open_index
from api.sites.service import SiteDirectory
from api.vision.service import Eyes


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
    payments: PaymentProvider
    catalogs: CatalogAcrossTenants
    pictures: ProductPictures
    eyes: Eyes
    index: ProductIndex
    finder: Finder
    co_clicks: CoClicks
    verdicts: Verdicts
    event_log: EventLog
    event_store: EventStore
    sealer: TokenSealer
    collector: Collector
    meter: Meter
    network_shares: NetworkShares = field(default_factory=NetworkShares)
    limits: UsageGate = field(init=False)
    shelf: Shelf = field(init=False)
    auction: Auction = field(init=False)
    tags: TagServer = field(init=False)
    closers: list[Callable[[], None]] = field(default_factory=list)

    def close(self) -> None:
        """Close in reverse order of opening."""
        for closer in reversed(self.closers):
            closer()
        self.closers.clear()


def open_ports(settings: Settings, queue: TaskQueue, clock: Clock | None = None) -> Ports:
    """Open everything. Raises at once, with the reason, when a part cannot be had."""
    settings.datadir.mkdir(parents=True, exist_ok=True)
    secrets = load_secrets(settings)
    database = Database(settings.database_url, settings.database.pool_size)
    fetcher = Fetcher(settings.fetch)
    blobs = open_blobs(settings)
    clock = clock or SystemClock()
    event_log = open_event_log(settings)
    event_store = open_event_store(settings)
    sealer = TokenSealer(secrets.token_keys)
    catalogs = CatalogAcrossTenants(database, settings.base_url)
    eyes = Eyes(settings.vision, settings.fetch.max_picture_bytes, settings.datadir / "models")
    index = open_index(settings, eyes)
    co_clicks = CoClicks(database)
    ports = Ports(
        settings=settings,
        clock=clock,
        secrets=secrets,
        database=database,
        queue=queue,
        blobs=blobs,
        fetcher=fetcher,
        gatekeeper=Gatekeeper(database, SessionSigner(secrets.session_key)),
        sites=SiteDirectory(database),
        payments=open_payments(settings.stripe, database),
        catalogs=catalogs,
        pictures=ProductPictures(database, blobs),
        eyes=eyes,
        index=index,
        finder=Finder(
            index,
            catalogs,
            ExactRule(eyes.exact_threshold, eyes.exact_card),
            eyes.similar_floor,
            load_worn_together(eyes.embedder_version, eyes.dim),
            co_clicks.of,
        ),
        co_clicks=co_clicks,
        verdicts=Verdicts(database, secrets.token_keys, eyes.embedder_version, eyes.dim),
        event_log=event_log,
        event_store=event_store,
        sealer=sealer,
        collector=Collector(event_log, sealer, clock),
        meter=Meter(event_log, clock),
    )
    ports.limits = open_limits(ports)
    ports.shelf = Shelf(catalogs, settings.base_url)
    ports.auction = Auction(database, clock, Spending(ports))
    memory = MediaMemory(database, queue, clock, settings.limits.media_per_site_per_day)
    ports.tags = TagServer(memory, ports.shelf, ports.auction, sealer, clock)
    ports.closers += [database.close, fetcher.close, index.close, event_store.close, event_log.close, eyes.close]
    return ports


async def _ports(request: Request) -> Ports:
    # async: FastAPI would send a plain function through the thread pool on every call
    ports: Ports = request.app.state.ports
    return ports


PortsDep = Annotated[Ports, Depends(_ports)]
