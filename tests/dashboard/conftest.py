"""The pages over real HTTP, with people signed in."""

import re
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from api.ports import Ports
from dashboard.routes import mount

PAGE = {"Accept": "text/html"}


class Person:
    """A browser of a test: cookies, forms, and the token that forms carry."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, path: str) -> str:
        answer = self.client.get(path, headers=PAGE)
        assert answer.status_code == 200, answer.text
        return answer.text

    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.get("/developer"))
        assert found
        return found.group(1)

    def post(self, path: str, data: dict[str, str], **more: object):
        return self.client.post(path, data={"csrf": self.csrf(), **data}, headers=PAGE, **more)


@pytest.fixture
def site(ports: Ports) -> Iterator[Callable[[], TestClient]]:
    """Makes browsers of one running app, each with cookies of its own."""
    app = create_app(ports)
    mount(app)
    with TestClient(app) as first:
        yield lambda: TestClient(app, base_url=str(first.base_url), raise_server_exceptions=False)


@pytest.fixture
def person(site: Callable[[], TestClient]) -> Callable[..., Person]:
    """`person("brand")`: somebody who has just signed up as one."""
    made = iter(range(1000))

    def make(kind: str) -> Person:
        client = site()
        form = {"kind": kind, "name": f"A {kind}", "email": f"p{next(made)}@example.com", "password": "long enough"}
        answer = client.post("/signup", data=form, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return Person(client)

    return make
