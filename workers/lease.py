"""A claimed row that stays its worker's while that lives, however long one step takes; of a killed worker another takes
it over soon."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from api.media.analysis import LEASE, Analyses, Job

log = logging.getLogger(__name__)
RENEW_S = LEASE.total_seconds() / 4
TELL_S = 1.0


class TakenOver(Exception):
    """Another worker has the row by now."""


class Lease:
    """`tell` what has been done as often as one likes; the row hears of it about every second."""

    def __init__(self, analyses: Analyses, job: Job, share: float, frames: int) -> None:
        self._analyses = analyses
        self._job = job
        self._done = (share, frames)
        self._told_at = time.monotonic()
        self._lost = False

    def tell(self, share: float, frames: int) -> None:
        """Raises TakenOver."""
        self._done = (share, frames)
        if self._lost or (time.monotonic() - self._told_at >= TELL_S and not self._renew()):
            raise TakenOver

    @contextmanager
    def held(self) -> Iterator[None]:
        """Renewed by a thread while the work is long in one place: on its way here, or all black."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(RENEW_S):
                try:
                    if not self._renew():
                        self._lost = True
                        return
                except SQLAlchemyError:
                    log.warning("the hold on %s could not be renewed", self._job.media.id, exc_info=True)

        thread = threading.Thread(target=renew, name="video-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _renew(self) -> bool:
        self._told_at = time.monotonic()
        return self._analyses.progress(self._job, *self._done)
