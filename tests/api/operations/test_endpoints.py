"""The operator's three operations: who may, and that derived data comes back from what it was derived from."""

import pytest
from fastapi.testclient import TestClient

from api.events.log import LogUnavailable
from api.operations import service
from api.ports import Ports
from api.search.index import IndexRow
from tests.api.events.shop_page import ShopPage
from tests.api.search.conftest import Shop
from tests.conftest import Account, AccountMaker

OPERATIONS = ("reindex", "rollup", "reconcile")
each = pytest.mark.parametrize("operation", OPERATIONS)


@pytest.fixture
def operator(account: AccountMaker) -> Account:
    return account("operator")


def run(client: TestClient, operation: str, who: Account) -> dict:
    answer = client.post(f"/v1/operations/{operation}", headers=who.auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


@each
def test_strangers_are_asked_for_a_key(client: TestClient, operation: str) -> None:
    assert client.post(f"/v1/operations/{operation}").status_code == 401


@each
@pytest.mark.parametrize("kind", ["brand", "publisher", "developer"])
def test_only_the_operator_may(client: TestClient, account: AccountMaker, operation: str, kind: str) -> None:
    answer = client.post(f"/v1/operations/{operation}", headers=account(kind).auth)
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


@each
def test_an_empty_house_is_in_order(client: TestClient, operator: Account, operation: str) -> None:
    run(client, operation, operator)


@each
def test_one_operation_at_a_time(client: TestClient, operator: Account, operation: str) -> None:
    with service._running:
        answer = client.post(f"/v1/operations/{operation}", headers=operator.auth)
    assert (answer.status_code, answer.json()["code"]) == (409, "operation_running")
    run(client, operation, operator)


def test_reindex_throws_strays_away_and_brings_the_stored_back(
    client: TestClient, ports: Ports, operator: Account, shop: Shop
) -> None:
    stored = ports.index.vector("ctg_own", "prd_disc")
    ports.index.remove("ctg_own", ["prd_disc"])
    ports.index.drop_catalog("ctg_listed")
    ports.index.put("ctg_gone", [IndexRow("prd_stray", stored)])
    done = run(client, "reindex", operator)
    assert (done["products"], done["unusable"]) == (len(shop.products), 0)
    assert [ports.index.count(item) for item in ("ctg_own", "ctg_listed", "ctg_hidden", "ctg_gone")] == [2, 2, 1, 0]
    assert (ports.index.vector("ctg_own", "prd_disc") == stored).all()


def test_rollup_restores_the_report_and_reconcile_tells_that_it_was_wrong(
    client: TestClient, ports: Ports, page: ShopPage, operator: Account
) -> None:
    events = [page.event(kind, page.token()) for kind in ("impression", "viewable", "click")]
    assert page.accepted(events) == 3
    assert run(client, "reconcile", operator)["waiting"] > 0
    page.drain()
    before, agreed = page.totals(), run(client, "reconcile", operator)
    assert (before["impressions"], agreed["differences"], agreed["waiting"]) == (1, [], 0)

    ports.event_store.command("TRUNCATE TABLE rollup_15m")
    assert page.totals()["impressions"] == 0
    assert any("roll-ups" in item for item in run(client, "reconcile", operator)["differences"])

    assert run(client, "rollup", operator)["events"] == 3
    assert page.totals() == before
    assert run(client, "reconcile", operator)["differences"] == []


def test_while_the_event_log_is_away_reconcile_says_when_to_come_back(
    client: TestClient, ports: Ports, operator: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise LogUnavailable("Kafka at 10.0.0.7 does not answer")

    monkeypatch.setattr(ports.event_log, "partitions", away)
    answer = client.post("/v1/operations/reconcile", headers=operator.auth)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert "10.0.0.7" not in answer.text
