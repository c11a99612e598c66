"""A month's invoice is the sum of its entries; once opened it stands still and corrections go to the next one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from api.billing.closing import LedgerCloser
from api.billing.invoicing import bounds_of
from api.billing.models import Direction, Invoice, InvoiceState
from api.billing.reconciliation import reconcile
from api.kit.clock import FixedClock
from api.ports import Ports

HOUR = timedelta(hours=1)
LATE = timedelta(hours=48, minutes=15)


@pytest.fixture
def ports(money_house: Any) -> Any:
    """The ledger's own part of the house is enough here."""
    return money_house


def invoices(ports: Ports, tenant_id: str) -> list[Invoice]:
    with ports.database.read() as session:
        return list(session.exec(select(Invoice).where(Invoice.tenant_id == tenant_id).order_by(Invoice.period)))


def test_a_draft_follows_the_ledger_line_by_line(
    ports: Ports, closer: LedgerCloser, counts: Any, clock: FixedClock
) -> None:
    counts.click("brd", "pub", clock.now() - 5 * HOUR, 100_001)
    counts.call("brd", clock.now() - 5 * HOUR, 2)
    closer.close()
    counts.click("brd", "pub", clock.now() - 4 * HOUR, 50_000, kind="cpm", count=9)
    closer.close()
    [draft] = invoices(ports, "brd")
    assert (draft.period, draft.state, draft.direction) == ("2026-11", InvoiceState.draft, Direction.charge)
    assert [(line["kind"], line["quantity"], line["amount_micros"]) for line in draft.lines] == [
        ("click_spend", 1, 100_001),
        ("search", 2, 3_000),
        ("viewable_spend", 9, 50_000),
    ]
    assert draft.total_micros == 153_001
    [payout] = invoices(ports, "pub")
    assert (payout.direction, payout.total_micros) == (Direction.payout, 70_000 + 35_000)


def test_a_month_is_opened_when_late_events_can_no_longer_come(
    ports: Ports, closer: LedgerCloser, counts: Any, clock: FixedClock
) -> None:
    counts.call("tnt_a", clock.now() - 5 * HOUR, 2)
    closer.close()
    clock.advance(bounds_of("2026-11")[1] + LATE - timedelta(seconds=1) - clock.now())
    assert closer.close().invoices_opened == 0
    clock.advance(timedelta(seconds=1))
    assert closer.close().invoices_opened == 1
    [opened] = invoices(ports, "tnt_a")
    assert (opened.state, opened.total_micros) == (InvoiceState.open, 3_000)


def test_corrections_of_an_opened_month_are_late_lines_of_the_next(
    ports: Ports, closer: LedgerCloser, counts: Any, clock: FixedClock
) -> None:
    hour = clock.now() - 5 * HOUR
    counts.call("tnt_a", hour, 2)
    closer.close()
    clock.advance(bounds_of("2026-11")[1] + LATE - clock.now())
    closer.close()
    counts.call("tnt_a", hour, 1)
    counts.call("tnt_a", clock.now() - 3 * HOUR, 10)
    closer.close(since=hour)
    november, december = invoices(ports, "tnt_a")
    assert (november.state, november.total_micros) == (InvoiceState.open, 3_000)
    assert [(line["late"], line["quantity"]) for line in december.lines] == [(False, 10), (True, 1)]
    assert december.total_micros == 11 * 1_500
    assert reconcile(ports.database, counts, hour, clock.now()).differences == []


def test_months_and_currencies_are_apart(ports: Ports, closer: LedgerCloser, counts: Any, clock: FixedClock) -> None:
    clock.advance(datetime(2026, 12, 1, 2, 0, tzinfo=UTC) - clock.now())
    counts.call("tnt_a", datetime(2026, 11, 30, 23, 0, tzinfo=UTC), 1)
    counts.call("tnt_a", datetime(2026, 12, 1, 0, 0, tzinfo=UTC), 2)
    closer.close()
    assert [(row.period, row.total_micros) for row in invoices(ports, "tnt_a")] == [
        ("2026-11", 1_500),
        ("2026-12", 3_000),
    ]


@pytest.mark.parametrize(
    "tampered",
    [
        "UPDATE invoices SET total_micros = total_micros + 1",
        "UPDATE ledger_entries SET amount_micros = amount_micros + 1 WHERE kind = 'click_spend'",
        "UPDATE ledger_entries SET quantity = quantity - 1 WHERE kind = 'search'",
    ],
)
def test_reconciling_finds_a_micro_that_is_off(
    ports: Ports, closer: LedgerCloser, counts: Any, clock: FixedClock, tampered: str
) -> None:
    start = clock.now() - 9 * HOUR
    counts.click("brd", "pub", clock.now() - 5 * HOUR, 100_001)
    counts.call("brd", clock.now() - 5 * HOUR, 2)
    closer.close()
    assert reconcile(ports.database, counts, start, clock.now()).differences == []
    with ports.database.write() as session:
        session.connection().exec_driver_sql(tampered)
    assert reconcile(ports.database, counts, start, clock.now()).differences
