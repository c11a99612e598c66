"""Closed hours become entries that add up to what was counted, to the micro, however often and late one looks."""

import random
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from api.billing.closing import LedgerCloser
from api.billing.models import EntryKind
from api.billing.prices import PLANS
from api.billing.reconciliation import reconcile
from api.kit.clock import FixedClock
from api.kit.db import UtcDateTime
from api.ports import Ports

HOUR = timedelta(hours=1)


@pytest.fixture
def ports(money_house: Any) -> Any:
    """The ledger's own part of the house is enough here."""
    return money_house


def entries(ports: Ports, **where: Any) -> list[dict[str, Any]]:
    condition = " AND ".join(f"{name} = :{name}" for name in where) or "1 = 1"
    with ports.database.read() as session:
        query = text(f"SELECT * FROM ledger_entries WHERE {condition} ORDER BY id")  # noqa: S608 - names of the test
        query = query.columns(hour=UtcDateTime)  # SQLite tells times as text
        return [dict(row._mapping) for row in session.connection().execute(query, where)]


def test_an_hour_is_closed_a_quarter_of_an_hour_after_its_end(
    ports: Ports, closer: LedgerCloser, counts: Any, clock: FixedClock
) -> None:
    counts.call("tnt_a", clock.now() - HOUR, 3)
    clock.advance(timedelta(minutes=14, seconds=59))
    assert closer.close().entries == 0
    clock.advance(timedelta(seconds=1))
    assert closer.close().entries == 1
    [entry] = entries(ports)
    price = PLANS["standard"].prices[EntryKind.search]
    assert (entry["quantity"], entry["amount_micros"], entry["unit_price_micros"]) == (3, 3 * price, price)


def test_closing_again_changes_nothing(ports: Ports, closer: LedgerCloser, counts: Any, clock: FixedClock) -> None:
    counts.call("tnt_a", clock.now() - 5 * HOUR, 3)
    counts.click("tnt_b", "tnt_p", clock.now() - 4 * HOUR, 199_999)
    closer.close()
    before = entries(ports)
    clock.advance(timedelta(minutes=1))
    again = closer.close()
    assert (again.entries, again.corrections) == (0, 0)
    assert entries(ports) == before


def test_a_late_event_is_a_correction_beside_the_first_entry(
    ports: Ports, closer: LedgerCloser, counts: Any, clock: FixedClock
) -> None:
    hour = clock.now() - 5 * HOUR
    counts.click("tnt_b", "tnt_p", hour, 100_001)
    closer.close()
    [first] = entries(ports, kind="click_spend")
    counts.spend.clear()
    counts.click("tnt_b", "tnt_p", hour, 300_000, count=3)
    done = closer.close()
    assert done.corrections == 2
    kept, correction = entries(ports, kind="click_spend")
    assert kept == first
    assert (correction["version"], correction["quantity"], correction["amount_micros"]) == (2, 2, 199_999)
    # 70 % of 100,001 was rounded down; the correction brings the sum to exactly 70 % of 300,000
    shares = [entry["amount_micros"] for entry in entries(ports, kind="publisher_share")]
    assert shares == [70_000, 140_000]


def test_a_count_that_shrinks_is_corrected_downwards(
    ports: Ports, closer: LedgerCloser, counts: Any, clock: FixedClock
) -> None:
    counts.click("tnt_b", "tnt_p", clock.now() - 5 * HOUR, 100_000)
    closer.close()
    counts.spend.clear()
    closer.close()
    assert [entry["amount_micros"] for entry in entries(ports, kind="click_spend")] == [100_000, -100_000]
    assert sum(entry["amount_micros"] for entry in entries(ports)) == 0


def test_prices_and_shares_of_booked_hours_stay_what_they_were(
    ports: Ports, closer: LedgerCloser, counts: Any, clock: FixedClock
) -> None:
    hour = clock.now() - 5 * HOUR
    counts.call("tnt_a", hour, 10)
    counts.click("tnt_b", "tnt_p", hour, 1_000)
    closer.close()
    dearer = ports.settings.billing.model_copy(update={"publisher_share_ppm": 100_000})
    counts.click("tnt_b", "tnt_p", hour, 1_000)
    LedgerCloser(ports.database, clock, counts, dearer).close()
    assert sum(entry["amount_micros"] for entry in entries(ports, kind="publisher_share")) == 1_400


def test_after_a_long_pause_no_hour_is_missed(
    ports: Ports, closer: LedgerCloser, counts: Any, clock: FixedClock
) -> None:
    closer.close()
    for hours in range(24 * 10):
        counts.call("tnt_a", clock.now() + hours * HOUR, 1)
    clock.advance(timedelta(days=10, hours=1))
    closer.close()
    assert sum(entry["quantity"] for entry in entries(ports)) == 240


