"""Tells a process's memory of products what other processes changed: a look every second or two at what is new."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from api.catalog.across_tenants_repository import CatalogRowsAcrossTenants
from api.catalog.directory import PRODUCT_EXPIRE_S, CatalogAcrossTenants
from api.catalog.pictures import ProductPictures
from api.kit.clock import Clock
from api.kit.db import Database

log = logging.getLogger(__name__)
EVERY_S = 1.5
# a change has the time at which its transaction began, by the clock of its machine, and shows when it is committed
OVERLAP = timedelta(seconds=45)  # a statement and its waits take 30 at most
# what is held is never older than this, so nothing before it needs to be looked for, however long nobody could look
FORGOTTEN = timedelta(seconds=PRODUCT_EXPIRE_S)
# while more change at a time, the newest go first; what is missed shows when its entry expires
MOST = 20_000


class ChangedElsewhere:
    """Finds products that were changed or removed through any process, and has what is held of them read anew. Bound to
    one thread."""

    def __init__(
        self, database: Database, clock: Clock, catalogs: CatalogAcrossTenants, pictures: ProductPictures
    ) -> None:
        self._database = database
        self._clock = clock
        self._catalogs = catalogs
        self._pictures = pictures
        self._looked_at = clock.now()
        self._seen: dict[str, datetime] = {}

    def look(self) -> int:
        """One query, and one more for each few hundred changed products that are held; how many changes were new.
        Raises SQLAlchemyError; the next look then finds what this one did not."""
        now = self._clock.now()
        since = max(self._looked_at, now - FORGOTTEN) - OVERLAP
        with self._database.read() as session:
            rows = dict(CatalogRowsAcrossTenants(session).changed_since(since, MOST))
        # the overlap is read again and again; each change counts once
        new = [product_id for product_id, at in rows.items() if self._seen.get(product_id) != at]
        self._pictures.forget(new)
        self._catalogs.renew(new)
        self._seen, self._looked_at = rows, now
        return len(new)

    @contextmanager
    def watching(self, every_s: float = EVERY_S) -> Iterator[None]:
        """Look again and again, in a thread that ends with this block."""
        stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(stop, every_s), name="changed-elsewhere", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(5)

    def _run(self, stop: threading.Event, every_s: float) -> None:
        away = False
        while not stop.wait(every_s):
            try:
                self.look()
                away = False
            except SQLAlchemyError as error:
                # readiness tells of it; meanwhile entries expire as they always did
                if not away:
                    log.warning("changes of products cannot be looked for: %s", type(error).__name__)
                away = True
            except Exception:
                log.exception("looking for changes of products failed")
