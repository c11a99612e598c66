"""The API reference is drawn from the API's own description and loads nothing from elsewhere."""

import re
from collections.abc import Callable

from fastapi.testclient import TestClient


def test_it_names_every_call_and_its_parameters(site: Callable[[], TestClient]) -> None:
    client = site()
    page = client.get("/docs")
    assert page.status_code == 200
    for path in client.get("/openapi.json").json()["paths"]:
        assert f"<code>{path}</code>" in page.text
    assert "price_max_micros" in page.text


def test_it_loads_nothing_from_another_host(site: Callable[[], TestClient]) -> None:
    page = site().get("/docs").text
    assert re.findall(r'(?:src|href)="(?:https?:)?//', page) == []
