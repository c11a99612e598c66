"""From waiting products to searchable ones: pictures fetched (or taken from the feed's ZIP), kept, embedded, indexed. A
product is settled in one transaction with its vector, after the index has it: whatever is killed here is done again."""

import hashlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.catalog.feeds.archive import FeedArchive, PictureMissing
from api.catalog.feeds.rows import RowError
from api.catalog.import_step import MAX_FAULTS, faults_of
from api.catalog.lease import Lease
from api.catalog.models import Import, Product, ProductVector
from api.catalog.repository import ImportRepository
from api.kit.blobs import BlobNotFound
from api.kit.fetcher import FetchFailed, FetchRefused
from api.kit.names import storable
from api.ports import Ports
from api.search.index import IndexUnavailable
from api.search.outfits import Slot, slot_of
from api.search.rebuild import index_row
from api.vision.errors import PictureError, PictureFault

log = logging.getLogger(__name__)
BATCH = 32
FETCHERS = 8  # each may hold one picture's bytes
LOOKING = 2  # pictures decoded and embedded at once; visitors' searches need the cores too
BUSY_TRIES = 20
# what the detector calls things that are worn next to the skin, which is then no colour of theirs
LABELS = {slot: str(slot) for slot in (Slot.top, Slot.outerwear, Slot.dress, Slot.footwear)} | {Slot.bottom: "pants"}
ACCEPT = "image/avif,image/webp,image/*;q=0.9,*/*;q=0.5"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What came of one product: a vector and its looks (as stored), or the reason why there are none."""

    vector: NDArray[np.float32] | None
    key: str | None
    error: str | None
    looks: Mapping[str, Any] | None = None


def withdraw(ports: Ports, catalog_id: str, product_ids: Sequence[str] | None = None) -> None:
    """Take removed products, or a whole catalog, out of the index. The rows have the last word on what is shown, so an
    index that is away keeps nobody from removing: it is compared with them (workers/search.py) when it is back."""
    try:
        if product_ids is None:
            ports.index.drop_catalog(catalog_id)
        else:
            ports.index.remove(catalog_id, product_ids)
    except IndexUnavailable as error:
        log.warning("products of %s are still in the index: %s", catalog_id, error.detail)


class Indexer:
    """Works through a catalog's waiting products; on behalf of an import it notes what fails, and counts."""

    def __init__(
        self, ports: Ports, tenant_id: str, catalog_id: str, job: Import | None = None, lease: Lease | None = None
    ) -> None:
        self._ports = ports
        self._tenant_id = tenant_id
        self._catalog_id = catalog_id
        self._job = job
        self._lease = lease
        self._version = ports.eyes.embedder_version
        self._looking = threading.Semaphore(LOOKING)

    def run(self, archive: FeedArchive | None) -> None:
        """Until nothing waits. Raises IndexUnavailable, before any picture of a batch is fetched where that can be."""
        with ThreadPoolExecutor(FETCHERS, thread_name_prefix="product-pictures") as fetchers:
            while batch := self._waiting():
                self._ports.index.check()
                self._look_at(batch, archive, fetchers)

    def _waiting(self) -> Sequence[Product]:
        with self._ports.database.read() as session:
            return ImportRepository(session, self._tenant_id).pending(self._catalog_id, BATCH)

    def _look_at(self, batch: Sequence[Product], archive: FeedArchive | None, fetchers: ThreadPoolExecutor) -> None:
        with self._ports.database.read() as session:
            held = ImportRepository(session, self._tenant_id).vectors([row.id for row in batch], self._version)
        seen: dict[str, _Seen] = {}
        unseen: list[Product] = []
        for row in batch:
            if row.picture_from == row.picture_source and row.id in held:
                # the picture is the same: only what the index filters by has changed
                vector, looks = held[row.id]
                seen[row.id] = _Seen(np.frombuffer(vector, "<f4"), None, None, looks)
            else:
                unseen.append(row)
        outcomes = fetchers.map(lambda row: self._seen(self._bytes(row, archive), row.category), unseen)
        seen |= dict(zip((row.id for row in unseen), outcomes, strict=True))
        self._settle(batch, seen)

    def _bytes(self, row: Product, archive: FeedArchive | None) -> bytes | str:
        """The picture's bytes, or the reason why they cannot be had."""
        source = row.picture_source or ""
        limit = self._ports.settings.fetch.max_picture_bytes
        try:
            if row.picture_key and row.picture_from == source:
                return self._ports.blobs.get(row.picture_key)
        except BlobNotFound:
            log.warning("the picture of product %s is gone; it is fetched again", row.id)
        try:
            if not source.startswith("zip:"):
                return self._ports.fetcher.fetch(source, max_bytes=limit, accept=ACCEPT).body
            if archive is None:
                return "came in a ZIP that is no longer here; import it again"
            return archive.picture(source.split(":", 2)[2], limit)
        except (FetchRefused, FetchFailed, PictureMissing) as error:
            return error.reason

    def _seen(self, data: bytes | str, category: str) -> _Seen:
        if isinstance(data, str):
            return _Seen(None, None, data)
        try:
            with self._looking:
                vector, looks = self._looked_at(data, category)
        except PictureError as error:
            return _Seen(None, None, error.reason)
        digest = hashlib.sha256(data).hexdigest()
        key = f"pictures/{digest[:2]}/{digest}"
        if not self._ports.blobs.exists(key):
            self._ports.blobs.put(key, data)
        return _Seen(vector, key, None, looks)

    def _looked_at(self, data: bytes, category: str) -> tuple[NDArray[np.float32], dict[str, Any]]:
        for turn in range(BUSY_TRIES):
            try:
                picture = self._ports.eyes.decode(data)
            except PictureError as error:
                if error.code != PictureFault.BUSY or turn + 1 == BUSY_TRIES:
                    raise
                time.sleep(0.25)  # visitors come first; an import can wait
                continue
            eyes = self._ports.eyes
            looks = eyes.attributes(picture, None, [LABELS.get(slot_of(category) or Slot.bag)])[0]
            return eyes.embed(picture, None)[0], looks.stored()
        raise AssertionError("unreachable: the last turn returns or raises")

    def _settle(self, batch: Sequence[Product], seen: dict[str, _Seen]) -> None:
        rows = [index_row(row, one.vector, one.looks) for row in batch if (one := seen[row.id]).vector is not None]
        self._ports.index.put(self._catalog_id, rows)
        overtaken: list[str] = []
        with self._ports.database.write() as session:
            repository = ImportRepository(session, self._tenant_id)
            if self._lease is not None:
                self._lease.keep(repository, self._ports.clock.now())
            indexed, errors = 0, list[RowError]()
            for row in batch:
                outcome = seen[row.id]
                if not self._store(repository, row, outcome):
                    overtaken.append(row.id)
                elif self._job is not None and row.seen_import_id == self._job.id:
                    indexed += outcome.vector is not None
                    if outcome.error:
                        errors.append(RowError(row.feed_line, "image_link", outcome.error))
            self._count(repository, indexed, errors)
        # changed or removed while we looked: what waits is looked at again, what is gone must not come back
        failed = [row.id for row in batch if seen[row.id].vector is None]
        if overtaken or failed:
            self._ports.index.remove(self._catalog_id, [*overtaken, *failed])
        self._ports.catalogs.forget(row.id for row in batch)
        self._ports.pictures.forget(row.id for row in batch)

    def _store(self, repository: ImportRepository, row: Product, outcome: _Seen) -> bool:
        picture = (row.picture_source or "", outcome.key) if outcome.key else None
        state = "indexed" if outcome.vector is not None else "failed"
        error = storable(outcome.error) if outcome.error else None
        if not repository.settle(row, state, error, picture):
            return False
        if outcome.vector is not None and outcome.key is not None:
            repository.store_vector(
                ProductVector(
                    product_id=row.id,
                    tenant_id=row.tenant_id,
                    catalog_id=row.catalog_id,
                    embedder_version=self._version,
                    vector=np.ascontiguousarray(outcome.vector, "<f4").tobytes(),
                    seen=dict(outcome.looks) if outcome.looks else None,
                )
            )
        return True

    def _count(self, repository: ImportRepository, indexed: int, errors: list[RowError]) -> None:
        if self._job is None:
            return
        job = repository.get(self._job.id)
        held = job.errors_total if job else 0
        repository.add_faults(faults_of(self._job, errors, MAX_FAULTS - held))
        repository.advance(self._job.id, {"attempts": 0}, {"indexed": indexed, "errors_total": len(errors)})
