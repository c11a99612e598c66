"""Every refusal has the one form, those of the framework too."""

import asyncio
import errno
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from api.ports import Ports


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"[" * 100_000, b'{"name":' + b"9" * 5000 + b"}"])
def test_a_body_that_cannot_be_read_is_pointed_at(client: TestClient, account, body: bytes) -> None:
    headers = {**account("publisher").auth, "Content-Type": "application/json"}
    answer = client.post("/v1/sites", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["errors"][0]["pointer"] == "#"


@pytest.mark.parametrize("path", ["/v1/tags", "/v1/videos", "/v1/catalogs/{c}/imports", "/webhooks/stripe"])
def test_an_upload_that_breaks_off_is_no_crash(ports: Ports, client: TestClient, account, path: str) -> None:
    auth = account("brand").auth
    catalog_id = client.post("/v1/catalogs", json={"name": "x"}, headers=auth).json()["id"]
    kind = "text/plain" if path == "/v1/tags" else "application/json"
    headers = [(b"authorization", auth["Authorization"].encode()), (b"content-type", kind.encode())]
    scope: dict[str, Any] = {
        "type": "http", "method": "POST", "path": path.format(c=catalog_id), "query_string": b"", "headers": headers
    }  # fmt: skip
    arriving = iter([{"type": "http.request", "body": b'{"', "more_body": True}, {"type": "http.disconnect"}])
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return next(arriving)

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    asyncio.run(create_app(ports)(scope, receive, send))
    assert statuses == [400]


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 503), (errno.EROFS, 503), (errno.EIO, 500)])
def test_a_full_disk_is_said_and_other_trouble_is_ours(
    client: TestClient, account, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "the disk says no")

    monkeypatch.setattr("api.kit.uploads.shutil.copyfileobj", refuse)
    auth = account("brand").auth
    catalog_id = client.post("/v1/catalogs", json={"name": "x"}, headers=auth).json()["id"]
    files = {"file": ("feed.csv", b"id,title\n1,x\n")}
    answer = client.post(f"/v1/catalogs/{catalog_id}/imports", files=files, headers=auth)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert ("retry-after" in answer.headers) is (status == 503)
