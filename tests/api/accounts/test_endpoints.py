"""Secret keys over HTTP."""

from fastapi.testclient import TestClient

from api.accounts.scopes import Scope


def test_a_call_without_a_key_is_told_how_to_send_one(client: TestClient) -> None:
    answer = client.get("/v1/keys")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Bearer" in answer.json()["detail"]


def test_a_key_without_the_scope_is_forbidden(client: TestClient, account) -> None:
    narrow = account("developer", scopes=[Scope.search])
    answer = client.get("/v1/keys", headers=narrow.auth)
    assert answer.status_code == 403
    assert answer.json()["code"] == "missing_scope"


def test_a_new_key_works_and_its_secret_is_shown_once(client: TestClient, account) -> None:
    owner = account("developer")
    made = client.post("/v1/keys", json={"name": "server"}, headers=owner.auth)
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert client.get("/v1/keys", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    assert secret not in client.get("/v1/keys", headers=owner.auth).text


def test_nobody_hands_on_a_scope_they_lack(client: TestClient, account) -> None:
    narrow = account("developer", scopes=[Scope.keys_write])
    answer = client.post("/v1/keys", json={"name": "x", "scopes": ["search"]}, headers=narrow.auth)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/scopes"


def test_a_revoked_key_stops_at_once_in_this_process(client: TestClient, account) -> None:
    owner = account("developer")
    made = client.post("/v1/keys", json={"name": "old"}, headers=owner.auth).json()
    old = {"Authorization": f"Bearer {made['secret']}"}
    assert client.get("/v1/keys", headers=old).status_code == 200
    assert client.delete(f"/v1/keys/{made['id']}", headers=owner.auth).status_code == 204
    assert client.get("/v1/keys", headers=old).status_code == 401


def test_another_tenants_key_is_not_there(client: TestClient, account) -> None:
    mine, theirs = account("developer"), account("developer")
    made = client.post("/v1/keys", json={"name": "theirs"}, headers=theirs.auth).json()
    assert client.delete(f"/v1/keys/{made['id']}", headers=mine.auth).status_code == 404
    assert client.get("/v1/keys", headers={"Authorization": f"Bearer {made['secret']}"}).status_code == 200


def test_a_bad_field_is_named(client: TestClient, account) -> None:
    owner = account("developer")
    answer = client.post("/v1/keys", json={"name": "", "color": 1}, headers=owner.auth)
    assert answer.status_code == 422
    assert {row["pointer"] for row in answer.json()["errors"]} == {"#/name", "#/color"}


def test_only_the_operator_approves_a_brand(client: TestClient, account) -> None:
    brand, operator = account("brand"), account("operator")
    path = f"/v1/tenants/{brand.tenant_id}"
    assert client.patch(path, json={"listing_approved": True}, headers=brand.auth).status_code == 403
    answer = client.patch(path, json={"listing_approved": True}, headers=operator.auth)
    assert answer.status_code == 200
    assert answer.json()["listing_approved"] is True


def test_a_retried_post_creates_once(client: TestClient, account) -> None:
    owner = account("publisher")
    headers = {**owner.auth, "Idempotency-Key": "abc"}
    body = {"name": "My site", "origins": ["https://example.com"]}
    first = client.post("/v1/sites", json=body, headers=headers)
    second = client.post("/v1/sites", json=body, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert len(client.get("/v1/sites", headers=owner.auth).json()["items"]) == 1


def test_a_failed_post_may_be_retried_with_the_same_key(client: TestClient, account) -> None:
    owner = account("publisher")
    headers = {**owner.auth, "Idempotency-Key": "abc"}
    assert client.post("/v1/sites", json={"name": "x"}, headers=headers).status_code == 422
    body = {"name": "x", "origins": ["https://example.com"]}
    assert client.post("/v1/sites", json=body, headers=headers).status_code == 201


def test_the_same_key_for_another_request_is_refused(client: TestClient, account) -> None:
    owner = account("publisher")
    headers = {**owner.auth, "Idempotency-Key": "abc"}
    client.post("/v1/sites", json={"name": "x", "origins": ["https://example.com"]}, headers=headers)
    answer = client.post("/v1/keys", json={"name": "x"}, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "@Idempotency-Key"
