"""The load generator: ready-made requests over keep-alive connections on loopback. The same for us and for the peer."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import uvloop

ANSWER_TIMEOUT_S = 30.0


@dataclass
class Load:
    """`answers` are the bodies; `latencies_ms` in the order of the answers."""

    seconds: float = 0.0
    answers: list[bytes] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)


def request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def send(port: int, requests: Iterator[bytes], *, connections: int, seconds: float, status: int) -> Load:
    """Until `requests` end or the time is over. Raises when an answer has another status."""
    load = Load()

    async def client(until: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for sent in requests:
                started = time.perf_counter()
                writer.write(sent)
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    body = await _answer(reader, status)
                now = time.perf_counter()
                load.answers.append(body)
                load.latencies_ms.append((now - started) * 1000)
                if now > until:
                    return
        finally:
            writer.close()

    async def clients() -> None:
        started = time.perf_counter()
        await asyncio.gather(*(client(started + seconds) for _ in range(connections)))
        load.seconds = time.perf_counter() - started

    uvloop.run(clients())
    return load


async def _answer(reader: asyncio.StreamReader, status: int) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
    body = await reader.readexactly(length)
    if not lines[0].startswith(f"http/1.1 {status}"):
        raise RuntimeError(f"{lines[0]}: {body[:300]!r}")
    return body
