"""A NUL in an address is a clear 400 on every route."""

import pytest
from fastapi.testclient import TestClient


@pytest.mark.parametrize(
    "address", ["/v1/products?q=%00", "/v1/products/prd_%00x", "/v1/media?site_id=a%00b", "/c/%00", "/nowhere%00"]
)
def test_a_nul_is_refused(client: TestClient, account, address: str) -> None:
    answer = client.get(address, headers=account("brand").auth)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_percent_sign_that_is_no_nul_passes(client: TestClient, account) -> None:
    assert client.get("/v1/products?q=%2500", headers=account("brand").auth).status_code == 200
