"""A retry with the same Idempotency-Key: told the first answer, whenever it comes, and never another request's."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

from fastapi.testclient import TestClient

from api.kit.clock import FixedClock
from api.kit.idempotency import IdempotencyMiddleware
from api.ports import Ports

HEADERS = {"Authorization": "Bearer x", "Idempotency-Key": "once", "Content-Type": "application/json"}


async def _post(app: IdempotencyMiddleware, body: bytes, send: Any) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
    scope = {"type": "http", "method": "POST", "path": "/v1/things", "query_string": b"", "headers": headers}
    await app(scope, receive, send)


def test_a_retry_sent_when_the_first_answer_has_arrived_is_told_the_same(ports: Ports) -> None:
    served, statuses = [], []

    async def things(scope: Any, receive: Any, send: Any) -> None:
        served.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    app = IdempotencyMiddleware(things, ports)

    async def arrived(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
        elif len(statuses) == 1:  # the end of the first answer: its caller may come again from now on
            await _post(app, b'{"a":1}', arrived)

    asyncio.run(_post(app, b'{"a":1}', arrived))
    assert statuses == [201, 201]
    assert served == [b'{"a":1}']


def test_another_body_of_the_same_length_is_another_request(client: TestClient, account) -> None:
    headers = {**account("brand").auth, "Idempotency-Key": "once"}
    assert client.post("/v1/catalogs", json={"name": "Spring"}, headers=headers).status_code == 201
    answer = client.post("/v1/catalogs", json={"name": "Autumn"}, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "@Idempotency-Key"


def test_a_request_whose_process_died_can_be_tried_again(ports: Ports, clock: FixedClock) -> None:
    statuses: list[int] = []

    async def dies(scope: Any, receive: Any, send: Any) -> None:
        raise asyncio.CancelledError

    async def works(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    dying = IdempotencyMiddleware(dies, ports)
    dying._settle = lambda *_: None  # type: ignore[method-assign]  # dead processes settle nothing
    with suppress(asyncio.CancelledError):
        asyncio.run(_post(dying, b"{}", send))
    app = IdempotencyMiddleware(works, ports)
    asyncio.run(_post(app, b"{}", send))
    clock.advance(timedelta(minutes=16))
    asyncio.run(_post(app, b"{}", send))
    assert statuses == [409, 201]
