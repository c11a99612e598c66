"""Rate and quota: what passes, what gets 429 and which, and what it costs."""

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from api.accounts.auth import Principal
from api.accounts.scopes import TenantKind
from api.billing.buckets import OwnBuckets
from api.billing.limits import Allowance, QuotaExceeded, UsageGate
from api.billing.models import EntryKind
from api.billing.prices import PLANS, Terms
from api.errors import TooManyRequests
from api.kit.clock import FixedClock

CALLER = Principal("tnt_a", TenantKind.developer, frozenset(), key_id="key_1")
WIDE = replace(PLANS["standard"], rate_per_s=1e9, burst=10**9, quota_soft=None)


class House:
    """A gate with a hand-moved stopwatch and a store that a test fills."""

    def __init__(self, clock: FixedClock, terms: Terms, used: int = 0) -> None:
        self.stored = Allowance(terms, "2026-11", used)
        self.elapsed = 0.0
        self.alerts: list[str] = []
        self.loads = 0
        buckets = OwnBuckets(lambda: self.elapsed)
        self.gate = UsageGate(self.load, clock, alert=self.alerts.append, buckets=buckets)

    def load(self, tenant_id: str) -> Allowance:
        self.loads += 1
        return self.stored

    def calls(self, number: int, caller: Principal = CALLER) -> int:
        """How many of `number` calls pass."""
        passed = 0
        for _ in range(number):
            try:
                self.gate.admit(caller, EntryKind.search)
                passed += 1
            except TooManyRequests:
                pass
        return passed


def test_a_burst_passes_and_then_the_rate_holds(clock: FixedClock) -> None:
    house = House(clock, replace(WIDE, rate_per_s=2, burst=5))
    assert house.calls(9) == 5
    house.elapsed += 1.5
    assert house.calls(9) == 3
    house.elapsed += 3600
    assert house.calls(9) == 5


def test_each_key_has_its_own_bucket(clock: FixedClock) -> None:
    house = House(clock, replace(WIDE, rate_per_s=2, burst=5))
    assert house.calls(9) == 5
    assert house.calls(9, replace(CALLER, key_id="key_2")) == 5


def test_the_headers_tell_what_is_left_and_when_to_come_back(clock: FixedClock) -> None:
    house = House(clock, replace(WIDE, rate_per_s=0.5, burst=2))
    assert house.gate.admit(CALLER, EntryKind.search) == {
        "RateLimit-Policy": '"burst";q=2;w=4',
        "RateLimit": '"burst";r=1;t=2',
    }
    house.gate.admit(CALLER, EntryKind.search)
    with pytest.raises(TooManyRequests) as refusal:
        house.gate.admit(CALLER, EntryKind.search)
    assert (refusal.value.status, refusal.value.code) == (429, "rate_limited")
    assert refusal.value.headers["Retry-After"] == "2"
    assert refusal.value.headers["RateLimit"] == '"burst";r=0;t=4'
    house.elapsed += 2
    house.gate.admit(CALLER, EntryKind.search)


def test_the_hard_quota_stops_with_a_code_of_its_own_until_the_month_ends(clock: FixedClock) -> None:
    house = House(clock, replace(WIDE, quota_hard=10))
    assert house.calls(12) == 10
    with pytest.raises(QuotaExceeded) as refusal:
        house.gate.admit(CALLER, EntryKind.search)
    assert (refusal.value.status, refusal.value.code) == (429, "quota_exceeded")
    to_december = timedelta(days=10, hours=12).total_seconds()
    assert refusal.value.headers["Retry-After"] == str(int(to_december))
    clock.advance(timedelta(seconds=to_december))
    assert house.calls(12) == 10


def test_what_the_stores_hold_counts_from_the_start(clock: FixedClock) -> None:
    house = House(clock, replace(WIDE, quota_hard=10), used=7)
    assert house.calls(12) == 3


def test_a_call_that_came_to_nothing_costs_no_quota(clock: FixedClock) -> None:
    house = House(clock, replace(WIDE, quota_hard=10))
    for _ in range(50):
        house.gate.admit(CALLER, EntryKind.search)
        house.gate.give_back(CALLER)
    assert house.gate.used("tnt_a") == 0
    assert house.calls(12) == 10


def test_alerts_are_asked_for_once_at_each_threshold(clock: FixedClock) -> None:
    house = House(clock, replace(WIDE, quota_soft=10))
    for expected in (0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3):
        house.gate.admit(CALLER, EntryKind.search)
        assert len(house.alerts) == expected


def test_unlimited_callers_are_not_counted(clock: FixedClock) -> None:
    house = House(clock, replace(WIDE, rate_per_s=1, burst=1, quota_hard=1))
    assert house.calls(50, replace(CALLER, unlimited=True)) == 50
    assert house.loads == 0


def test_warm_calls_ask_no_store(clock: FixedClock) -> None:
    house = House(clock, WIDE)
    assert not house.gate.warm("tnt_a")
    house.calls(500)
    assert house.gate.warm("tnt_a")
    assert house.loads == 1


def test_threads_together_get_exactly_the_quota(clock: FixedClock) -> None:
    house = House(clock, replace(WIDE, quota_hard=1000))
    passed: list[int] = []
    threads = [threading.Thread(target=lambda: passed.append(house.calls(300))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(passed) == 1000


@pytest.mark.parametrize("plan", PLANS)
def test_every_plan_prices_every_paid_call(plan: str) -> None:
    from api.billing.models import USAGE_KINDS

    prices: Any = PLANS[plan].prices
    assert all(prices[kind] > 0 for kind in USAGE_KINDS)
