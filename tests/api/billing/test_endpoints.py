"""`/v1/usage` and `/v1/invoices`: one's own, well-formed questions only, closed hours and open ones alike."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from api.accounts.models import AuditEntry
from api.accounts.scopes import Scope
from api.billing import service
from api.billing.models import TenantBilling
from api.events.store import StoreUnavailable
from api.kit.clock import FixedClock
from api.ports import Ports
from workers.sink.pipeline import Sink

HOUR = timedelta(hours=1)
PATHS = ("/v1/usage", "/v1/invoices", "/v1/invoices/inv_1")


@pytest.fixture
def call(ports: Ports) -> Callable[..., None]:
    """Meters calls of a tenant, now."""
    made = iter(range(10**6))

    def record(tenant_id: str, kind: Any = "search", times: int = 1) -> None:
        for _ in range(times):
            ports.meter.record(tenant_id, kind, query_id=f"qry_{next(made)}")
        ports.event_log.append([]).result(60)
        Sink.of(ports).drain()

    return record


@pytest.mark.parametrize("path", PATHS)
def test_nobody_without_a_key(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 401


@pytest.mark.parametrize("path", PATHS)
def test_no_key_without_the_scope(client: TestClient, account: Any, path: str) -> None:
    answer = client.get(path, headers=account("developer", scopes=[Scope.search]).auth)
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


def test_usage_shows_open_hours_at_once_and_the_same_after_closing(
    client: TestClient, ports: Ports, account: Any, call: Callable[..., None], clock: FixedClock
) -> None:
    mine, other = account("developer"), account("developer")
    call(mine.tenant_id, "search", 3)
    call(mine.tenant_id, "detect", 2)
    call(other.tenant_id, "search", 9)
    open_ = client.get("/v1/usage", headers=mine.auth).json()
    assert open_["rows"] == [
        {"kind": "detect", "day": "2026-11-20", "quantity": 2, "amount_micros": 1_600, "currency": "EUR"},
        {"kind": "search", "day": "2026-11-20", "quantity": 3, "amount_micros": 4_500, "currency": "EUR"},
    ]
    assert open_["totals"] == {"quantity": 5, "amounts": [{"currency": "EUR", "amount_micros": 6_100}]}
    assert open_["closed_until"] is None
    clock.advance(2 * HOUR)
    service.close_hours(ports)
    closed = client.get("/v1/usage", headers=mine.auth).json()
    assert closed["rows"] == open_["rows"]
    assert closed["closed_until"] == "2026-11-20T13:00:00.000Z"


def test_usage_by_range_and_group(
    client: TestClient, ports: Ports, account: Any, call: Callable[..., None], clock: FixedClock
) -> None:
    mine = account("developer")
    for _ in range(3):
        call(mine.tenant_id, "search", 2)
        clock.advance(timedelta(days=1))
    service.close_hours(ports)

    def rows(**query: str | list[str]) -> list[tuple[Any, ...]]:
        answer = client.get("/v1/usage", params=query, headers=mine.auth)
        assert answer.status_code == 200, answer.text
        return [(row["kind"], row["day"], row["quantity"]) for row in answer.json()["rows"]]

    assert rows(group_by="kind") == [("search", None, 6)]
    assert rows(group_by="day") == [(None, f"2026-11-2{day}", 2) for day in (0, 1, 2)]
    assert rows(group_by=["kind", "day"]) == rows()
    # the hour of `from` is in, the hour of `to` is not
    assert rows(**{"from": "2026-11-21T12:00:00Z", "to": "2026-11-22T12:00:00Z", "group_by": "kind"}) == [
        ("search", None, 2)
    ]
    assert rows(**{"from": "2026-11-21", "to": "2026-11-23", "group_by": "kind"}) == [("search", None, 4)]
    assert rows(**{"from": "2026-11-21T13:00:00+01:00", "to": "2026-11-21T14:00:00+01:00"}) == [
        ("search", "2026-11-21", 2)
    ]
    assert rows(**{"from": "2026-11-23", "to": "2026-11-23"}) == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("from=yesterday", "?from"),
        ("from=2026-11-01T00:00:00", "?from"),
        ("to=2026-13-01", "?to"),
        ("from=0001-01-01", "?from"),
        ("from=9999-12-31T23:59:59Z", "?from"),
        ("from=2026-11-02&to=2026-11-01", "?to"),
        ("from=2024-01-01&to=2026-01-01", "?from"),
        ("group_by=colour", "?group_by"),
        ("group_by=" + "x" * 5000, "?group_by"),
        ("form=2026-11-01", "?form"),
    ],
)
def test_a_wrong_question_names_its_parameter(client: TestClient, account: Any, query: str, pointer: str) -> None:
    answer = client.get(f"/v1/usage?{query}", headers=account("developer").auth)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["errors"][0]["pointer"] == pointer


def terms(ports: Ports, tenant_id: str, **given: Any) -> None:
    with ports.database.write() as session:
        session.add(TenantBilling(tenant_id=tenant_id, updated_at=ports.clock.now(), **given))


def test_quota_alerts_come_once_each_and_stand_in_usage_and_audit_log(
    client: TestClient, ports: Ports, account: Any, call: Callable[..., None]
) -> None:
    mine = account("developer")
    terms(ports, mine.tenant_id, quota_soft=10)
    call(mine.tenant_id, "search", 4)
    assert service.check_quotas(ports) == 0
    call(mine.tenant_id, "search", 4)
    assert service.check_quotas(ports) == 2
    assert service.check_quotas(ports) == 0
    call(mine.tenant_id, "search", 4)
    assert service.check_quotas(ports) == 1
    quota = client.get("/v1/usage", headers=mine.auth).json()["quota"]
    assert quota == {
        "plan": "standard",
        "period": "2026-11",
        "used": 12,
        "soft": 10,
        "hard": None,
        "state": "soft_exceeded",
        "alerted_percents": [50, 80, 100],
    }
    with ports.database.read() as session:
        of_billing = select(AuditEntry).where(AuditEntry.tenant_id == mine.tenant_id, AuditEntry.actor == "billing")
        told = [entry.action for entry in session.exec(of_billing)]
        assert len(told) == 3
        assert set(told) == {"quota.used_50", "quota.used_80", "quota.used_100"}


def test_own_prices_and_quotas_go_before_the_plans(
    client: TestClient, ports: Ports, account: Any, call: Callable[..., None]
) -> None:
    mine = account("developer")
    terms(ports, mine.tenant_id, plan="trial", prices={"search": 7}, quota_hard=3)
    call(mine.tenant_id, "search", 3)
    answer = client.get("/v1/usage", headers=mine.auth).json()
    assert answer["totals"]["amounts"] == [{"currency": "EUR", "amount_micros": 21}]
    assert (answer["quota"]["state"], answer["quota"]["hard"]) == ("hard_exceeded", 3)


def test_invoices_are_listed_newest_first_page_by_page_and_only_ones_own(
    client: TestClient, ports: Ports, account: Any, call: Callable[..., None], clock: FixedClock
) -> None:
    mine, other = account("developer"), account("developer")
    for days in (31, 31, 1):
        call(mine.tenant_id, "search", 2)
        clock.advance(timedelta(days=days))
        service.close_hours(ports)
    first = client.get("/v1/invoices?limit=2", headers=mine.auth).json()
    rest = client.get("/v1/invoices", params={"limit": 2, "cursor": first["next_cursor"]}, headers=mine.auth).json()
    listed = first["items"] + rest["items"]
    assert [(invoice["period"], invoice["state"]) for invoice in listed] == [
        ("2027-01", "draft"),
        ("2026-12", "open"),
        ("2026-11", "open"),
    ]
    assert rest["next_cursor"] is None
    one = client.get(f"/v1/invoices/{listed[-1]['id']}", headers=mine.auth)
    assert one.json() == listed[-1]
    assert one.json()["lines"] == [
        {"kind": "search", "campaign_id": None, "late": False, "quantity": 2, "amount_micros": 3_000}
    ]
    assert client.get(f"/v1/invoices/{listed[0]['id']}", headers=other.auth).status_code == 404
    assert client.get("/v1/invoices", headers=other.auth).json() == {"items": [], "next_cursor": None}
    assert client.get("/v1/invoices/inv_none", headers=mine.auth).status_code == 404


def test_a_paid_call_past_the_hard_quota_is_refused_before_any_work(
    client: TestClient, ports: Ports, account: Any, call: Callable[..., None]
) -> None:
    mine = account("developer")
    terms(ports, mine.tenant_id, quota_hard=3)
    call(mine.tenant_id, "search", 3)
    answer = client.post("/v1/search", headers=mine.auth, files={"image": b"no picture"})
    assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded")
    assert int(answer.headers["retry-after"]) > 86_400
    assert answer.headers["ratelimit"].startswith('"month";r=0;')


def test_a_refused_picture_costs_no_quota(client: TestClient, ports: Ports, account: Any) -> None:
    mine = account("developer")
    terms(ports, mine.tenant_id, quota_hard=3)
    for _ in range(5):
        answer = client.post("/v1/search", headers=mine.auth, files={"image": b"no picture"})
        assert answer.status_code in {400, 415, 422}, answer.text
        assert ports.limits.used(mine.tenant_id) == 0


def test_without_the_event_store_paid_calls_go_on_and_usage_says_that_it_is_away(
    client: TestClient, ports: Ports, account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(ports.event_store, "select", away)
    mine = account("developer")
    assert client.get("/v1/usage", headers=mine.auth).status_code == 503
    refused_for_the_picture = client.post("/v1/search", headers=mine.auth, files={"image": b"no picture"})
    assert refused_for_the_picture.status_code in {400, 415, 422}
