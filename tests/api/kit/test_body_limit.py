"""Bodies are bounded on every route, whether their length is told or not."""

from collections.abc import Iterator

from fastapi.testclient import TestClient


def test_a_body_whose_length_is_told_is_refused_unread(client: TestClient, account) -> None:
    answer = client.post("/v1/sites", content=b"x" * (3 * 1024**2), headers=account("publisher").auth)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_of_untold_length_is_refused_once_it_is_too_long(client: TestClient, account) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(64):
            sent += 1
            yield b"[" * 65536

    headers = {**account("publisher").auth, "Content-Type": "application/json"}
    answer = client.post("/v1/sites", content=endless(), headers=headers)
    assert answer.status_code == 413


def test_a_usual_body_passes(client: TestClient, account) -> None:
    body = {"name": "x" * 200, "origins": ["https://example.com"]}
    assert client.post("/v1/sites", json=body, headers=account("publisher").auth).status_code == 201


def test_a_path_that_ends_like_an_upload_gets_no_more_room(client: TestClient) -> None:
    for path in ("/v1/products/imports", "/v1/tags/search", "/v1/catalogs/videos"):
        answer = client.request("PATCH", path, content=b"x" * (3 * 1024**2))
        assert answer.status_code == 413, path


def test_uploads_get_theirs(client: TestClient, account) -> None:
    feed = {"file": ("feed.csv", b"x" * (3 * 1024**2))}
    for path in ("/v1/catalogs/ctg_x/imports", "/v1/videos", "/v1/search"):
        assert client.post(path, files=feed, headers=account("brand").auth).status_code != 413, path
