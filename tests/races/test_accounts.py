"""Accounts and what they own, asked for by several processes at once."""

from functools import partial
from typing import Any

from fastapi.testclient import TestClient
from sqlmodel import select

from api.accounts.models import ApiKey, Tenant, User
from api.accounts.scopes import SCOPES_OF, TenantKind
from api.accounts.service import MAX_KEYS, AccountsDesk, AccountService
from api.ads.models import Experiment
from api.errors import Conflict
from api.ports import Ports
from api.sites.models import Site
from tests.races.conftest import at_once


def rows(ports: Ports, table: type[Any]) -> list[Any]:
    with ports.database.read() as session:
        return list(session.exec(select(table)).all())


def test_the_same_idempotency_key_has_one_effect(doors: list[TestClient], processes: list[Ports], account) -> None:
    publisher = account("publisher")
    body = {"name": "Magazine", "origins": ["https://magazine.example"]}
    headers = {**publisher.auth, "Idempotency-Key": "once"}
    answers = at_once(*(partial(door.post, "/v1/sites", json=body, headers=headers) for door in doors * 3))
    assert {answer.status_code for answer in answers} <= {201, 409}
    created = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    [site] = rows(processes[0], Site)
    assert set(created) == {site.id}
    assert all(a.json()["code"] == "idempotency_in_progress" for a in answers if a.status_code == 409)
    assert doors[0].post("/v1/sites", json=body, headers=headers).json()["id"] == site.id


def test_an_address_signs_up_once(processes: list[Ports]) -> None:
    def sign_up(ports: Ports) -> None:
        with ports.database.write() as session:
            desk = AccountsDesk(session, ports.clock.now())
            desk.sign_up(TenantKind.brand, "Acme", "Anna@Example.com", "long enough")

    outcomes = at_once(*(partial(sign_up, ports) for ports in processes))
    assert sum(outcome is None for outcome in outcomes) == 1
    refusals = [outcome for outcome in outcomes if outcome is not None]
    assert all(isinstance(refusal, Conflict) and refusal.errors[0].pointer == "#/email" for refusal in refusals)
    assert [user.email for user in rows(processes[0], User)] == ["anna@example.com"]
    assert len(rows(processes[0], Tenant)) == 1  # nothing half-written


def test_the_last_key_is_given_once(processes: list[Ports], account) -> None:
    owner = account("brand")
    held = frozenset(map(str, SCOPES_OF[TenantKind.brand]))

    def create(ports: Ports, name: str) -> None:
        with ports.database.write() as session:
            AccountService(session, owner.tenant_id, owner.user_id, ports.clock.now()).create_key(name, None, held=held)

    for number in range(MAX_KEYS - 2):
        create(processes[0], str(number))
    outcomes = at_once(*(partial(create, ports, "last") for ports in processes))
    assert sum(outcome is None for outcome in outcomes) == 1
    assert all(isinstance(outcome, Conflict) for outcome in outcomes if outcome is not None)
    assert len(rows(processes[0], ApiKey)) == MAX_KEYS


def test_one_experiment_of_a_campaign_runs(
    doors: list[TestClient], processes: list[Ports], client: TestClient, account
) -> None:
    brand = account("brand")
    campaign = {"name": "Autumn", "bid_kind": "cpc", "bid_micros": 100_000, "currency": "EUR"}
    campaign["daily_budget_micros"] = 5_000_000
    made = client.post("/v1/campaigns", json=campaign, headers=brand.auth)
    assert made.status_code == 201, made.text
    arms = [{"name": "a", "weight": 1}, {"name": "b", "weight": 1}]
    experiment = {"campaign_id": made.json()["id"], "name": "look", "arms": arms}
    asked = [partial(door.post, "/v1/experiments", json=experiment, headers=brand.auth) for door in doors * 2]
    assert sorted(answer.status_code for answer in at_once(*asked)) == [201, 409, 409, 409]
    assert len(rows(processes[0], Experiment)) == 1


def test_changes_of_one_campaign_never_leave_what_no_single_change_may(
    doors: list[TestClient], client: TestClient, account
) -> None:
    """One raises the bid while the other lowers the budget: each fits alone, both together do not."""
    brand = account("brand")
    for _ in range(5):
        campaign = {"name": "Autumn", "bid_kind": "cpc", "bid_micros": 100_000, "currency": "EUR"}
        campaign["daily_budget_micros"] = 1_000_000
        path = f"/v1/campaigns/{client.post('/v1/campaigns', json=campaign, headers=brand.auth).json()['id']}"
        answers = at_once(
            partial(doors[0].patch, path, json={"bid_micros": 900_000}, headers=brand.auth),
            partial(doors[1].patch, path, json={"daily_budget_micros": 200_000}, headers=brand.auth),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 422]
        left = client.get(path, headers=brand.auth).json()
        assert left["bid_micros"] <= left["daily_budget_micros"]
