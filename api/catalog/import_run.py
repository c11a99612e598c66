"""An import from its claim to its end: check the whole feed, land its rows, remove what it no longer has, look at the
pictures. Every step can be taken up by another process where this one was killed."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from api.catalog.across_tenants_repository import ImportsAcrossTenants
from api.catalog.feeds.reader import Feed, FeedOptions, open_feed
from api.catalog.feeds.rows import FeedUnreadable, RowError
from api.catalog.import_step import MAX_FAULTS, Landing, Prepared, faults_of, prepare
from api.catalog.indexing import Indexer
from api.catalog.lease import Lease, LeaseLost, claim, heartbeat
from api.catalog.models import Import
from api.catalog.repository import CatalogRepository, ImportRepository
from api.kit.blobs import BlobNotFound, BlobsUnavailable
from api.kit.fetcher import FetchFailed, FetchRefused
from api.ports import Ports
from api.search.index import IndexUnavailable

log = logging.getLogger(__name__)
CHUNK = 500
# attempts count those that got nowhere: a long import may outlive many restarts
PROGRESS = {"attempts": 0}
ZIPPED = "zip/"
MAX_ATTEMPTS = 5


class _GivenUp(Exception):
    """The import ends as failed; `error` says why."""

    def __init__(self, error: RowError) -> None:
        super().__init__(error.reason)
        self.error = error


def run_import(ports: Ports, import_id: str) -> None:
    """Do what is left of an import, unless somebody else does. Then hint at the catalog's next one. Without the product
    index it waits: the sweep asks again."""
    try:
        ports.index.check()
    except IndexUnavailable as error:
        log.info("import %s waits: %s", import_id, error.detail)
        return
    claimed = claim(ports, import_id)
    if claimed is None:
        return
    job, lease = claimed
    try:
        with heartbeat(lease):
            ImportRun(ports, job, lease).run()
    except LeaseLost:
        log.warning("import %s was taken over", import_id)
        return
    except (IndexUnavailable, BlobsUnavailable) as error:
        log.warning("import %s waits in its step %s: %s", import_id, job.step, error)
        with suppress(LeaseLost):
            lease.give_back()
        return
    with ports.database.read() as session:
        following = ImportsAcrossTenants(session).next_of(job.catalog_id)
    if following:
        ports.queue.send("catalog.run_import", import_id=following)


class ImportRun:
    """One attempt at an import that this process holds."""

    def __init__(self, ports: Ports, job: Import, lease: Lease) -> None:
        self._ports = ports
        self._job = job
        self._lease = lease
        self._key = job.feed_key or f"feeds/{job.id}"

    def run(self) -> None:
        """The steps, from the one where the last attempt stopped."""
        steps: dict[str, Callable[[], None]] = {
            "checking": self._check,
            "landing": self._land,
            "removing": self._remove,
            "indexing": self._index,
        }
        try:
            if self._job.attempts > MAX_ATTEMPTS:
                raise _GivenUp(RowError(None, None, "It broke off several times; that is our fault and in our log."))
            for name in list(steps)[list(steps).index(self._job.step) :]:
                steps[name]()
            self._finish("done", None)
        except _GivenUp as end:
            self._finish("failed", end.error)
        self._ports.blobs.delete(self._key)

    def _check(self) -> None:
        """Fetch the feed and read it to its end once: a feed that breaks off changes nothing at all."""
        with self._ports.database.read() as session:
            if CatalogRepository(session, self._job.tenant_id).catalog(self._job.catalog_id) is None:
                raise _GivenUp(RowError(None, None, "the catalog was deleted"))
        self._fetch()
        with self._opened() as feed:
            count = 0
            for count, _ in enumerate(feed.rows, 1):
                if count > self._ports.settings.limits.import_max_rows:
                    limit = self._ports.settings.limits.import_max_rows
                    raise _GivenUp(RowError(None, None, f"the feed has more than {limit} rows"))
            if count == 0:
                raise _GivenUp(RowError(None, None, "the feed has no products"))
            self._set(step="landing", format=f"{ZIPPED if feed.archive else ''}{feed.format}", warnings=feed.remarks())

    def _land(self) -> None:
        with self._opened() as feed:
            rows = islice(feed.rows, self._job.rows_read, None)
            while chunk := list(islice(rows, CHUNK)):
                self._land_chunk([prepare(row, feed.archive, self._job.feed_url) for row in chunk])
        self._set(step="removing")

    def _land_chunk(self, chunk: list[Prepared]) -> None:
        now = self._ports.clock.now()
        with self._ports.database.write() as session:
            rows = ImportRepository(session, self._job.tenant_id)
            self._lease.keep(rows, now)
            landing = Landing(rows, self._job, now)
            landing.land(chunk)
            self._note(rows, landing.errors)
            rows.advance(self._job.id, PROGRESS, landing.adds)
        self._ports.index.remove(self._job.catalog_id, landing.withdrawn)
        self._ports.catalogs.forget(landing.touched)

    def _remove(self) -> None:
        """The feed was read to its end: what it no longer has goes, from the index first."""
        while self._job.mode == "full":
            with self._ports.database.read() as session:
                rows = CatalogRepository(session, self._job.tenant_id)
                gone = rows.live_product_ids(self._job.catalog_id, CHUNK, but_seen_by=self._job.id)
            if not gone:
                break
            self._ports.index.remove(self._job.catalog_id, gone)
            now = self._ports.clock.now()
            with self._ports.database.write() as session:
                imports = ImportRepository(session, self._job.tenant_id)
                self._lease.keep(imports, now)
                removed = CatalogRepository(session, self._job.tenant_id).remove_products(gone, now)
                imports.advance(self._job.id, {}, {"removed": removed})
            self._ports.catalogs.forget(gone)
        self._set(step="indexing")

    def _index(self) -> None:
        indexer = Indexer(self._ports, self._job.tenant_id, self._job.catalog_id, self._job, self._lease)
        if (self._job.format or "").startswith(ZIPPED):
            with self._opened() as feed:
                indexer.run(feed.archive)
        else:
            indexer.run(None)

    def _fetch(self) -> None:
        if self._job.feed_url is None or self._ports.blobs.exists(self._key):
            return
        with tempfile.TemporaryDirectory(dir=self._ports.settings.datadir) as folder:
            path = Path(folder) / "feed"
            try:
                limit = self._ports.settings.fetch.max_feed_bytes
                self._ports.fetcher.fetch_to(path, self._job.feed_url, max_bytes=limit)
            except (FetchRefused, FetchFailed) as error:
                raise _GivenUp(RowError(None, "feed_url", error.reason)) from error
            self._ports.blobs.put_file(self._key, path)

    @contextmanager
    def _opened(self) -> Iterator[Feed]:
        try:
            with self._ports.blobs.path(self._key) as path, open_feed(path, self._options()) as feed:
                yield feed
        except FeedUnreadable as error:
            raise _GivenUp(RowError(error.line, None, error.reason)) from error
        except BlobNotFound as error:
            raise _GivenUp(RowError(None, None, "the feed's file is gone; import it again")) from error

    def _options(self) -> FeedOptions:
        shop = self._job.shop_url
        if shop is None and self._job.feed_url:
            parts = urlsplit(self._job.feed_url)
            shop = f"{parts.scheme}://{parts.netloc}"
        return FeedOptions(shop, self._job.currency, self._ports.settings.fetch.max_feed_bytes)

    def _set(self, **changes: object) -> None:
        with self._ports.database.write() as session:
            rows = ImportRepository(session, self._job.tenant_id)
            self._lease.keep(rows, self._ports.clock.now())
            rows.advance(self._job.id, changes, {})
        for name, value in changes.items():
            setattr(self._job, name, value)

    def _note(self, rows: ImportRepository, errors: list[RowError]) -> None:
        """Count every error, keep the first thousand."""
        if not errors:
            return
        job = rows.get(self._job.id)
        held = job.errors_total if job else 0
        rows.add_faults(faults_of(self._job, errors, MAX_FAULTS - held))
        rows.advance(self._job.id, {}, {"errors_total": len(errors)})

    def _finish(self, state: str, error: RowError | None) -> None:
        now = self._ports.clock.now()
        with self._ports.database.write() as session:
            rows = ImportRepository(session, self._job.tenant_id)
            self._lease.keep(rows, now)
            self._note(rows, [error] if error else [])
            rows.advance(self._job.id, {"state": state, "finished_at": now, "lease": None, "lease_until": None}, {})
