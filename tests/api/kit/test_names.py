"""Names are one line of text, wherever they are given."""

import pytest
from fastapi.testclient import TestClient

from api.accounts.scopes import TenantKind
from api.accounts.service import AccountsDesk
from api.errors import Unprocessable
from api.ports import Ports

CALLS = [
    ("publisher", "/v1/sites", {"origins": ["https://example.com"]}),
    ("developer", "/v1/keys", {}),
    ("brand", "/v1/campaigns", {"bid_micros": 1, "currency": "EUR", "daily_budget_micros": 5}),
]


@pytest.mark.parametrize(("kind", "path", "body"), CALLS)
def test_a_name_is_trimmed_and_holds_something_that_can_be_shown(client: TestClient, account, kind, path, body) -> None:
    auth = account(kind).auth
    for name in ("   ", "a\0b", "a\nb", "\x1b[31m"):
        answer = client.post(path, json={**body, "name": name}, headers=auth)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/name"), name
    answer = client.post(path, json={**body, "name": " Zoë's 👩‍👧 "}, headers=auth)
    assert (answer.status_code, answer.json()["name"]) == (201, "Zoë's 👩‍👧")


@pytest.mark.parametrize(("name", "email"), [("a\0b", "a@example.com"), ("A", "a\0@example.com")])
def test_nobody_signs_up_with_control_characters(ports: Ports, name: str, email: str) -> None:
    with ports.database.write() as session, pytest.raises(Unprocessable):
        AccountsDesk(session, ports.clock.now()).sign_up(TenantKind.brand, name, email, "long enough")
