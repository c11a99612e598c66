"""What campaigns have spent, read from the reports and kept for some seconds: the auction's view of budgets."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from api.ads.bids import Spend
from api.kit.cache import FreshCache
from api.reports.service import billable

if TYPE_CHECKING:
    from api.ports import Ports

TODAY_REFRESH_S, TODAY_EXPIRE_S = 5.0, 20.0
# days that are over change no more once their last late events have come
PAST_REFRESH_S, PAST_EXPIRE_S = 600.0, 1800.0
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)


class Spending:
    """Call it for the spend of every campaign that has any. Blocks for the event store; raises when that is away."""

    def __init__(self, ports: "Ports") -> None:
        self._ports = ports
        self._today: FreshCache[datetime, Counter[str]] = FreshCache(
            self._load_today, refresh_after_s=TODAY_REFRESH_S, expire_after_s=TODAY_EXPIRE_S, max_entries=2
        )
        self._past: FreshCache[datetime, Counter[str]] = FreshCache(
            self._load_past, refresh_after_s=PAST_REFRESH_S, expire_after_s=PAST_EXPIRE_S, max_entries=2
        )

    def __call__(self) -> Mapping[str, Spend]:
        """Campaign -> spend of this UTC day, and of all days."""
        midnight = datetime.combine(self._ports.clock.now().date(), time(), UTC)
        today, past = self._today.get(midnight), self._past.get(midnight)
        return {spender: Spend(today[spender], today[spender] + past[spender]) for spender in {*today, *past}}

    def _load_today(self, midnight: datetime) -> Counter[str]:
        return self._between(midnight, midnight + timedelta(days=1))

    def _load_past(self, midnight: datetime) -> Counter[str]:
        return self._between(BEGINNING, midnight)

    def _between(self, start: datetime, end: datetime) -> Counter[str]:
        spent: Counter[str] = Counter()
        for row in billable(self._ports, start, end):
            if row.campaign_id:
                spent[row.campaign_id] += row.amount_micros
        return spent
