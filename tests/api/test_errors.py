"""Every refusal has the one form, those of the framework too."""

import pytest
from fastapi.testclient import TestClient


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"[" * 100_000, b'{"name":' + b"9" * 5000 + b"}"])
def test_a_body_that_cannot_be_read_is_pointed_at(client: TestClient, account, body: bytes) -> None:
    headers = {**account("publisher").auth, "Content-Type": "application/json"}
    answer = client.post("/v1/sites", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["errors"][0]["pointer"] == "#"
