"""What people do on the pages: keys, catalogs, campaigns, sites. Markup in names stays text."""

import html
import re
from collections.abc import Callable

import pytest

from api.accounts.scopes import SCOPES_OF, TenantKind
from api.accounts.service import AccountsDesk
from api.events.store_clickhouse import ClickHouseStore
from api.ports import Ports
from tests.conftest import RecordingQueue
from tests.dashboard.conftest import PAGE, Person

MARKUP = '<img src=x onerror="alert(1)">'


def test_a_key_made_on_the_page_works_and_is_revoked_there(person: Callable[..., Person]) -> None:
    one = person("developer")
    answer = one.post("/developer/keys", {"name": MARKUP, "scopes": sorted(SCOPES_OF[TenantKind.developer])})
    assert answer.status_code == 200
    assert MARKUP not in answer.text
    assert html.escape(MARKUP, quote=False)[:8] in answer.text
    secret = re.search(r"sk_[\w-]{20,}", answer.text).group()
    call = {"Authorization": f"Bearer {secret}"}
    assert one.client.get("/v1/keys", headers=call).status_code == 200
    key_id = re.search(r"/developer/keys/(key_\w+)/revoke", answer.text).group(1)
    one.post(f"/developer/keys/{key_id}/revoke", {})
    assert one.client.get("/v1/keys", headers=call).status_code == 401


def test_a_brand_makes_a_catalog_and_uploads_a_feed(person: Callable[..., Person], queue: RecordingQueue) -> None:
    one = person("brand")
    assert one.post("/brand/catalogs", {"name": MARKUP}).status_code == 422
    name = {"name": f"{MARKUP}Shop & Sons", "listed": "true"}
    made = one.post("/brand/catalogs", name, follow_redirects=False)
    path = made.headers["location"]
    page = one.get(path)
    assert "onerror" not in page
    assert "Shop &amp; Sons" in page
    assert "awaiting approval" in page
    feed = {"file": ("feed.csv", b"id,title,link,price\n1,A,https://a.example/,9.90 EUR\n", "text/csv")}
    started = one.post(f"{path}/imports", {"mode": "merge"}, files=feed, follow_redirects=False)
    assert started.status_code == 303, started.text
    assert queue.sent[-1][0] == "catalog.run_import"
    assert "queued" in one.get(started.headers["location"])


def test_another_brands_catalog_is_not_there(person: Callable[..., Person]) -> None:
    mine, theirs = person("brand"), person("brand")
    path = theirs.post("/brand/catalogs", {"name": "x"}, follow_redirects=False).headers["location"]
    assert mine.client.get(path).status_code == 404
    assert mine.post(f"{path}/listing", {"listed": "true"}).status_code == 404


def test_a_campaign_is_paused_and_goes_on(person: Callable[..., Person]) -> None:
    one = person("brand")
    form = {"name": "Autumn", "bid": "0.25", "daily_budget": "50", "currency": "eur"}
    page = one.post("/brand/campaigns", form).text
    assert "0.25 EUR" in page
    campaign = re.search(r"/brand/campaigns/(cmp_\w+)/state", page).group(1)
    assert "paused" in one.post(f"/brand/campaigns/{campaign}/state", {"state": "paused"}).text
    assert "active" in one.post(f"/brand/campaigns/{campaign}/state", {"state": "active"}).text


def test_a_bad_campaign_is_explained(person: Callable[..., Person]) -> None:
    form = {"name": "", "bid": "0.25", "daily_budget": "50", "currency": "eur"}
    answer = person("brand").post("/brand/campaigns", form)
    assert answer.status_code == 422
    assert "name" in answer.text


def test_a_publisher_gets_the_line_for_its_pages(person: Callable[..., Person]) -> None:
    one = person("publisher")
    page = one.post("/publisher/sites", {"name": "Mag", "origins": "https://mag.example\nhttps://m.mag.example"}).text
    assert re.search(r"data-key=&#34;pk_[\w-]+&#34;|data-key=\"pk_[\w-]+\"", page)
    assert "m.mag.example" in page
    bad = one.post("/publisher/sites", {"name": "Mag", "origins": "https://mag.example/path"})
    assert bad.status_code == 422
    assert "origins" in bad.text


