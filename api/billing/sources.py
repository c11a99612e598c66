"""What billing counts from: net billable events as the reports have them, and metered calls."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from api.billing.entries import BillableRow, UsageRow
from api.billing.queries import UsageAcrossTenants
from api.events.log import LogUnavailable
from api.events.progress import waiting_since_ms
from api.reports import service as reports

if TYPE_CHECKING:
    from api.ports import Ports

log = logging.getLogger(__name__)


class EventStoreCounts:
    """Counts out of the event store."""

    def __init__(self, ports: "Ports") -> None:
        self._ports = ports

    def billable(self, start: datetime, end: datetime) -> Iterable[BillableRow]:
        """Net billable events by hour in [start, end)."""
        for row in reports.billable(self._ports, start, end):
            yield BillableRow(
                brand_id=row.brand_id,
                publisher_id=row.publisher_id,
                campaign_id=row.campaign_id or "",
                price_kind=row.price_kind,
                currency=row.currency,
                hour=row.hour,
                count=row.count,
                amount_micros=row.amount_micros,
            )

    def counted_until(self) -> datetime | None:
        """Everything that the log took before this time is counted; None while the log cannot be asked."""
        now = self._ports.clock.now()  # before the log: what arrives in between only makes the answer earlier
        try:
            since_ms = waiting_since_ms(self._ports.event_log)
        except LogUnavailable as error:
            log.warning("how far the sinks are cannot be told: %s", error)
            return None
        return now if since_ms is None else min(now, datetime.fromtimestamp(since_ms / 1000, UTC))

    def usage(self, start: datetime, end: datetime, tenant_id: str = "") -> Iterable[UsageRow]:
        """Metered calls by hour in [start, end), of one tenant or (empty) all."""
        return UsageAcrossTenants(self._ports.event_store).by_hour(start, end, tenant_id)
