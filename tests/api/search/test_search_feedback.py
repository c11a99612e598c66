"""`/v1/search/feedback`: what a developer says of a search, what it does to its later ones, and to nobody else's."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from api.accounts.scopes import Scope
from api.kit.clock import FixedClock
from api.kit.paging import Cursor
from api.ports import Ports
from api.search import verdicts
from api.search.models import SearchVerdict
from api.search.query_tokens import QuerySealer, codes_of
from api.search.verdicts import ALIKE, Verdicts, VerdictService
from tests.api.search.conftest import Shop, drawing
from tests.conftest import Account, AccountMaker

PATH = "/v1/search/feedback"
Found = dict[str, Any]


@pytest.fixture
def search(client: TestClient, shop: Shop) -> Callable[..., Found]:
    """The answer to a whole picture."""

    def call(name: str = "triangle", who: Account = shop.mine, **query: Any) -> Found:
        files, params = {"image": ("a.png", drawing(name))}, {"detect": "false"} | query
        answer = client.post("/v1/search", params=params, files=files, headers=who.auth)
        assert answer.status_code == 200, answer.text
        found: Found = answer.json()
        return found

    return call


def said(client: TestClient, who: Account, found: Found, product_id: str, verdict: str = "not_this") -> Any:
    body = {"token": found["objects"][0]["token"], "product_id": product_id, "verdict": verdict}
    return client.post(PATH, json=body, headers=who.auth)


def order(found: Found) -> list[str]:
    return [match["product"]["external_id"] for match in found["objects"][0]["matches"]]


def test_a_wrong_product_comes_last_in_this_tenants_searches_that_look_alike(
    client: TestClient, shop: Shop, search: Callable[..., Found]
) -> None:
    first = search()
    assert order(first)[0] == "triangle"
    answer = said(client, shop.mine, first, "prd_triangle")
    assert (answer.status_code, answer.json()["object"], answer.json()["verdict"]) == (200, 0, "not_this")
    assert answer.json()["query_id"] == first["query_id"]
    later = search()
    assert order(later)[-1] == "triangle"
    assert sorted(order(later)) == sorted(order(first))
    assert later["objects"][0]["matches"][-1]["match_type"] == "similar"  # it was exact
    # neither for what looks otherwise, nor for anybody else
    assert order(search("cross")) == order(search("cross", shop.mine))
    assert order(search("disc"))[-1] != "triangle"
    assert order(search(who=shop.other))[0] == "triangle"


def test_it_can_be_taken_back_and_said_again(client: TestClient, shop: Shop, search: Callable[..., Found]) -> None:
    found = search()
    made = said(client, shop.mine, found, "prd_triangle").json()
    assert said(client, shop.mine, found, "prd_triangle").json() == made  # a repetition changes nothing
    assert client.get(PATH, headers=shop.mine.auth).json() == {"items": [made], "next_cursor": None}
    assert client.delete(f"{PATH}/{made['id']}", headers=shop.mine.auth).status_code == 204
    assert order(search())[0] == "triangle"
    assert client.delete(f"{PATH}/{made['id']}", headers=shop.mine.auth).status_code == 404
    # a later word on the same object and product replaces the first
    said(client, shop.mine, found, "prd_triangle")
    right = said(client, shop.mine, found, "prd_triangle", "right").json()
    assert len(client.get(PATH, headers=shop.mine.auth).json()["items"]) == 1
    assert (right["verdict"], order(search())[0]) == ("right", "triangle")


def test_the_list_pages_newest_first(client: TestClient, shop: Shop, search: Callable[..., Found]) -> None:
    made = [said(client, shop.mine, search(), f"prd_{name}").json()["id"] for name in ("disc", "stripes", "triangle")]
    page = client.get(PATH, params={"limit": 2}, headers=shop.mine.auth).json()
    rest = client.get(PATH, params={"limit": 2, "cursor": page["next_cursor"]}, headers=shop.mine.auth).json()
    assert [one["id"] for one in (*page["items"], *rest["items"])] == made[::-1]
    assert rest["next_cursor"] is None


def test_tenants_know_nothing_of_each_other(client: TestClient, shop: Shop, search: Callable[..., Found]) -> None:
    found = search()
    foreign = said(client, shop.other, found, "prd_triangle")
    assert (foreign.status_code, foreign.json()["code"]) == (422, "token_foreign")
    made = said(client, shop.mine, found, "prd_triangle").json()
    assert client.get(PATH, headers=shop.other.auth).json()["items"] == []
    assert client.delete(f"{PATH}/{made['id']}", headers=shop.other.auth).status_code == 404
    assert len(client.get(PATH, headers=shop.mine.auth).json()["items"]) == 1
    # and a product that one may not see does not exist
    for hidden in ("prd_rings", "prd_never"):
        answer = said(client, shop.mine, found, hidden)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/product_id")


def test_who_may(client: TestClient, account: AccountMaker) -> None:
    body = {"token": "x", "product_id": "prd_x", "verdict": "right"}
    assert client.post(PATH, json=body).status_code == 401
    assert client.get(PATH).status_code == client.delete(f"{PATH}/vdt_x").status_code == 401
    poor = account("developer", scopes=[Scope.detect]).auth
    assert client.post(PATH, json=body, headers=poor).status_code == 403
    assert client.get(PATH, headers=poor).status_code == 403
    assert client.delete(f"{PATH}/vdt_x", headers=poor).status_code == 403


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"verdict": "awful"}, "#/verdict", "invalid"),
    ({"token": ""}, "#/token", "invalid"),
    ({"token": "x" * 5000}, "#/token", "invalid"),
    ({"token": "x"}, "#/token", "token_forged"),
    ({"token": "é"}, "#/token", "token_forged"),
    ({"product_id": ""}, "#/product_id", "invalid"),
    ({"product_id": "p" * 41}, "#/product_id", "invalid"),
    ({"product_id": 7}, "#/product_id", "invalid"),
    ({"more": 1}, "#/more", "invalid"),
]


def test_what_is_wrong_is_named(client: TestClient, shop: Shop, search: Callable[..., Found], ports: Ports) -> None:
    good = {"token": search()["objects"][0]["token"], "product_id": "prd_triangle", "verdict": "right"}
    for change, pointer, code in WRONG:
        answer = client.post(PATH, json=good | change, headers=shop.mine.auth)
        assert (answer.status_code, answer.json()["code"]) == (422, code), change
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert client.post(PATH, content=b"\xff", headers=shop.mine.auth).status_code in {400, 422}
    assert client.delete(f"{PATH}/{'x' * 500}", headers=shop.mine.auth).status_code == 422
    with ports.database.read() as session:
        assert VerdictService(session, shop.mine.tenant_id, ports.clock.now()).page(Cursor(None, 5)) == []


def test_a_token_is_sealed_and_ends(
    client: TestClient, shop: Shop, search: Callable[..., Found], ports: Ports, clock: FixedClock
) -> None:
    found = search()
    token = found["objects"][0]["token"]
    for forged in (token[:-4] + "AAAA", "z" + token[1:], token[: len(token) // 2], token + "AAAA"):
        body = {"token": forged, "product_id": "prd_triangle", "verdict": "right"}
        assert client.post(PATH, json=body, headers=shop.mine.auth).json()["code"] == "token_forged"
    # a tag's token, sealed with the same keys, is none
    keys, other = ports.secrets.token_keys, {"k1": bytes(32)}
    for sealer in (QuerySealer(other, ports.eyes.embedder_version), QuerySealer(keys, "another embedder")):
        vectors = np.ones((1, ports.eyes.dim), np.float32)
        [made] = sealer.seal(shop.mine.tenant_id, "qry_x", vectors, clock.now())
        body = {"token": made, "product_id": "prd_triangle", "verdict": "right"}
        assert client.post(PATH, json=body, headers=shop.mine.auth).status_code == 422
    clock.advance(timedelta(days=8))
    assert said(client, shop.mine, found, "prd_triangle").json()["code"] == "token_expired"


def test_a_tenant_keeps_its_newest(
    client: TestClient, shop: Shop, search: Callable[..., Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "MOST", 2)
    for name in ("triangle", "disc", "stripes"):
        said(client, shop.mine, search(), f"prd_{name}")
    items = client.get(PATH, headers=shop.mine.auth).json()["items"]
    assert [one["product_id"] for one in items] == ["prd_stripes", "prd_disc"]
    assert order(search())[0] == "triangle"


def test_the_word_on_the_nearest_object_counts(ports: Ports, account: AccountMaker) -> None:
    tenant, dim, now = account("developer").tenant_id, ports.eyes.dim, ports.clock.now()

    def at(cosine: float) -> np.ndarray:
        vector = np.zeros((1, dim), np.float32)
        vector[0, 0], vector[0, 1] = cosine, np.sqrt(1 - cosine**2)
        return vector

    def say(cosine: float, product: str, *, right: bool) -> None:
        [token] = ports.verdicts.sealer.seal(tenant, f"qry_{cosine}", at(cosine), now)
        with ports.database.write() as session:
            claims = ports.verdicts.opened(token, tenant, now)
            VerdictService(session, tenant, now).say(claims, product, right=right)
        ports.verdicts.forget(tenant)

    assert ports.verdicts.wrong(tenant, at(1.0)) == []
    say(ALIKE + 0.01, "prd_a", right=False)
    say(ALIKE - 0.01, "prd_b", right=False)
    assert ports.verdicts.wrong(tenant, np.concatenate([at(1.0), at(-1.0)])) == [{"prd_a"}, frozenset()]
    say(0.99, "prd_a", right=True)
    assert ports.verdicts.wrong(tenant, at(1.0)) == [frozenset()]
    say(0.999, "prd_a", right=False)
    assert ports.verdicts.wrong(tenant, at(1.0)) == [{"prd_a"}]
    # vectors of another embedder compare with nothing
    other = Verdicts(ports.database, ports.secrets.token_keys, "another", dim)
    assert other.wrong(tenant, at(1.0)) == []


def test_bytes_tell_cosines_as_floats_do() -> None:
    drawn = np.random.default_rng(2).standard_normal((50, 256)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    held = codes_of(drawn).astype(np.float32)
    held /= np.linalg.norm(held, axis=1, keepdims=True)
    assert drawn @ held.T == pytest.approx(drawn @ drawn.T, abs=0.005)
    assert not codes_of(np.zeros((1, 8), np.float32)).any()


def test_nothing_is_stored_of_a_search_that_nobody_speaks_of(ports: Ports, search: Callable[..., Found]) -> None:
    search()
    with ports.database.read() as session:
        assert session.get(SearchVerdict, "") is None
        assert session.connection().exec_driver_sql("SELECT count(*) FROM search_verdicts").scalar() == 0
