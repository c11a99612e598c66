"""Metering of paid API calls: a usage record in the event log, counted once a query id. Prices are billing's."""

import logging
from collections.abc import Callable
from concurrent.futures import Future

from api.events.log import EventLog, LogFull, LogUnavailable
from api.events.records import UsageKind, UsageRecord, encode
from api.kit.clock import Clock
from api.kit.ids import new_id
from api.kit.metrics import MetricName, counter

log = logging.getLogger(__name__)
LOST = counter(MetricName.usage_lost, ["kind"])


class Meter:
    """Callable from any thread; never waits for the disk, and never fails the call that it counts."""

    def __init__(self, event_log: EventLog, clock: Clock) -> None:
        self._log = event_log
        self._clock = clock

    def record(self, tenant_id: str, kind: UsageKind, quantity: int = 1, query_id: str = "") -> None:
        """Count `quantity` of `kind`. A repeated query id counts once; without one the call is its own."""
        query_id = query_id or new_id("qry")
        at_ms = int(self._clock.now().timestamp() * 1000)
        record = UsageRecord(tenant_id=tenant_id, query_id=query_id, kind=kind, quantity=quantity, at_ms=at_ms)
        try:
            self._log.append([encode(record)]).add_done_callback(_report_loss(record))
        except (LogFull, LogUnavailable) as error:
            _lost(record, error)


def _report_loss(record: UsageRecord) -> "Callable[[Future[None]], None]":
    def report(done: "Future[None]") -> None:
        error = done.exception()
        if error is not None:
            _lost(record, error)

    return report


def _lost(record: UsageRecord, error: BaseException) -> None:
    LOST.labels(record.kind).inc(record.quantity)
    log.error("usage not recorded: %s %s of %s (%s)", record.kind, record.query_id, record.tenant_id, error)
