"""The server of every shape: behind a proxy callers keep their own addresses, and nobody else can claim one; it starts
with a quiet collector."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from fastapi import FastAPI, Request

from api.kit.readiness import Readiness
from api.settings import HttpSettings
from tests.patience import until
from workers.cli.web import PoliteServer, listening_socket


@contextmanager
def served(trusted_proxies: str) -> Iterator[str]:
    app = FastAPI()

    @app.get("/")
    def caller(request: Request) -> str:
        return request.client.host if request.client else ""

    server = PoliteServer(app, HttpSettings(trusted_proxies=trusted_proxies), Readiness({}, needed=()))
    with listening_socket("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(60)


@pytest.mark.parametrize(
    ("trusted", "forwarded", "seen"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.0/8, 10.0.0.0/8", "203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),  # the first is what the caller wrote
        ("10.0.0.0/8", "203.0.113.9", "127.0.0.1"),
        ("", "203.0.113.9", "127.0.0.1"),
    ],
)
def test_only_a_trusted_proxy_says_for_whom_it_calls(
    trusted: str, forwarded: str, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # uvicorn's own setting has no say
    with served(trusted) as url:
        assert httpx2.get(url, headers={"X-Forwarded-For": forwarded}, trust_env=False, timeout=60).json() == seen


def test_what_is_there_at_the_start_is_no_work_for_the_collector() -> None:
    gc.unfreeze()
    with served(""):
        assert gc.get_freeze_count() > len(gc.get_objects()) / 2
    gc.unfreeze()
