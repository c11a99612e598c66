"""A worker's hold on an import: renewed in the background while it works, lapsing soon after its process is gone."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from api.catalog.across_tenants_repository import ImportsAcrossTenants
from api.catalog.models import Import
from api.catalog.repository import ImportRepository
from api.kit.ids import new_id
from api.ports import Ports

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=30)
RENEW_S = 8.0


class LeaseLost(Exception):
    """Another process has taken the import over; this one must write nothing more."""


class Lease:
    """The right to write to one import."""

    def __init__(self, ports: Ports, job: Import, token: str) -> None:
        self._ports = ports
        self._job = job
        self._token = token

    def keep(self, rows: ImportRepository, now: datetime) -> None:
        """Renew, in the transaction of whatever is written; raises LeaseLost, and then nothing of it is stored."""
        if not rows.keep_lease(self._job.id, self._token, now + LEASE):
            raise LeaseLost(self._job.id)

    def renew(self) -> None:
        """Renew alone."""
        with self._ports.database.write() as session:
            self.keep(ImportRepository(session, self._job.tenant_id), self._ports.clock.now())

    def give_back(self) -> None:
        """Leave the import to whoever takes it up later; this attempt does not count."""
        values = {"state": "queued", "lease": None, "lease_until": None, "attempts": max(0, self._job.attempts - 1)}
        with self._ports.database.write() as session:
            rows = ImportRepository(session, self._job.tenant_id)
            self.keep(rows, self._ports.clock.now())
            rows.advance(self._job.id, values, {})


def claim(ports: Ports, import_id: str) -> tuple[Import, Lease] | None:
    """Take an import; None when it is finished, held by a living process, or waits for an elder of its catalog."""
    now = ports.clock.now()
    token = new_id("lea")
    with ports.database.write() as session:
        job = ImportsAcrossTenants(session).claim(import_id, token, now, now + LEASE)
    return (job, Lease(ports, job, token)) if job is not None else None


@contextmanager
def heartbeat(lease: Lease) -> Iterator[None]:
    """Renew while the block runs."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(RENEW_S):
            try:
                lease.renew()
            except LeaseLost:
                return  # the worker meets it at its next write
            except SQLAlchemyError:
                log.warning("a lease could not be renewed", exc_info=True)

    thread = threading.Thread(target=beat, name="import-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
