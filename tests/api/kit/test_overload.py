"""Bounded work: more requests than fit are told when to come back, and health is always answered."""

import asyncio
from typing import Any

import pytest

from api.kit.overload import InFlightLimit


class Client:
    """Sends requests to an ASGI app that answers when it is let go."""

    def __init__(self, most: int) -> None:
        self.going_on = asyncio.Event()
        self.app = InFlightLimit(self._slow, most, exempt=["/readyz"])

    async def _slow(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/readyz":
            await self.going_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def get(self, path: str = "/v1/tags") -> tuple[int, dict[bytes, bytes]]:
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app({"type": "http", "method": "GET", "path": path, "headers": []}, None, send)
        return sent[0]["status"], dict(sent[0]["headers"])


def test_what_does_not_fit_is_told_to_come_back_and_room_is_given_back() -> None:
    async def scenario() -> None:
        client = Client(2)
        waiting = [asyncio.create_task(client.get()) for _ in range(2)]
        await asyncio.sleep(0)
        status, headers = await client.get()
        assert (status, headers[b"retry-after"]) == (503, b"2")
        assert (await client.get("/readyz"))[0] == 200
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
        one_more = asyncio.create_task(client.get())
        await asyncio.sleep(0)
        client.going_on.set()
        assert [(await task)[0] for task in (waiting[1], one_more)] == [200, 200]

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [200])
def test_one_at_a_time_is_never_refused(status: int) -> None:
    async def scenario() -> None:
        client = Client(1)
        client.going_on.set()
        assert [(await client.get())[0] for _ in range(5)] == [status] * 5

    asyncio.run(scenario())