def test_the_operator_approves_a_listing(person: Callable[..., Person], account, site) -> None:
    brand = person("brand")
    operator = account("operator")
    listed = brand.client.get("/brand/catalogs").status_code
    assert listed == 200
    tenants = brand.client.get("/v1/tenants", headers=operator.auth).json()["items"]
    tenant = next(row for row in tenants if row["kind"] == "brand")
    answer = brand.client.patch(f"/v1/tenants/{tenant['id']}", json={"listing_approved": True}, headers=operator.auth)
    assert answer.json()["listing_approved"] is True


def test_every_page_opens_for_a_newcomer(person: Callable[..., Person]) -> None:
    pages = {
        "brand": ["/brand?days=1&tz=Asia/Kathmandu", "/brand/catalogs", "/brand/campaigns", "/brand/invoices"],
        "publisher": ["/publisher?traffic=gross", "/publisher/media", "/publisher/sites", "/publisher/earnings"],
        "developer": ["/developer", "/developer/usage", "/developer/search"],
    }
    for kind, paths in pages.items():
        one = person(kind)
        for path in paths:
            one.get(path)


def test_a_wrong_time_zone_is_explained_on_a_page(person: Callable[..., Person]) -> None:
    answer = person("brand").client.get("/brand?tz=Mars/Olympus", headers={"Accept": "text/html"})
    assert answer.status_code == 422
    assert "time zone" in answer.text


def test_a_key_for_nothing_is_refused(person: Callable[..., Person]) -> None:
    one = person("developer")
    answer = one.post("/developer/keys", {"name": "narrow"})
    assert answer.status_code == 422
    assert "at least one scope" in answer.text
    assert "No keys yet" in one.get("/developer")


def test_a_campaign_refused_says_why_and_keeps_what_was_typed(person: Callable[..., Person]) -> None:
    one = person("brand")
    typed = {"name": " ", "bid": "0.7", "daily_budget": "31", "currency": "EUR"}
    answer = one.post("/brand/campaigns", typed)
    assert answer.status_code == 422
    assert "name: " in answer.text
    assert "pydantic" not in answer.text
    assert 'value="31.0"' in answer.text
    assert one.post("/brand/campaigns", {**typed, "name": "x", "bid": "0.001"}).status_code == 422
    assert "No campaign yet" in one.get("/brand/campaigns")


def test_an_empty_file_is_called_empty_and_the_way_back_stays_on_this_host(person: Callable[..., Person]) -> None:
    one = person("developer")
    empty = {"image": ("a.jpg", b"", "image/jpeg")}
    form = {"csrf": one.csrf()}

    def sent(**headers: str) -> str:
        answer = one.client.post("/developer/search", data=form, files=empty, headers=headers)
        assert answer.status_code == 422
        assert "This file is empty." in answer.text
        return answer.text

    here = str(one.client.base_url)
    assert 'href="/developer/search?x=1"' in sent(accept="text/html", referer=f"{here}/developer/search?x=1")
    assert "elsewhere" not in sent(accept="text/html", referer="https://elsewhere.example/developer")
    assert "<html" not in sent(**{"hx-request": "true"})


def test_only_the_demo_speaks_of_its_accounts(person: Callable[..., Person], ports: Ports) -> None:
    client = person("developer").client
    client.cookies.clear()
    assert "demo.json" not in client.get("/signin").text
    assert "/demo/" not in client.get("/").text
    with ports.database.write() as session:
        desk = AccountsDesk(session, ports.clock.now())
        tenant, _ = desk.sign_up(TenantKind.publisher, "Quarterlight", "quarterlight@demo.example", "long enough")
    assert "/demo/" not in client.get("/").text  # anybody can sign up with such an address
    with ports.database.write() as session:
        session.get_one(type(tenant), tenant.id).unlimited = True
    assert "demo.json" in client.get("/signin").text
    assert "/demo/quarterlight" in client.get("/").text


@pytest.mark.parametrize("headers", [PAGE, {"HX-Request": "true"}, {}], ids=["page", "part", "program"])
def test_while_the_event_store_is_away_a_page_says_when_to_come_back(
    person: Callable[..., Person], ports: Ports, headers: dict[str, str]
) -> None:
    one = person("publisher")
    there, ports.event_store = ports.event_store, ClickHouseStore("clickhouse://default@127.0.0.1:1/nobody")
    try:
        answer = one.client.get("/publisher", headers=headers)
    finally:
        ports.event_store.close()
        ports.event_store = there
    assert answer.status_code == 503
    assert "Reports cannot be computed now." in answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert ("<" in answer.text) == bool(headers)
    assert one.client.get("/publisher", headers=PAGE).status_code == 200
