"""Runs one operation at a time. They work on derived data alone: nothing that cannot be computed again is touched."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from api.errors import Conflict, Unavailable
from api.events.log import LogUnavailable
from api.events.reconcile import reconcile
from api.events.rollup import rebuild
from api.operations.schemas import Reconciled, Reindexed, RolledUp
from api.search.rebuild import Rebuilder

if TYPE_CHECKING:
    from api.ports import Ports

Outcome = TypeVar("Outcome", Reindexed, RolledUp, Reconciled)
_running = threading.Lock()


class Operations:
    """On open ports, inside a running server or without one. Every method blocks for as long as it takes."""

    def __init__(self, ports: "Ports") -> None:
        self._ports = ports

    def reindex(self) -> Reindexed:
        """Build the product index anew from the stored vectors and put it in the old one's place."""
        ports = self._ports

        def work() -> Reindexed:
            rebuilder = Rebuilder(ports.database, ports.index, ports.eyes.embedder_version, ports.eyes.dim)
            done = rebuilder.reindex(ports.clock.now())
            if done is None:
                raise Conflict("Another process builds the index; try again when it is done.", code="operation_running")
            return Reindexed(products=done.products, unusable=done.unusable, took_ms=0)

        return _alone(work)

    def rollup(self) -> RolledUp:
        """Compute the roll-ups anew from the de-duplicated events; reports read the old ones until it is done."""
        return _alone(lambda: RolledUp(events=rebuild(self._ports.event_store), took_ms=0))

    def reconcile(self) -> Reconciled:
        """Compare the event log, the rows and the roll-ups."""

        def work() -> Reconciled:
            try:
                found = reconcile(self._ports.event_log, self._ports.event_store)
            except LogUnavailable as away:
                raise Unavailable("The event log does not answer; try again soon.", retry_after_s=5) from away
            return Reconciled(**found.as_json(), took_ms=0)

        return _alone(work)


def _alone(work: Callable[[], Outcome]) -> Outcome:
    if not _running.acquire(blocking=False):
        raise Conflict("Another operation is running; try again when it is done.", code="operation_running")
    try:
        started = time.perf_counter()
        outcome = work()
        outcome.took_ms = round((time.perf_counter() - started) * 1000)
        return outcome
    finally:
        _running.release()
