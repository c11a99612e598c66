"""What a call costs and how much of it a plan holds. A tenant's own terms (TenantBilling) go before its plan's."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from api.billing.models import EntryKind, TenantBilling

PPM = 1_000_000


@dataclass(frozen=True)
class Terms:
    """What holds for one tenant. Quotas count billable units (calls and video minutes) a calendar month, UTC."""

    plan: str
    currency: str
    prices: Mapping[EntryKind, int] = field(hash=False)
    quota_soft: int | None
    quota_hard: int | None
    rate_per_s: float
    burst: int

    @property
    def quota(self) -> int | None:
        """What alerts measure against."""
        return self.quota_hard or self.quota_soft


_USAGE_PRICES = {
    EntryKind.detect: 800,
    EntryKind.search: 1_500,
    EntryKind.similar: 300,
    EntryKind.complements: 300,
    EntryKind.video_minute: 25_000,
}

PLANS = {
    "standard": Terms("standard", "EUR", _USAGE_PRICES, quota_soft=100_000, quota_hard=None, rate_per_s=20, burst=60),
    "trial": Terms("trial", "EUR", _USAGE_PRICES, quota_soft=1_000, quota_hard=1_000, rate_per_s=2, burst=10),
    "scale": Terms("scale", "EUR", _USAGE_PRICES, quota_soft=5_000_000, quota_hard=None, rate_per_s=200, burst=600),
}


def terms_of(row: TenantBilling | None) -> Terms:
    """The tenant's plan with its own prices and quotas put over it."""
    plan = PLANS[row.plan if row else "standard"]
    if row is None:
        return plan
    return Terms(
        plan=plan.plan,
        currency=plan.currency,
        prices={kind: row.prices.get(kind.value, price) for kind, price in plan.prices.items()},
        quota_soft=plan.quota_soft if row.quota_soft is None else row.quota_soft,
        quota_hard=plan.quota_hard if row.quota_hard is None else row.quota_hard,
        rate_per_s=plan.rate_per_s,
        burst=plan.burst,
    )


def share_of(spend_micros: int, share_ppm: int) -> int:
    """The publisher's part of a spend, rounded down; the house keeps the rest, so both always add up to the spend."""
    return spend_micros * share_ppm // PPM
