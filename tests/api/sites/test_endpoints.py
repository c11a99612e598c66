"""Sites over HTTP, and who may call with a publishable key."""

import pytest
from fastapi.testclient import TestClient

from api.errors import Forbidden, Unauthorized
from api.ports import Ports

SITE = {"name": "Magazine", "origins": ["https://Example.com:443/"], "media_hosts": ["CDN.example.com"]}


def test_anonymous_and_foreign_kinds_are_kept_out(client: TestClient, account) -> None:
    assert client.post("/v1/sites", json=SITE).status_code == 401
    assert client.post("/v1/sites", json=SITE, headers=account("brand").auth).status_code == 403


def test_origins_and_hosts_are_kept_in_one_form(client: TestClient, account) -> None:
    made = client.post("/v1/sites", json=SITE, headers=account("publisher").auth).json()
    assert made["origins"] == ["https://example.com"]
    assert made["media_hosts"] == ["cdn.example.com"]
    assert made["key"].startswith("pk_")


def test_names_in_any_script_are_kept_as_browsers_send_them(client: TestClient, account) -> None:
    body = {"name": "x", "origins": ["https://Bücher.example:8443"], "media_hosts": ["bilder.bücher.example:81"]}
    made = client.post("/v1/sites", json=body, headers=account("publisher").auth).json()
    assert made["origins"] == ["https://xn--bcher-kva.example:8443"]
    assert made["media_hosts"] == ["bilder.xn--bcher-kva.example:81"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("origins", ["https://example.com/path"]),
        ("origins", ["javascript:alert(1)"]),
        ("origins", ["https://*.example.com"]),
        ("origins", ["null"]),
        ("origins", ["https://a\\b"]),
        ("media_hosts", ["http://example.com"]),
        ("media_hosts", ["a b"]),
        ("media_hosts", ["user@host"]),
    ],
)
def test_what_is_no_origin_or_host_is_refused_by_name(
    client: TestClient, account, field: str, value: list[str]
) -> None:
    answer = client.post("/v1/sites", json={**SITE, field: value}, headers=account("publisher").auth)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"#/{field}/0"


def test_another_publishers_site_is_not_there(client: TestClient, account) -> None:
    mine, theirs = account("publisher"), account("publisher")
    site = client.post("/v1/sites", json=SITE, headers=theirs.auth).json()
    for call in (client.get, client.delete):
        assert call(f"/v1/sites/{site['id']}", headers=mine.auth).status_code == 404
    assert client.patch(f"/v1/sites/{site['id']}", json={"name": "x"}, headers=mine.auth).status_code == 404
    assert client.get("/v1/sites", headers=mine.auth).json()["items"] == []


def test_a_publishable_key_works_from_its_origins_alone(client: TestClient, account, ports: Ports) -> None:
    owner = account("publisher")
    site = client.post("/v1/sites", json=SITE, headers=owner.auth).json()
    view = ports.sites.resolve(site["key"], "https://example.com")
    assert view.site_id == site["id"]
    assert view.takes_media_of("cdn.example.com", 8080)
    for origin in (None, "https://evil.example", "http://example.com", "https://example.com.evil.example"):
        with pytest.raises(Forbidden):
            ports.sites.resolve(site["key"], origin)
    with pytest.raises(Unauthorized):
        ports.sites.resolve("pk_unknown", "https://example.com")


def test_a_deleted_sites_key_stops(client: TestClient, account, ports: Ports) -> None:
    owner = account("publisher")
    site = client.post("/v1/sites", json=SITE, headers=owner.auth).json()
    ports.sites.resolve(site["key"], "https://example.com")
    assert client.delete(f"/v1/sites/{site['id']}", headers=owner.auth).status_code == 204
    with pytest.raises(Unauthorized):
        ports.sites.resolve(site["key"], "https://example.com")


def test_lists_page_by_cursor(client: TestClient, account) -> None:
    owner = account("publisher")
    made = [client.post("/v1/sites", json={**SITE, "name": f"s{n}"}, headers=owner.auth).json()["id"] for n in range(5)]
    seen, cursor = [], None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = client.get("/v1/sites", params=query, headers=owner.auth).json()
        seen += [site["id"] for site in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert sorted(seen) == sorted(made)
    assert client.get("/v1/sites", params={"cursor": "%%%"}, headers=owner.auth).status_code == 422
