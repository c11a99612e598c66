"""When billing may close an hour: only after nothing billable of it can come any more."""

from datetime import timedelta

from api.reports.service import billable, settled_until
from tests.api.events.shop_page import ShopPage


def test_hours_settle_once_billable_tokens_have_aged_and_the_sink_has_caught_up(page: ShopPage, clock) -> None:
    noon = clock.now()
    page.accepted([page.event("click", page.token())])
    clock.advance(timedelta(hours=3))
    assert settled_until(page.ports) < noon, "the click is still on its way"
    page.drain()
    settled = settled_until(page.ports)
    assert noon + timedelta(hours=2) < settled < clock.now() - timedelta(minutes=35)
    rows = billable(page.ports, noon, noon + timedelta(hours=1))
    assert [(row.hour, row.count, row.amount_micros, row.campaign_id) for row in rows] == [(noon, 1, 250_000, "cmp_1")]


def test_a_quiet_house_is_settled_from_its_first_minute(page: ShopPage, clock) -> None:
    assert clock.now() - timedelta(minutes=37) < settled_until(page.ports) < clock.now() - timedelta(minutes=35)


def test_the_latest_billable_event_lies_after_what_was_settled(page: ShopPage, clock) -> None:
    token, issued = page.token(), clock.now()
    clock.advance(timedelta(minutes=30))
    settled = settled_until(page.ports)
    earliest = issued - timedelta(minutes=5)
    page.accepted([{**page.event("click", token), "at": earliest.isoformat()}])
    page.drain()
    assert settled < earliest, "a settled time has no newcomers"
    settled_hour = settled.replace(minute=0, second=0, microsecond=0)
    assert billable(page.ports, settled_hour - timedelta(hours=30), settled_hour) == []
    assert sum(row.count for row in billable(page.ports, issued - timedelta(hours=1), clock.now())) == 1


def test_what_billing_reads_is_what_the_report_shows(page: ShopPage, clock) -> None:
    for minutes in range(0, 180, 25):
        clock.advance(timedelta(minutes=25))
        page.accepted([page.event("click", page.token(price_micros=1000 + minutes))])
        token = page.token(price_kind="cpm", price_micros=3_000_000)
        page.accepted([page.event(kind, token) for kind in ("impression", "viewable")])
    page.drain()
    span = {"from": "2026-11-20T12:00:00Z", "to": "2026-11-20T18:00:00Z"}
    hours = page.report(**span, group_by="hour")["rows"]
    rows = billable(page.ports, clock.now() - timedelta(hours=6), clock.now() + timedelta(hours=6))
    by_hour = {row["hour"]: row["spend_micros"] for row in hours}
    for hour, spend in by_hour.items():
        assert spend == sum(row.amount_micros for row in rows if row.hour.isoformat().replace("+00:00", "Z") == hour)
    assert sum(by_hour.values()) == page.totals(**span)["spend_micros"] == sum(row.amount_micros for row in rows)
