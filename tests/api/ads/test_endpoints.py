"""Campaigns, creatives and experiments over HTTP."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.accounts.scopes import Scope

CAMPAIGN = {"name": "Spring", "bid_micros": 200_000, "currency": "EUR", "daily_budget_micros": 50_000_000}
ARMS = [{"name": "a", "weight": 1}, {"name": "b", "weight": 1}]


@pytest.fixture
def brand(account):
    return account("brand")


@pytest.fixture
def campaign(client: TestClient, brand) -> dict[str, Any]:
    answer = client.post("/v1/campaigns", json=CAMPAIGN, headers=brand.auth)
    assert answer.status_code == 201, answer.text
    return answer.json()


def calls(campaign_id: str, creative_id: str, experiment_id: str) -> list[tuple[str, str, dict[str, Any] | None]]:
    return [
        ("POST", "/v1/campaigns", CAMPAIGN),
        ("GET", "/v1/campaigns", None),
        ("GET", f"/v1/campaigns/{campaign_id}", None),
        ("PATCH", f"/v1/campaigns/{campaign_id}", {"state": "paused"}),
        ("POST", "/v1/creatives", {"campaign_id": campaign_id, "name": "x", "call_to_action": "Buy"}),
        ("GET", "/v1/creatives", None),
        ("PATCH", f"/v1/creatives/{creative_id}", {"active": False}),
        ("POST", "/v1/experiments", {"campaign_id": campaign_id, "name": "x", "arms": ARMS}),
        ("GET", "/v1/experiments", None),
        ("PATCH", f"/v1/experiments/{experiment_id}", {"running": False}),
    ]


def test_every_call_wants_a_key_the_scope_and_the_own_tenant(client: TestClient, campaign, brand, account) -> None:
    creative = client.post(
        "/v1/creatives", json={"campaign_id": campaign["id"], "name": "x", "call_to_action": "Buy"}, headers=brand.auth
    ).json()
    experiment = client.post(
        "/v1/experiments", json={"campaign_id": campaign["id"], "name": "x", "arms": ARMS}, headers=brand.auth
    ).json()
    searcher, stranger = account("brand", scopes=[Scope.search]), account("brand")
    for method, path, body in calls(campaign["id"], creative["id"], experiment["id"]):
        assert client.request(method, path, json=body).status_code == 401, path
        assert client.request(method, path, json=body, headers=searcher.auth).status_code == 403, path
        if path == "/v1/campaigns" and method == "POST":
            continue
        answer = client.request(method, path, json=body, headers=stranger.auth)
        if method == "POST":
            assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/campaign_id")
        elif path.count("/") == 2:
            assert answer.json()["items"] == []
        else:
            assert answer.status_code == 404, path
    assert client.get(f"/v1/campaigns/{campaign['id']}", headers=brand.auth).json()["state"] == "active"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "#/name"),
        ({"bid_micros": 0}, "#/bid_micros"),
        ({"bid_micros": 0.5}, "#/bid_micros"),
        ({"bid_micros": "200000"}, "#/bid_micros"),
        ({"bid_micros": 10**12}, "#/bid_micros"),
        ({"bid_micros": 60_000_000}, "#/bid_micros"),
        ({"currency": "euro"}, "#/currency"),
        ({"daily_budget_micros": -1}, "#/daily_budget_micros"),
        ({"daily_budget_micros": None}, "#/daily_budget_micros"),
        ({"total_budget_micros": 1_000_000}, "#/total_budget_micros"),
        ({"bid_kind": "cpa"}, "#/bid_kind"),
        ({"state": "asleep"}, "#/state"),
        ({"starts_at": "yesterday"}, "#/starts_at"),
        ({"starts_at": "2026-11-20T12:00:00"}, "#/starts_at"),
        ({"starts_at": "2026-12-02T00:00:00Z", "ends_at": "2026-12-01T00:00:00Z"}, "#/ends_at"),
        ({"targeting": {"countries": ["DE"]}}, "#/targeting/countries"),
        ({"targeting": {"categories": [""]}}, "#/targeting/categories/0"),
        ({"product_ids": ["x" * 50]}, "#/product_ids/0"),
        ({"owner": "me"}, "#/owner"),
    ],
)
def test_what_is_wrong_with_a_campaign_is_named(
    client: TestClient, brand, change: dict[str, Any], pointer: str
) -> None:
    answer = client.post("/v1/campaigns", json={**CAMPAIGN, **change}, headers=brand.auth)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert client.get("/v1/campaigns", headers=brand.auth).json()["items"] == []


def test_a_campaign_is_read_back_as_it_was_made(client: TestClient, brand, campaign: dict[str, Any]) -> None:
    assert campaign | CAMPAIGN == campaign
    assert (campaign["bid_kind"], campaign["state"], campaign["targeting"]) == (
        "cpc", "active", {"site_ids": [], "categories": []},
    )  # fmt: skip
    assert client.get("/v1/campaigns", headers=brand.auth).json()["items"] == [campaign]


def test_a_change_keeps_the_rest_and_checks_the_whole(client: TestClient, brand, campaign: dict[str, Any]) -> None:
    path = f"/v1/campaigns/{campaign['id']}"

    def patch(**body: Any) -> Any:
        return client.patch(path, json=body, headers=brand.auth)

    changed = patch(bid_micros=300_000, ends_at="2026-12-01T00:00:00Z", targeting={"categories": ["Shoes"]}).json()
    assert changed["name"] == "Spring"
    assert (changed["bid_micros"], changed["ends_at"]) == (300_000, "2026-12-01T00:00:00.000Z")
    assert patch(starts_at="2026-12-24T00:00:00Z").json()["errors"][0]["pointer"] == "#/ends_at"
    assert patch(currency="USD").status_code == 422
    assert patch(name=None).json()["errors"][0]["pointer"] == "#/name"
    assert patch(daily_budget_micros=1).json()["errors"][0]["pointer"] == "#/bid_micros"
    assert client.get(path, headers=brand.auth).json() == changed
    assert patch(ends_at=None).json()["ends_at"] is None


@pytest.mark.parametrize("field", ["starts_at", "ends_at"])
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_campaign_at_the_ends_of_the_calendar_is_refused(client: TestClient, brand, field: str, at: str) -> None:
    answer = client.post("/v1/campaigns", json={**CAMPAIGN, field: at}, headers=brand.auth)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"#/{field}")


def test_an_experiment_wants_own_creatives_different_names_and_to_run_alone(
    client: TestClient, brand, campaign: dict[str, Any]
) -> None:
    def post(arms: list[dict[str, Any]]) -> Any:
        body = {"campaign_id": campaign["id"], "name": "x", "arms": arms}
        return client.post("/v1/experiments", json=body, headers=brand.auth)

    assert post(ARMS[:1]).json()["errors"][0]["pointer"] == "#/arms"
    assert post([ARMS[0], ARMS[0]]).status_code == 422
    assert post([ARMS[0], {"name": "b", "weight": 0}]).json()["errors"][0]["pointer"] == "#/arms/1/weight"
    foreign = post([ARMS[0], {"name": "b", "weight": 1, "creative_id": "crv_x"}])
    assert foreign.json()["errors"][0]["pointer"] == "#/arms/1/creative_id"
    first = post(ARMS).json()
    assert post(ARMS).status_code == 409
    stop = client.patch(f"/v1/experiments/{first['id']}", json={"running": False}, headers=brand.auth)
    assert stop.json()["running"] is False
    assert post(ARMS).status_code == 201
    again = client.patch(f"/v1/experiments/{first['id']}", json={"running": True}, headers=brand.auth)
    assert again.status_code == 409
