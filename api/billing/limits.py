"""How fast and how much: a token bucket a key, and a month's quota a tenant. Counts are from memory and begin with what
the ledger and the event store hold, so a restart forgets nothing; other processes' calls come in with the next look
there (30 s). The rate holds over all processes (`buckets`)."""

import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.accounts.auth import Principal, requires
from api.accounts.scopes import Scope
from api.billing.buckets import Buckets, OwnBuckets
from api.billing.invoicing import bounds_of, period_of
from api.billing.models import EntryKind
from api.billing.prices import Terms
from api.errors import TooManyRequests
from api.kit.cache import FreshCache
from api.kit.clock import Clock
from api.kit.metrics import MetricName, counter

ALERT_PERCENTS = (50, 80, 100)
REFUSED = counter(MetricName.limited_calls, ["kind", "reason"])


class QuotaExceeded(TooManyRequests):
    """The month's hard limit is used up."""

    code = "quota_exceeded"


@dataclass
class Allowance:
    """What a tenant may use this month, and what it has used as far as the stores tell."""

    terms: Terms
    period: str
    used: int


class UsageGate:
    """Lets calls through or raises 429. `load` reads a tenant's allowance from the stores (slow)."""

    def __init__(
        self,
        load: Callable[[str], Allowance],
        clock: Clock,
        *,
        alert: Callable[[str], None] = lambda _: None,
        buckets: Buckets | None = None,
    ) -> None:
        self._allowances: FreshCache[str, Allowance] = FreshCache(load, refresh_after_s=30, expire_after_s=600)
        self._clock = clock
        self._alert = alert
        self._buckets = buckets or OwnBuckets()
        self._lock = threading.Lock()
        self._used: dict[str, tuple[str, int]] = {}

    def warm(self, tenant_id: str) -> bool:
        """Whether `admit` would answer from memory."""
        return self._buckets.at_once and self._allowances.peek(tenant_id)[0]

    def admit(self, caller: Principal, kind: EntryKind, quantity: int = 1) -> dict[str, str]:
        """Count a call in; the headers that tell what is left. Raises TooManyRequests or QuotaExceeded."""
        if caller.unlimited:
            return {}
        allowance = self._allowances.get(caller.tenant_id)
        headers = self._take_token(caller, allowance.terms, kind)
        before, used = self._count(caller.tenant_id, allowance, quantity)
        quota, hard = allowance.terms.quota, allowance.terms.quota_hard
        if hard is not None and used > hard:
            self.give_back(caller, quantity)
            raise self._quota_exceeded(kind, hard)
        if quota and any(before * 100 < percent * quota <= used * 100 for percent in ALERT_PERCENTS):
            self._alert(caller.tenant_id)
        return headers

    def give_back(self, caller: Principal, quantity: int = 1) -> None:
        """The call came to nothing: it costs no quota (its token is spent all the same)."""
        if caller.unlimited:
            return
        with self._lock:
            if caller.tenant_id in self._used:
                period, used = self._used[caller.tenant_id]
                self._used[caller.tenant_id] = period, used - quantity

    def used(self, tenant_id: str) -> int:
        """Units of this month, calls of the last seconds included."""
        allowance = self._allowances.get(tenant_id)
        return self._count(tenant_id, allowance, 0)[1]

    def forget(self, tenant_id: str) -> None:
        """Read the tenant's terms anew with its next call."""
        self._allowances.drop(tenant_id)

    def _count(self, tenant_id: str, allowance: Allowance, quantity: int) -> tuple[int, int]:
        period = period_of(self._clock.now())
        stored = allowance.used if allowance.period == period else 0
        with self._lock:
            held_period, held = self._used.get(tenant_id, (period, 0))
            # the stores trail our own count by seconds, and know of other processes' calls
            before = max(held if held_period == period else 0, stored)
            self._used[tenant_id] = period, before + quantity
        return before, before + quantity

    def _take_token(self, caller: Principal, terms: Terms, kind: EntryKind) -> dict[str, str]:
        key = caller.key_id or caller.user_id or caller.tenant_id
        taken, left = self._buckets.take(key, terms.rate_per_s, terms.burst)
        headers = _headers(terms, left)
        if not taken:
            REFUSED.labels(kind.value, "rate").inc()
            wait_s = max(1, ceil((1 - left) / terms.rate_per_s))
            raise TooManyRequests(
                f"This key may make {terms.rate_per_s:g} calls a second, {terms.burst} at once.",
                headers={**headers, "Retry-After": str(wait_s)},
            )
        return headers

    def _quota_exceeded(self, kind: EntryKind, hard: int) -> QuotaExceeded:
        REFUSED.labels(kind.value, "quota").inc()
        now = self._clock.now()
        seconds = _seconds_to_next_month(now)
        return QuotaExceeded(
            f"The quota of {hard} calls for {period_of(now)} is used up; it starts anew next month, UTC.",
            headers={
                "RateLimit-Policy": f'"month";q={hard};w={seconds}',
                "RateLimit": f'"month";r=0;t={seconds}',
                "Retry-After": str(seconds),
            },
        )


def limited(scope: Scope, kind: EntryKind) -> Callable[..., AsyncIterator[Principal]]:
    """A dependency like `requires(scope)` that also keeps the caller to its rate and quota. A call that fails costs no
    quota."""

    async def admitted(
        caller: Annotated[Principal, Depends(requires(scope))], request: Request, response: Response
    ) -> AsyncIterator[Principal]:
        gate: UsageGate = request.app.state.ports.limits
        if caller.unlimited or gate.warm(caller.tenant_id):
            headers = gate.admit(caller, kind)
        else:
            headers = await run_in_threadpool(gate.admit, caller, kind)
        response.headers.update(headers)
        try:
            yield caller
        except BaseException:
            gate.give_back(caller)
            raise

    return admitted


def _headers(terms: Terms, left: float) -> dict[str, str]:
    """draft-ietf-httpapi-ratelimit-headers: the policy, and what is left of it."""
    window_s = max(1, ceil(terms.burst / terms.rate_per_s))
    refill_s = ceil((terms.burst - left) / terms.rate_per_s)
    return {
        "RateLimit-Policy": f'"burst";q={terms.burst};w={window_s}',
        "RateLimit": f'"burst";r={int(left)};t={refill_s}',
    }


def _seconds_to_next_month(now: datetime) -> int:
    return max(1, ceil((bounds_of(period_of(now))[1] - now).total_seconds()))
