"""The script's files and calls, as a page of another origin meets them."""

import pytest
from fastapi.testclient import TestClient

PAGE = {"Origin": "https://magazine.example"}


@pytest.mark.parametrize("name", ["shoplight.js", "core.js?v=abc", "video.js?v=abc", "feedback.js?v=abc"])
def test_a_page_of_another_origin_may_import_the_bundles(client: TestClient, name: str) -> None:
    answer = client.get(f"/sdk/{name}", headers=PAGE)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert ("immutable" in answer.headers["cache-control"]) == ("?v=" in name)


@pytest.mark.parametrize("path", ["/v1/tags", "/v1/events", "/v1/feedback"])
@pytest.mark.parametrize("body", [b"{", b'{"key": "pk_unknown", "media": [], "events": []}'])
def test_a_refusal_can_be_read_by_the_page(client: TestClient, path: str, body: bytes) -> None:
    answer = client.post(path, content=body, headers={**PAGE, "Content-Type": "text/plain"})
    assert answer.status_code in {400, 401, 422}
    assert answer.headers["access-control-allow-origin"] in {"*", PAGE["Origin"]}


def test_other_calls_stay_closed_to_pages(client: TestClient) -> None:
    assert "access-control-allow-origin" not in client.get("/v1/sites", headers=PAGE).headers
