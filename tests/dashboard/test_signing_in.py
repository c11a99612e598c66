"""Accounts of people: cookies, CSRF, and who may see which page."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from tests.dashboard.conftest import PAGE, Person

FORM = {"kind": "brand", "name": "Loom", "email": "Ann@Example.com", "password": "long enough"}


def test_a_stranger_is_sent_to_sign_in_and_back(site: Callable[[], TestClient]) -> None:
    answer = site().get("/brand/catalogs", headers=PAGE, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/signin?next=/brand/catalogs"


def test_the_cookie_is_closed_to_scripts_and_other_sites(site: Callable[[], TestClient]) -> None:
    cookie = site().post("/signup", data=FORM, follow_redirects=False).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_signing_in_takes_the_right_password_in_any_case_of_the_address(site: Callable[[], TestClient]) -> None:
    site().post("/signup", data=FORM)
    wrong = site().post("/signin", data={"email": "ann@example.com", "password": "long enougH"})
    assert wrong.status_code == 422
    right = site().post("/signin", data={"email": "ANN@example.com", "password": "long enough"}, follow_redirects=False)
    assert right.status_code == 303


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_signing_in_never_leads_to_another_site(site: Callable[[], TestClient], target: str) -> None:
    site().post("/signup", data=FORM)
    data = {"email": "ann@example.com", "password": "long enough", "next": target}
    assert site().post("/signin", data=data, follow_redirects=False).headers["location"] == "/"


def test_a_form_of_another_site_cannot_sign_anybody_in(site: Callable[[], TestClient]) -> None:
    answer = site().post("/signin", data={"email": "a@b.example"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


def test_a_forged_cookie_is_nobody(site: Callable[[], TestClient], person: Callable[..., Person]) -> None:
    genuine = person("brand").client.cookies["shoplight_session"]
    client = site()
    client.cookies.set("shoplight_session", genuine[:-2] + ("AA" if genuine[-2:] != "AA" else "BB"))
    assert client.get("/brand", headers=PAGE, follow_redirects=False).status_code == 303


@pytest.mark.parametrize(
    ("path", "data"),
    [("/developer/keys", {"name": "x"}), ("/brand/catalogs", {"name": "x"}), ("/signout", {})],
)
def test_a_form_without_its_token_does_nothing(person: Callable[..., Person], path: str, data: dict[str, str]) -> None:
    one = person("brand")
    for token in ("", "0" * 64):
        answer = one.client.post(path, data={**data, "csrf": token}, headers=PAGE)
        assert answer.status_code == 403
    assert one.client.get("/brand", headers=PAGE).status_code == 200


def test_signing_out_ends_a_stolen_cookie_too(person: Callable[..., Person], site: Callable[[], TestClient]) -> None:
    one = person("developer")
    thief = site()
    thief.cookies.set("shoplight_session", one.client.cookies["shoplight_session"])
    assert thief.get("/developer", headers=PAGE, follow_redirects=False).status_code == 200
    one.post("/signout", {})
    assert thief.get("/developer", headers=PAGE, follow_redirects=False).status_code == 303


@pytest.mark.parametrize(
    ("kind", "foreign"), [("brand", "/publisher"), ("publisher", "/brand"), ("developer", "/operator")]
)
def test_each_kind_has_its_own_pages(person: Callable[..., Person], kind: str, foreign: str) -> None:
    one = person(kind)
    one.get(f"/{kind}")
    answer = one.client.get(foreign, headers=PAGE)
    assert answer.status_code == 403
    assert "text/html" in answer.headers["content-type"]


def test_nobody_signs_up_as_operator(site: Callable[[], TestClient]) -> None:
    assert site().post("/signup", data={**FORM, "kind": "operator"}).status_code == 422


def test_pages_run_no_inline_script_and_cannot_be_framed(person: Callable[..., Person]) -> None:
    policy = person("brand").client.get("/brand", headers=PAGE).headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy


def test_guessing_is_slowed_by_address_and_the_right_password_then_waits_too(site: Callable[[], TestClient]) -> None:
    site().post("/signup", data=FORM)
    guess = {"email": "ann@example.com", "password": "wrong wrong"}
    answers = [site().post("/signin", data=guess).status_code for _ in range(11)]
    assert answers == [422] * 10 + [429]
    late = site().post("/signin", data={**guess, "password": "long enough"}, follow_redirects=False)
    assert late.status_code == 429
    assert int(late.headers["retry-after"]) > 600


@pytest.mark.parametrize("path", ["/brand/catalogs/ctg_x/imports", "/developer/search"])
def test_a_strangers_upload_is_not_even_read(site: Callable[[], TestClient], path: str) -> None:
    """The body breaks off with an error as soon as somebody reads it."""

    def body():
        raise AssertionError("the body was read")
        yield b""

    headers = {**PAGE, "Content-Type": "multipart/form-data; boundary=x"}
    answer = site().post(path, content=body(), headers=headers, follow_redirects=False)
    assert answer.status_code == 303
