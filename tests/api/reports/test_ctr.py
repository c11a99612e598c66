"""`GET /v1/reports/ctr`: whose numbers, grouped how, in which zone, in which form; and that sums always hold."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from api.accounts.scopes import Scope
from tests.api.events.shop_page import ShopPage

URL = "/v1/reports/ctr"


def send(page: ShopPage, count: int = 1, kind: str = "impression", **claims: object) -> None:
    page.accepted([page.event(kind, page.token(**claims)) for _ in range(count)])


def test_anonymous_401_and_without_the_scope_403(page: ShopPage, account) -> None:
    assert page.client.get(URL).status_code == 401
    assert page.client.get(URL, headers=account("brand", scopes=[Scope.search]).auth).status_code == 403


WRONG = [
    ({"group_by": "colour"}, "?group_by"),
    ({"group_by": "day,hour"}, "?group_by"),
    ({"group_by": "product_id; DROP TABLE events"}, "?group_by"),
    ({"filter": "colour:red"}, "?filter"),
    ({"filter": "site_id"}, "?filter"),
    ({"filter": "site_id:x' OR 1=1 --"}, "?filter"),
    ({"tz": "Mars/Olympus"}, "?tz"),
    ({"tz": "../../etc/passwd"}, "?tz"),
    ({"tz": "x" * 5000}, "?tz"),
    ({"from": "yesterday"}, "?from"),
    ({"from": "2026-11-20T12:00:00"}, "?from"),
    ({"from": "0001-01-01"}, "?from"),
    ({"to": "9999-12-31"}, "?to"),
    ({"from": "2026-11-20", "to": "2026-11-20"}, "?to"),
    ({"from": "2020-01-01", "to": "2026-11-20", "group_by": "hour"}, "?from"),
    ({"traffic": "all"}, "?traffic"),
    ({"format": "xml"}, "?format"),
    ({"limit": "0"}, "?limit"),
    ({"groupby": "product"}, "?groupby"),
]


def test_a_wrong_parameter_is_named(page: ShopPage, subtests: pytest.Subtests) -> None:
    for query, pointer in WRONG:
        with subtests.test(str(query)[:80]):
            answer = page.client.get(URL, params=query, headers=page.publisher.auth)
            assert answer.status_code == 422, answer.text
            assert answer.json()["errors"][0]["pointer"] == pointer


def test_nothing_yet_is_zero_and_rates_are_null(page: ShopPage) -> None:
    report = page.report(group_by="product,day")
    assert report["rows"] == []
    totals = report["totals"]
    assert (totals["impressions"], totals["ctr"], totals["vctr"], totals["spend_micros"]) == (0, None, None, 0)


def test_rows_hold_what_was_asked_for_and_rates_are_right(page: ShopPage) -> None:
    send(page, 8)
    send(page, 4, "viewable")
    send(page, 2, "click")
    send(page, 1, "click", product_id="prd_2", price_micros=7)
    page.drain()
    report = page.report(group_by="product,site,day")
    assert report["rows"] == [
        {
            "product_id": "prd_1", "site_id": page.site_id, "day": "2026-11-20", "impressions": 8,
            "media_impressions": 8, "viewable": 4, "clicks": 2, "ctr": 0.25, "vctr": 0.5, "spend_micros": 500_000,
            "currency": "EUR",
        },
        {
            "product_id": "prd_2", "site_id": page.site_id, "day": "2026-11-20", "impressions": 0,
            "media_impressions": 0, "viewable": 0, "clicks": 1, "ctr": None, "vctr": None, "spend_micros": 7,
            "currency": "EUR",
        },
    ]  # fmt: skip
    assert (report["totals"]["clicks"], report["totals"]["spend"]) == (3, {"EUR": 500_007})


def test_each_sees_their_own(page: ShopPage, account) -> None:
    brand, stranger, operator = account("brand"), account("brand"), account("operator")
    other = ShopPage(page.client, page.ports, account("publisher"), "https://other.example")
    send(page, 3, brand_id=brand.tenant_id)
    other.accepted([other.event("impression", other.token(brand_id=brand.tenant_id))], origin=other.origin)
    send(page, 5, brand_id="tnt_else")
    page.drain()
    seen = {
        name: page.report(who, group_by="site")["totals"]["impressions"]
        for name, who in {
            "page": page.publisher, "other": other.publisher, "brand": brand, "stranger": stranger,
            "operator": operator,
        }.items()
    }  # fmt: skip
    assert seen == {"page": 8, "other": 1, "brand": 4, "stranger": 0, "operator": 9}
    stolen = page.report(stranger, filter=f"brand_id:{brand.tenant_id}")
    assert stolen["totals"]["impressions"] == 0


def test_filters_of_one_field_are_either_and_of_two_are_both(page: ShopPage) -> None:
    for product, media in (("p1", "m1"), ("p1", "m2"), ("p2", "m1"), ("p3", "m1")):
        send(page, product_id=product, media_id=media)
    page.drain()
    assert page.totals(filter=["product_id:p1", "product:p2"])["impressions"] == 3
    assert page.totals(filter=["product_id:p1", "product_id:p2", "placement:m1"])["impressions"] == 2
    assert page.totals(filter="product_id:P1")["impressions"] == 0


def test_the_range_starts_inclusive_and_ends_exclusive(page: ShopPage, clock) -> None:
    send(page)
    clock.advance(timedelta(minutes=15))
    send(page, 2)
    page.drain()
    noon, quarter = "2026-11-20T12:00:00Z", "2026-11-20T12:15:00Z"
    assert page.totals(**{"from": noon, "to": quarter})["impressions"] == 1
    assert page.totals(**{"from": quarter, "to": "2026-11-20T13:15:00+01:00"[:19] + "Z"})["impressions"] == 2
    assert page.totals(**{"from": noon})["impressions"] == 3


def test_a_range_may_begin_and_end_anywhere(page: ShopPage, clock) -> None:
    """Every pair of ends, on and off the quarters by which roll-ups are kept, against a plain count."""
    noon = clock.now()
    seconds = [0, 1, 899, 900, 901, 1799, 1800, 2500, 3600]
    for second in seconds:
        clock._now = noon + timedelta(seconds=second)
        send(page, 1, "click", price_micros=second + 1)
        send(page, 2)
    page.drain()
    for start in (0, 1, 2, 899, 900, 1000, 1800):
        for end in (2, 900, 901, 1700, 1801, 2501, 3600, 3601):
            if start >= end:
                continue
            query = {
                "from": (noon + timedelta(seconds=start)).isoformat(),
                "to": (noon + timedelta(seconds=end)).isoformat(),
            }
            inside = [second for second in seconds if start <= second < end]
            totals = page.totals(**query, group_by="hour")
            assert (totals["clicks"], totals["impressions"]) == (len(inside), 2 * len(inside)), query
            assert totals["media_impressions"] == 2 * len(inside)
            assert totals["spend_micros"] == sum(second + 1 for second in inside)
            assert totals["spend"] == ({"EUR": totals["spend_micros"]} if inside else {})


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Asia/Kathmandu", "2026-11-20", 24),
        ("Asia/Kolkata", "2026-11-20", 24),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Europe/Berlin", "2026-03-29", 23),
        ("Australia/Lord_Howe", "2026-04-05", 24),  # one of its hours has ninety minutes
        ("America/St_Johns", "2026-03-08", 23),
        ("Pacific/Apia", "2026-11-20", 24),
    ],
)
def test_the_hours_of_a_day_add_up_in_every_zone(page: ShopPage, clock, zone: str, day: str, hours: int) -> None:
    from zoneinfo import ZoneInfo

    local = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    at = local.astimezone(UTC) - timedelta(minutes=30)
    end = (local + timedelta(days=1)).astimezone(UTC) + timedelta(minutes=30)
    inside = 0
    while at < end:
        clock._now = at
        send(page)
        inside += local.astimezone(UTC) <= at < (local + timedelta(days=1)).astimezone(UTC)
        at += timedelta(minutes=15)
    page.drain()
    following = (local + timedelta(days=1)).date().isoformat()
    by_hour = page.report(**{"from": day, "to": following, "tz": zone, "group_by": "hour"})["rows"]
    by_day = page.report(**{"from": day, "to": following, "tz": zone, "group_by": "day"})
    assert [(row["day"], row["impressions"]) for row in by_day["rows"]] == [(day, inside)]
    assert sum(row["impressions"] for row in by_hour) == by_day["totals"]["impressions"] == inside
    labels = [row["hour"] for row in by_hour]
    assert len(labels) == len(set(labels)) == hours
    assert all(datetime.fromisoformat(label).astimezone(ZoneInfo(zone)).date().isoformat() == day for label in labels)


def test_currencies_are_never_added_up(page: ShopPage) -> None:
    send(page, 1, "click", currency="EUR", price_micros=10)
    send(page, 1, "click", currency="USD", price_micros=5)
    page.drain()
    report = page.report(group_by="product")
    assert (report["rows"][0]["spend_micros"], report["rows"][0]["currency"]) == (None, None)
    assert report["totals"]["spend"] == {"EUR": 10, "USD": 5}
    split = page.report(group_by="currency")["rows"]
    assert [(row["currency"], row["spend_micros"]) for row in split] == [("EUR", 10), ("USD", 5)]


def test_csv_and_parquet_hold_the_same_rows(page: ShopPage) -> None:
    send(page, 4, arm="=cmd|' /C calc'!A0")
    send(page, 1, "click", arm="b")
    page.drain()
    query = {"group_by": "arm,day"}
    rows = page.report(**query)["rows"]
    answer = page.client.get(URL, params={**query, "format": "csv"}, headers=page.publisher.auth)
    assert answer.headers["content-type"].startswith("text/csv")
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["impressions"] for row in table] == [str(row["impressions"]) for row in rows] == ["4", "0"]
    assert [row["ctr"] for row in table] == ["0.0", ""]
    assert table[0]["arm"] == "'=cmd|' /C calc'!A0"
    answer = page.client.get(URL, params={**query, "format": "parquet"}, headers=page.publisher.auth)
    assert pq.read_table(io.BytesIO(answer.content)).to_pylist() == rows


def test_a_report_that_is_cut_says_so_and_totals_stay_whole(page: ShopPage) -> None:
    for i in range(5):
        send(page, product_id=f"p{i}")
    page.drain()
    report = page.report(group_by="product", limit=3)
    assert (len(report["rows"]), report["truncated"], report["totals"]["impressions"]) == (3, True, 5)
    assert page.report(group_by="product", limit=5)["truncated"] is False


def test_late_events_join_their_own_hour(page: ShopPage, clock) -> None:
    token, noon = page.token(), clock.now()
    clock.advance(timedelta(hours=5))
    page.accepted([{**page.event("impression", token), "at": noon.isoformat()}])
    page.drain()
    rows = page.report(group_by="hour")["rows"]
    assert [(row["hour"], row["impressions"]) for row in rows] == [("2026-11-20T12:00:00Z", 1)]
