"""The rules of imports: asking for one, looking at one, and finding those that wait."""

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from api.accounts.service import AccountService
from api.catalog.across_tenants_repository import CatalogRowsAcrossTenants, ImportsAcrossTenants
from api.catalog.import_run import CHUNK, run_import
from api.catalog.import_step import MAX_FAULTS
from api.catalog.indexing import Indexer
from api.catalog.models import Import
from api.catalog.repository import CatalogRepository, ImportRepository
from api.catalog.schemas import ImportCounts, ImportErrorRead, ImportMode, ImportRead, ImportState
from api.errors import Conflict, NotFound
from api.kit.blobs import BlobsUnavailable
from api.kit.ids import new_id
from api.kit.paging import Cursor
from api.ports import Ports
from api.search.index import IndexUnavailable

log = logging.getLogger(__name__)
MAX_WAITING = 20
ERRORS_IN_LISTS = 10
_looked_again: set[tuple[str, str]] = set()

__all__ = ["ImportService", "index_products", "look_again", "run_import", "sweep"]


class ImportService:
    """One tenant's imports."""

    def __init__(self, session: Session, tenant_id: str, actor: str, now: datetime) -> None:
        self._rows = ImportRepository(session, tenant_id)
        self._catalogs = CatalogRepository(session, tenant_id)
        self._account = AccountService(session, tenant_id, actor, now)
        self._tenant_id = tenant_id
        self._now = now

    def check(self, catalog_id: str) -> None:
        """Whether an import may be asked for: before a gigabyte is taken in."""
        if self._catalogs.catalog(catalog_id) is None:
            raise NotFound("There is no such catalog.", code="catalog_not_found")
        if self._rows.unfinished(catalog_id) >= MAX_WAITING:
            raise Conflict(f"{MAX_WAITING} imports of this catalog wait already.", code="too_many_imports")

    def create(
        self,
        catalog_id: str,
        *,
        mode: ImportMode,
        feed_key: str | None = None,
        feed_url: str | None = None,
        shop_url: str | None = None,
        currency: str | None = None,
    ) -> ImportRead:
        """Queue an import of a stored feed (`feed_key`) or of an address (`feed_url`)."""
        self._rows.take_turns(catalog_id)  # two at once must not both be the twentieth
        self.check(catalog_id)
        job = Import(
            id=new_id("imp"),
            tenant_id=self._tenant_id,
            catalog_id=catalog_id,
            state="queued",
            mode=mode,
            feed_key=feed_key,
            feed_url=feed_url,
            shop_url=shop_url,
            currency=currency,
            created_at=self._now,
        )
        self._catalogs.add(job)
        self._account.record("catalog.import_started", job.id)
        return _read(job, [])

    def get(self, import_id: str) -> ImportRead:
        """One import with its first thousand errors."""
        job = self._rows.get(import_id)
        if job is None:
            raise NotFound("There is no such import.", code="import_not_found")
        return self._with_errors(job, MAX_FAULTS)

    def page(self, catalog_id: str, cursor: Cursor) -> Sequence[ImportRead]:
        """A catalog's imports, newest first, with their first errors; one more than the page holds."""
        if self._catalogs.catalog(catalog_id) is None:
            raise NotFound("There is no such catalog.", code="catalog_not_found")
        jobs = self._rows.page(catalog_id, cursor.after, cursor.limit)
        return [self._with_errors(job, ERRORS_IN_LISTS) for job in jobs]

    def _with_errors(self, job: Import, limit: int) -> ImportRead:
        faults = self._rows.faults(job.id, limit)
        return _read(job, [ImportErrorRead(line=row.line, field=row.field, reason=row.reason) for row in faults])


def _read(job: Import, errors: list[ImportErrorRead]) -> ImportRead:
    counts = ImportCounts(
        read=job.rows_read,
        created=job.created,
        updated=job.updated,
        unchanged=job.unchanged,
        removed=job.removed,
        failed=job.failed,
        indexed=job.indexed,
    )
    return ImportRead(
        id=job.id,
        catalog_id=job.catalog_id,
        state=ImportState(job.state),
        mode=ImportMode(job.mode),
        format=job.format,
        counts=counts,
        errors=errors,
        errors_total=job.errors_total,
        warnings=job.warnings,
        created_at=job.created_at,
        finished_at=job.finished_at,
    )


def index_products(ports: Ports, catalog_id: str) -> None:
    """Look at the pictures that wait in a catalog; of a deleted catalog, clear the products away."""
    with ports.database.read() as session:
        rows = CatalogRowsAcrossTenants(session)
        tenant_id, live = rows.owner(catalog_id), rows.live(catalog_id)
    if tenant_id is None:
        return
    with ports.database.alone(f"catalog.index_products {catalog_id}") as alone:
        if not alone:
            return  # another worker is at it; what came in behind its back is swept up
        try:
            if live:
                Indexer(ports, tenant_id, catalog_id).run(None)
            else:
                _clear_away(ports, tenant_id, catalog_id)
        except (IndexUnavailable, BlobsUnavailable) as error:
            log.info("the products of %s wait: %s", catalog_id, error)


def _clear_away(ports: Ports, tenant_id: str, catalog_id: str) -> None:
    ports.index.drop_catalog(catalog_id)
    gone = [catalog_id]
    while gone:
        with ports.database.write() as session:
            gone = CatalogRepository(session, tenant_id).clear_away(catalog_id, CHUNK)
        ports.catalogs.forget(gone)


def sweep(ports: Ports) -> None:
    """Hint again at everything that waits or was left behind by a process that is gone."""
    _look_again_once(ports)
    with ports.database.read() as session:
        imports = ImportsAcrossTenants(session)
        waiting = imports.claimable(ports.clock.now())
        catalogs = {*imports.catalogs_with_pending(100), *imports.deleted_catalogs_with_products(100)}
    for import_id in waiting:
        ports.queue.send("catalog.run_import", import_id=import_id)
    for catalog_id in sorted(catalogs):
        ports.queue.send("catalog.index_products", catalog_id=catalog_id)


def look_again(ports: Ports) -> int:
    """After a change of the eyes: have every product that others saw looked at again; how many."""
    with ports.database.write() as session:
        return CatalogRowsAcrossTenants(session).seen_by_other_eyes(ports.eyes.embedder_version)


def _look_again_once(ports: Ports) -> None:
    """The embedder cannot change while a process runs, so its first sweep is enough."""
    known = (ports.database.url, ports.eyes.embedder_version)
    if known not in _looked_again:
        look_again(ports)
        _looked_again.add(known)
