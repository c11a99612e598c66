"""Facts: what the rules look at of events that are in the store, in a table of its own sorted by view.

Kept for some days only. A look-up that reaches further back (the log was left alone for long) reads the events.
"""

import time
from typing import Any

from api.events.reasons import EventType
from api.events.records import columns
from api.events.store import EventStore
from workers.sink.batch import Judged

KEPT_DAYS = 4  # a token lives for one, its events may be of the day before; the rest is time for a sink to catch up
DAY_S = 86_400
LOOKED_AT = (EventType.impression, EventType.viewable, EventType.click)
_COPIED = ["publisher_id", "nonce", "tag_id", "media_id", "brand_id", "product_id", "type", "at_ms"]
_COLUMNS = ", ".join([*_COPIED, "at", "flag", "log_offset"])
_TYPES = ", ".join(f"'{kind}'" for kind in LOOKED_AT)
_DAYS = """
SELECT DISTINCT toUInt32(partition) AS day FROM system.parts
WHERE database = currentDatabase() AND table = 'facts' AND active"""


def table_since(since_s: int) -> str:
    """Which of the two knows everything since then."""
    return "facts" if since_s >= time.time() - (KEPT_DAYS - 1) * DAY_S else "events"


def fact_columns(judged: list[Judged]) -> dict[str, list[Any]]:
    """Rows of the table facts."""
    looked_at = [item for item in judged if item.event.type in LOOKED_AT]
    return {
        **columns([item.event for item in looked_at], _COPIED),
        "at": [item.event.at_ms // 1000 for item in looked_at],
        "flag": [str(item.flags[0]) if item.flags else "" for item in looked_at],
        "log_offset": [item.offset for item in looked_at],
    }


def forget_old(store: EventStore) -> None:
    """Drop the days that no look-up reads; a day more than is kept, as clocks and time zones differ."""
    oldest = time.strftime("%Y%m%d", time.gmtime(time.time() - (KEPT_DAYS + 1) * DAY_S))
    for row in store.select(_DAYS):
        if int(row["day"]) < int(oldest):
            store.command(f"ALTER TABLE facts DROP PARTITION {int(row['day'])}")


def rebuild(store: EventStore) -> None:
    """All of them anew, from the events. No sink may be at work."""
    store.command("TRUNCATE TABLE facts")
    since = int(time.time()) - (KEPT_DAYS + 1) * DAY_S
    store.command(
        f"INSERT INTO facts ({_COLUMNS}) SELECT {_COLUMNS} FROM events "  # noqa: S608 - our names
        f"WHERE at >= toDateTime({since}, 'UTC') AND type IN ({_TYPES})"
    )
