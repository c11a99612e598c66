"""Which products are clicked in one view of a page. Views have nonces and no names: nothing here tells who it was, and
a pair that fewer than LEAST_VIEWS views have clicked is not kept, so no single person's clicks can be read from it."""

import logging
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from api.events.store import EventStore
from api.kit.cache import FreshCache
from api.kit.db import Database
from api.search.coclick_repository import CoClicksAcrossTenants

log = logging.getLogger(__name__)
LEAST_VIEWS = 5
WINDOW = timedelta(days=90)
MOST_OTHERS = 20  # kept a product
# A person compares a few things; whoever clicks on more than this in one view is a program or plays.
MOST_CLICKS = 12
REFRESH_S, EXPIRE_S = 300.0, 3600.0

# net clicks alone: flags name programs and repetitions. Both ways round, so that each product finds its others; what is
# clicked most where there are too many.
COUNTED = """
SELECT one, other, toInt64(uniqExact(view)) AS views
FROM (
    SELECT view, products, one, arrayJoin(products) AS other
    FROM (
        SELECT view, products, arrayJoin(products) AS one
        FROM (
            SELECT concat(publisher_id, ' ', nonce) AS view, groupUniqArray(product_id) AS products
            FROM events
            WHERE type = 'click' AND flag = '' AND at >= toDateTime({since:Int64}, 'UTC')
            GROUP BY publisher_id, nonce
            HAVING length(products) >= 2 AND length(products) <= {most_clicks:Int64}
        )
    )
)
WHERE one != other
GROUP BY one, other
HAVING views >= {least_views:Int64}
ORDER BY views DESC, one, other
LIMIT 200000
"""


def count_again(store: EventStore, database: Database, now: datetime) -> int:
    """Count the window's clicks and keep what has enough views; how many pairs. Raises StoreUnavailable."""
    bound: dict[str, str | int] = {
        "since": int((now - WINDOW).timestamp()),
        "most_clicks": MOST_CLICKS,
        "least_views": LEAST_VIEWS,
    }
    kept = _best(store.select(COUNTED, bound))
    with database.write() as session:
        CoClicksAcrossTenants(session).replace(kept, now)
    return len(kept)


def _best(rows: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    held: dict[str, int] = defaultdict(int)
    kept = []
    for row in rows:
        held[row["one"]] += 1
        if held[row["one"]] <= MOST_OTHERS:
            kept.append((row["one"], row["other"], int(row["views"])))
    return kept


class CoClicks:
    """The counts as a search asks for them: from memory when warm."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: FreshCache[str, Mapping[str, int]] = FreshCache(
            self._load, refresh_after_s=REFRESH_S, expire_after_s=EXPIRE_S
        )

    def of(self, product_id: str) -> Mapping[str, int]:
        """By other product, in how many views both were clicked."""
        return self._held.get(product_id)

    def forget(self) -> None:
        """After a count in this process."""
        self._held.clear()

    def _load(self, product_id: str) -> Mapping[str, int]:
        with self._database.read() as session:
            return dict(CoClicksAcrossTenants(session).of(product_id))
