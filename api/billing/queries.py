"""What billing asks of the event store itself: metered calls by hour. Billable events come from api.reports."""

from collections.abc import Iterator
from datetime import UTC, datetime

from api.billing.entries import UsageRow
from api.billing.models import EntryKind
from api.events.distinct import once
from api.events.store import EventStore
from api.reports.service import select

_ASKED = """at >= toDateTime({start:Int64}, 'UTC') AND at < toDateTime({end:Int64}, 'UTC')
    AND ({tenant_id:String} = '' OR tenant_id = {tenant_id:String})"""
_USAGE = f"""
SELECT tenant_id, kind, toInt64(intDiv(toUInt32(at), 3600) * 3600) AS hour_s, sum(quantity) AS calls
FROM {once("usage", "tenant_id, kind, at, quantity", _ASKED)}
GROUP BY tenant_id, kind, hour_s
"""  # noqa: S608 - our names, bound values


class UsageAcrossTenants:
    """Metered calls, of one tenant where one is named."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def by_hour(self, start: datetime, end: datetime, tenant_id: str = "") -> Iterator[UsageRow]:
        """Calls of the hours in [start, end)."""
        params: dict[str, str | int] = {
            "start": int(start.timestamp()),
            "end": int(end.timestamp()),
            "tenant_id": tenant_id,
        }
        for row in select(self._store, _USAGE, params):
            hour = datetime.fromtimestamp(int(row["hour_s"]), UTC)
            yield UsageRow(row["tenant_id"], EntryKind(row["kind"]), hour, int(row["calls"]))