def test_what_another_closer_booked_meanwhile_is_not_booked_again(ports: Ports, counts: Any, clock: FixedClock) -> None:
    """The second closer books between the first one's count and its transaction, and has seen more."""

    class Racing:
        raced = False

        def billable(self, start: datetime, end: datetime) -> Any:
            return counts.billable(start, end)

        def usage(self, start: datetime, end: datetime) -> Any:
            seen = list(counts.usage(start, end))
            if seen and not self.raced:
                self.raced = True
                counts.call("tnt_a", seen[0].hour, 4)
                LedgerCloser(ports.database, clock, counts, ports.settings.billing).close()
            return seen

    counts.call("tnt_a", clock.now() - 5 * HOUR, 3)
    LedgerCloser(ports.database, clock, Racing(), ports.settings.billing).close()
    assert [entry["quantity"] for entry in entries(ports)] == [7]


@pytest.mark.parametrize("seed", range(8))
def test_the_ledger_equals_the_counts_whatever_comes_when(
    ports: Ports, closer: LedgerCloser, counts: Any, clock: FixedClock, seed: int
) -> None:
    """Random events trickle in late and out of order between runs of the closer; in the end every sum agrees."""
    chance = random.Random(seed)
    begin = clock.now()
    for _ in range(12):
        for _ in range(chance.randrange(15)):
            hour = clock.now() - HOUR * chance.randrange(1, 30)
            if chance.random() < 0.3:
                kind = chance.choice(["detect", "search", "video_minute"])
                counts.call(f"tnt_{chance.randrange(3)}", hour, chance.randrange(1, 50), kind)
            else:
                brand, publisher = f"brd_{chance.randrange(3)}", f"pub_{chance.randrange(3)}"
                micros, price = chance.randrange(1, 3_000_000), chance.choice(["cpc", "cpm"])
                counts.click(brand, publisher, hour, micros, count=chance.randrange(1, 4), kind=price)
        clock.advance(timedelta(minutes=chance.randrange(1, 300)))
        closer.close()
    clock.advance(timedelta(hours=2))
    closer.close()

    by_hour: Counter[tuple[str, str]] = Counter()
    for row in counts.spend:
        by_hour[row.brand_id, row.hour.strftime("%Y-%m-%d %H")] += row.amount_micros
    booked: Counter[tuple[str, str]] = Counter()
    for entry in entries(ports):
        if entry["kind"].endswith("_spend"):
            booked[entry["tenant_id"], entry["hour"].strftime("%Y-%m-%d %H")] += entry["amount_micros"]
    assert booked == by_hour

    calls: Counter[tuple[str, str]] = Counter()
    for call in counts.calls:
        calls[call.tenant_id, call.kind.value] += call.quantity
    metered: Counter[tuple[str, str]] = Counter()
    for entry in entries(ports):
        if entry["tenant_id"].startswith("tnt_"):
            metered[entry["tenant_id"], entry["kind"]] += entry["quantity"]
    assert metered == calls

    checked = reconcile(ports.database, counts, begin - timedelta(days=3), clock.now())
    assert checked.differences == []
    assert checked.compared > 10


@pytest.mark.parametrize("seed", range(3))
def test_share_and_house_together_are_the_spend(
    ports: Ports, closer: LedgerCloser, counts: Any, clock: FixedClock, seed: int
) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        counts.click(
            "brd", f"pub_{chance.randrange(4)}", clock.now() - HOUR * chance.randrange(2, 9), chance.randrange(1, 99)
        )
    closer.close()
    spend = sum(row.amount_micros for row in counts.spend)
    share = sum(entry["amount_micros"] for entry in entries(ports, kind="publisher_share"))
    sources = len(entries(ports, kind="publisher_share"))
    assert spend * 7 // 10 - sources <= share <= spend * 7 // 10  # the house keeps less than a micro a source more


def test_an_hour_stays_open_while_what_was_received_in_it_waits_for_a_sink(
    ports: Ports, counts: Any, clock: FixedClock
) -> None:
    behind = clock.now() - timedelta(minutes=30)  # 11:30: the hour to eleven is counted whole, the next one is not
    closer = LedgerCloser(ports.database, clock, counts, ports.settings.billing, lambda: behind)
    for hours in (1, 2):
        counts.call("tnt_a", clock.now() - hours * HOUR, hours)
    clock.advance(timedelta(minutes=40))
    assert closer.close().end == clock.now().replace(minute=0) - HOUR
    assert [entry["quantity"] for entry in entries(ports)] == [2]
    assert closer.due() is False
    behind = clock.now() - timedelta(minutes=20)  # 12:20, past the quarter of an hour that late events are given
    assert closer.due() is True
    closer.close()
    assert sum(entry["quantity"] for entry in entries(ports)) == 3


@pytest.mark.parametrize("known", [True, False])
def test_waiting_for_a_sink_has_an_end_and_an_alert(
    ports: Ports, counts: Any, clock: FixedClock, caplog: pytest.LogCaptureFixture, known: bool
) -> None:
    """A sink that never comes back, and a log that does not answer, hold money up for hours, not for ever."""
    stuck = clock.now() if known else None
    closer = LedgerCloser(ports.database, clock, counts, ports.settings.billing, lambda: stuck)
    counts.call("tnt_a", clock.now(), 5)
    clock.advance(timedelta(hours=4))
    assert closer.close().entries == 0
    caplog.clear()
    clock.advance(timedelta(hours=4))
    assert closer.close().entries == 1
    assert "so far behind" in caplog.text
