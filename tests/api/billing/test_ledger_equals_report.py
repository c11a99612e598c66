"""The whole way of money on the real stores: event log, sink, event store, report, ledger, invoice. To the micro."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from api.accounts.auth import Principal
from api.accounts.scopes import TenantKind
from api.billing import service
from api.billing.models import SPEND_KINDS, Invoice, InvoiceState, LedgerEntry
from api.events.records import StampedEvent, encode
from api.events.stamp import stamp
from api.events.tokens import TagClaims
from api.kit.clock import FixedClock
from api.ports import Ports
from api.reports.service import CtrRequest, ReportService
from api.settings import Settings
from tests.event_stores import SIDES, own_database
from workers.sink.pipeline import Sink

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
HOUR = timedelta(hours=1)


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


@pytest.fixture(params=SIDES)
def settings(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Settings]:
    """On both sides of the event store."""
    if request.param == "chdb":
        yield settings
        return
    with own_database() as url:
        events = settings.events.model_copy(update={"clickhouse_url": url})
        yield settings.model_copy(update={"events": events})


class Shoppers:
    """Random events of three publishers' pages about two brands' products; some repeat, some click twice at once."""

    def __init__(self, ports: Ports, seed: int) -> None:
        self.ports = ports
        self.chance = random.Random(seed)
        self.made = 0
        self.past: list[bytes] = []

    def act(self, number: int, at: datetime) -> None:
        """`number` events around `at`, a tenth of them replays; durable when this returns."""
        records = []
        for _ in range(number):
            if self.past and self.chance.random() < 0.1:
                records.append(self.chance.choice(self.past))
                continue
            records.append(encode(self._event(at + timedelta(minutes=self.chance.uniform(-50, 0)))))
            self.past.append(records[-1])
        self.ports.event_log.append(records).result(60)

    def _event(self, at: datetime) -> StampedEvent:
        self.made += 1
        kind = self.chance.choice(["cpc", "cpc", "cpm", None])
        claims = TagClaims(
            nonce=f"n{self.chance.randrange(self.made // 4 + 1)}",
            publisher_id=f"tnt_p{self.chance.randrange(3)}",
            site_id="sit_1",
            media_id=f"med_{self.chance.randrange(5)}",
            tag_id=f"tag_{self.chance.randrange(9)}",
            product_id=f"prd_{self.chance.randrange(9)}",
            brand_id=f"tnt_b{self.chance.randrange(2)}",
            campaign_id=f"cmp_{self.chance.randrange(3)}" if kind else None,
            price_micros=self.chance.randrange(1, 900_000) if kind else 0,
            price_kind=kind,
            currency="EUR" if kind else "",
            issued_at_ms=ms(at) - 1000,
        )
        name = self.chance.choice(["impression", "viewable", "viewable", "click", "click"])
        event_id = f"evt{self.made}"
        return stamp(
            claims,
            event_id=event_id,
            event_type=name,
            at_ms=ms(at),
            received_at_ms=ms(at) + 500,
            core=event_id,
            full=event_id,
            user_agent=BROWSER,
        )


def reported(ports: Ports, brand: str, start: datetime, end: datetime) -> int:
    """Spend by the report that the brand reads."""
    reader = Principal(brand, TenantKind.brand, frozenset({"reports:read"}))
    asked = CtrRequest(start=start.isoformat(), end=end.isoformat())
    return ReportService(ports, reader).ctr(asked).totals.spend_micros or 0


def booked(ports: Ports, brand: str, start: datetime, end: datetime) -> int:
    with ports.database.read() as session:
        entries = session.exec(
            select(LedgerEntry).where(LedgerEntry.tenant_id == brand, LedgerEntry.hour >= start, LedgerEntry.hour < end)
        )
        return sum(entry.amount_micros for entry in entries if entry.kind in SPEND_KINDS)


@pytest.mark.parametrize("seed", range(3))
def test_every_closed_hour_and_the_months_invoice_equal_the_report(ports: Ports, clock: FixedClock, seed: int) -> None:
    shoppers, sink = Shoppers(ports, seed), Sink.of(ports)
    begin = clock.now() - 2 * HOUR
    for _ in range(5):
        shoppers.act(120, clock.now())
        sink.drain()
        clock.advance(HOUR)
        service.close_hours(ports)
        shoppers.act(30, clock.now() - 3 * HOUR)  # late: for hours that were closed before
        sink.drain()
    clock.advance(2 * HOUR)
    service.close_hours(ports)
    assert service.close_hours(ports).entries == 0

    total = 0
    for brand in ("tnt_b0", "tnt_b1"):
        hour = begin - 4 * HOUR
        while hour < clock.now():
            assert booked(ports, brand, hour, hour + HOUR) == reported(ports, brand, hour, hour + HOUR)
            hour += HOUR
        month = reported(ports, brand, datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
        with ports.database.read() as session:
            [invoice] = session.exec(select(Invoice).where(Invoice.tenant_id == brand)).all()
        assert (invoice.total_micros, invoice.state) == (month, InvoiceState.draft)
        total += month
    assert total > 1_000_000
    checked = service.reconcile(ports, begin - 4 * HOUR, clock.now())
    assert checked.differences == []
    assert checked.compared > 20


def test_a_replayed_log_changes_no_bill(ports: Ports, clock: FixedClock) -> None:
    shoppers, sink = Shoppers(ports, 1), Sink.of(ports)
    shoppers.act(200, clock.now() - HOUR)
    sink.drain()
    clock.advance(HOUR)
    service.close_hours(ports)
    before = booked(ports, "tnt_b0", clock.now() - 9 * HOUR, clock.now())
    ports.event_log.append(shoppers.past).result(60)
    sink.drain()
    assert service.close_hours(ports).entries == 0
    assert booked(ports, "tnt_b0", clock.now() - 9 * HOUR, clock.now()) == before > 0


def test_calls_metered_through_the_log_are_counted_once_a_query(ports: Ports, clock: FixedClock, account: Any) -> None:
    developer = account("developer")
    for query in ("qry_1", "qry_2", "qry_2", "qry_3"):
        ports.meter.record(developer.tenant_id, "search", query_id=query)
    ports.meter.record(developer.tenant_id, "video_minute", quantity=12, query_id="qry_4")
    ports.event_log.append([]).result(60)
    Sink.of(ports).drain()
    clock.advance(2 * HOUR)
    service.close_hours(ports)
    with ports.database.read() as session:
        rows = session.exec(select(LedgerEntry).where(LedgerEntry.tenant_id == developer.tenant_id))
        assert sorted((row.kind.value, row.quantity, row.amount_micros) for row in rows) == [
            ("search", 3, 4_500),
            ("video_minute", 12, 300_000),
        ]
