"""A house that has been lived in: products with vectors, tags, events of every kind, usage, ledger, invoices, blobs.

Everything goes in through the API, the services and the sink. `looks` is what its tenants see of it afterwards."""

import io
import itertools
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from fastapi.testclient import TestClient

from api.accounts.scopes import SCOPES_OF, TenantKind
from api.accounts.service import AccountsDesk, AccountService
from api.accounts.sessions import SessionClaims
from api.billing import service as billing
from api.billing.models import TenantBilling
from api.catalog import imports
from api.events.migrations import migrate
from api.events.reconcile import reconcile
from api.events.tokens import TagClaims
from api.kit.clock import FixedClock, rfc3339
from api.kit.db import Database
from api.kit.ids import new_id
from api.kit.migrations import upgrade
from api.main import create_app
from api.media.models import Media, MediaKind, MediaState, Tag
from api.media.urls import normalise
from api.ports import Ports, open_ports
from api.search.rebuild import rebuild_index
from api.settings import Settings
from tests.api.catalog.shop import feed, picture
from tests.conftest import Account, RecordingQueue
from workers.moving.house import House, drain

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EVENING = NOON + timedelta(hours=4)
ORIGIN = "https://magazine.example"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
PRODUCTS = 6
PICTURE_URL = "https://cdn.example/street.jpg"


@dataclass
class Inhabitants:
    """What outlives a move: accounts, keys, ids, and tokens that pages have been shown."""

    accounts: dict[str, Account] = field(default_factory=dict)
    site_id: str = ""
    site_key: str = ""
    catalog_id: str = ""
    import_id: str = ""
    waiting_import_id: str = ""
    session: str = ""
    tokens: list[str] = field(default_factory=list)
    posted: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class OpenHouse:
    """An open house at its HTTP surface."""

    ports: Ports
    client: TestClient
    queue: RecordingQueue
    clock: FixedClock

    def get(self, path: str, account: Account, **params: Any) -> Any:
        answer = self.client.get(path, params=params, headers=account.auth)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        return answer.json()

    def post_events(self, key: str, events: list[dict[str, Any]]) -> Any:
        sent = {"User-Agent": BROWSER, "Content-Type": "text/plain", "Origin": ORIGIN}
        body = msgspec.json.encode({"key": key, "events": events})
        answer = self.client.post("/v1/events", content=body, headers=sent)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def post_last(self, people: "Inhabitants") -> None:
        """Two events that wait in the log."""
        people.posted += [event(self, "hover", people.tokens[number], f"hover-{number}") for number in (2, 3)]
        self.post_events(people.site_key, people.posted[-2:])

    def drain(self) -> int:
        """Everything into the store, whichever log it lies in."""
        ports = self.ports
        return drain(House(ports.settings, ports.database, ports.event_store, ports.blobs, ports.event_log))

    def work(self) -> None:
        """Carry out the catalog's hints."""
        tasks = {"catalog.run_import": imports.run_import, "catalog.index_products": imports.index_products}
        while self.queue.sent:
            name, arguments = self.queue.sent.pop(0)
            if name in tasks:
                tasks[name](self.ports, **arguments)


@contextmanager
def opened(settings: Settings, clock: FixedClock | None = None) -> Iterator[OpenHouse]:
    """Open as the embedded shape does at its start: schema, ports, index."""
    clock = clock or FixedClock(NOON)
    settings.datadir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database_url)
    upgrade(database)
    database.close()
    queue = RecordingQueue()
    ports = open_ports(settings, queue, clock)
    try:
        migrate(ports.event_store)
        rebuild_index(ports.database, ports.index, ports.eyes.embedder_version, ports.eyes.dim)
        with TestClient(create_app(ports)) as client:
            yield OpenHouse(ports, client, queue, clock)
    finally:
        ports.close()


def settle_in(settings: Settings) -> Inhabitants:
    """Fill an empty house. It is 12:00 at first and 15:30 in the end."""
    people = Inhabitants()
    clock = FixedClock(NOON)
    with opened(settings, clock) as house:
        for kind in TenantKind:
            people.accounts[kind.value] = _sign_up(house, kind)
        _fill_catalog(house, people)
        _make_site(house, people)
        _search(house, people)
        people.session = house.ports.gatekeeper.signer.sign(SessionClaims(people.accounts["brand"].user_id, 0))
        people.tokens = [_token(house, people, number) for number in range(8)]
        _first_events(house, people)
        house.drain()
        clock.advance(timedelta(hours=2, minutes=30))
        billing.close_hours(house.ports)
        billing.push_meter_events(house.ports)
    clock.advance(timedelta(hours=1))
    with opened(settings, clock) as house:
        _last_events(house, people)
    return people


def _sign_up(house: OpenHouse, kind: TenantKind) -> Account:
    ports = house.ports
    with ports.database.write() as session:
        desk = AccountsDesk(session, ports.clock.now())
        tenant, user = desk.sign_up(kind, f"A {kind} “at home”", f"{kind}@example.com", "long enough")
        tenant.listing_approved = True
        session.flush()
        if kind is TenantKind.developer:
            terms = TenantBilling(tenant_id=tenant.id, quota_hard=10**15, prices={}, updated_at=ports.clock.now())
            session.add(terms)
        held = frozenset(map(str, SCOPES_OF[tenant.kind]))
        _, secret = AccountService(session, tenant.id, user.id, ports.clock.now()).create_key("test", None, held=held)
    return Account(tenant.id, user.id, secret)


def _fill_catalog(house: OpenHouse, people: Inhabitants) -> None:
    brand = people.accounts["brand"]
    made = house.client.post("/v1/catalogs", json={"name": "Shop", "listed": True}, headers=brand.auth)
    people.catalog_id = made.json()["id"]
    people.import_id = _import(house, people, range(1, PRODUCTS + 1))
    house.work()
    done = house.get(f"/v1/imports/{people.import_id}", brand)
    assert (done["state"], done["counts"]["indexed"]) == ("done", PRODUCTS), done
    # its hint gets lost: the row and the feed are all that is left of it
    people.waiting_import_id = _import(house, people, range(PRODUCTS + 1, PRODUCTS + 3))
    house.queue.sent.clear()


def _import(house: OpenHouse, people: Inhabitants, numbers: range) -> str:
    packed = io.BytesIO()
    rows = []
    with zipfile.ZipFile(packed, "w") as archive:
        for number in numbers:
            archive.writestr(f"{number}.jpg", picture(number))
            rows.append(
                {"id": f"p{number}", "title": f"Product {number} – größer", "link": f"https://shop.example/{number}",
                 "image_link": f"{number}.jpg", "price": f"{number}.50 EUR", "availability": "in stock"}
            )  # fmt: skip
        archive.writestr("feed.csv", feed(*rows))
    answer = house.client.post(
        f"/v1/catalogs/{people.catalog_id}/imports",
        files={"file": ("feed.zip", packed.getvalue())},
        params={"mode": "merge"},
        headers=people.accounts["brand"].auth,
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _make_site(house: OpenHouse, people: Inhabitants) -> None:
    publisher, now = people.accounts["publisher"], house.ports.clock.now()
    body = {"name": "Magazine", "origins": [ORIGIN], "media_hosts": ["cdn.example"]}
    site = house.client.post("/v1/sites", json=body, headers=publisher.auth).json()
    people.site_id, people.site_key = site["id"], site["key"]
    products = house.get("/v1/products", people.accounts["brand"], catalog_id=people.catalog_id)["items"]
    url = normalise(PICTURE_URL)
    media = Media(
        id=new_id("med"), tenant_id=publisher.tenant_id, site_id=site["id"], kind=MediaKind.image, url=url.text,
        url_hash=url.hash, state=MediaState.ready, due_at=now, analysed_at=now, created_at=now,
    )  # fmt: skip
    tag = Tag(
        id=new_id("tag"), tenant_id=publisher.tenant_id, media_id=media.id, x=0.1, y=1 / 3, w=0.3, h=0.4, label="bag",
        score=0.9, matches=[{"product_id": products[0]["id"], "score": 0.8123456789, "match_type": "similar"}],
        vectors=np.eye(house.ports.eyes.dim, dtype=np.float32)[0].tobytes(), edited_box=None, track=None,
        embedder_version=house.ports.eyes.embedder_version, created_at=now, updated_at=now,
    )  # fmt: skip
    with house.ports.database.write() as session:
        session.add(media)
        session.flush()
        session.add(tag)


def _search(house: OpenHouse, people: Inhabitants) -> None:
    developer = people.accounts["developer"]
    for number in (1, 2, 3):
        found = house.client.post(
            "/v1/search",
            files={"image": ("a.jpg", picture(number))},
            params={"detect": "false"},
            headers=developer.auth,
        )
        assert found.status_code == 200, found.text


def _token(house: OpenHouse, people: Inhabitants, number: int) -> str:
    claims = TagClaims(
        nonce=f"nonce{number}",
        publisher_id=people.accounts["publisher"].tenant_id,
        site_id=people.site_id,
        media_id=f"med_{number % 3}",
        tag_id=f"tag_{number % 2}",
        product_id=f"prd_{number % 4}",
        brand_id=people.accounts["brand"].tenant_id,
        campaign_id="cmp_1",
        price_micros=250_000 + number,
        price_kind="cpc",
        currency="EUR",
        issued_at_ms=int(house.ports.clock.now().timestamp() * 1000),
        target_url="https://shop.example/1",
    )
    return house.ports.sealer.seal(claims)


def event(house: OpenHouse, kind: str, token: str, name: str, **more: Any) -> dict[str, Any]:
    """An event as the script posts it."""
    return {"id": f"event-{name}", "type": kind, "token": token, "at": rfc3339(house.clock.now()), "seq": 1, **more}


def _first_events(house: OpenHouse, people: Inhabitants) -> None:
    """Of all kinds: net ones, a repeat in the same view, a replay, and the same id with other content."""
    house.clock.advance(timedelta(minutes=1))
    for number, token in enumerate(people.tokens):
        for kind in ("impression", "viewable", "click"):
            people.posted.append(event(house, kind, token, f"{kind}-{number}"))
    people.posted.append(event(house, "impression", people.tokens[0], "impression-again"))
    house.post_events(people.site_key, people.posted)
    house.drain()
    house.post_events(people.site_key, [event(house, "click", people.tokens[1], "click-0", x=1)])
    house.ports.event_log.append([b"nobody can read this"]).result(60)


def _last_events(house: OpenHouse, people: Inhabitants) -> None:
    """Replays after a restart, which forgets what it has seen."""
    house.post_events(people.site_key, people.posted[:3])
    assert house.drain() == 3


def looks(house: OpenHouse, people: Inhabitants) -> dict[str, Any]:
    """What tenants see: every answer that a move must not change."""
    publisher, brand, developer = (people.accounts[kind] for kind in ("publisher", "brand", "developer"))
    day = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
    seen: dict[str, Any] = {}
    for traffic in ("net", "gross"):
        for account in (publisher, brand):
            report = house.get("/v1/reports/ctr", account, group_by="product,site,day", traffic=traffic, **day)
            report.pop("complete_until", None)
            seen[f"report {traffic} {account.tenant_id}"] = report
    for account in (brand, developer):
        seen[f"usage {account.tenant_id}"] = house.get("/v1/usage", account, **day)
    for account in (brand, publisher, developer):
        seen[f"invoices {account.tenant_id}"] = house.get("/v1/invoices", account)
    products = house.get("/v1/products", brand, catalog_id=people.catalog_id)["items"]
    seen["products"] = products
    seen["imports"] = house.get(f"/v1/catalogs/{people.catalog_id}/imports", brand)
    seen["media"] = house.get("/v1/media", publisher)
    body = {"key": people.site_key, "media": [{"url": PICTURE_URL}]}
    tags = house.client.post("/v1/tags", json=body, headers={"Origin": ORIGIN}).json()
    for medium in tags["media"]:
        for tag in medium["tags"]:
            assert tag.pop("token")
    seen["tags"] = tags
    seen["session"] = house.ports.gatekeeper.signer.read(people.session)
    return seen


def finds(house: OpenHouse, people: Inhabitants) -> list[Any]:
    """What searches find. They are paid for: `looks` shows it once the log is drained."""
    brand, developer = people.accounts["brand"], people.accounts["developer"]
    products = house.get("/v1/products", brand, catalog_id=people.catalog_id)["items"]
    found = [house.get(f"/v1/products/{item['id']}/similar", brand) for item in products[:2]]
    answer = house.client.post(
        "/v1/search", files={"image": ("a.jpg", picture(4))}, params={"detect": "false"}, headers=developer.auth
    )
    assert answer.status_code == 200, answer.text
    lists = [one["matches"] for one in found] + [one["matches"] for one in answer.json()["objects"]]
    for match in itertools.chain(*lists):
        match["score"] = round(match["score"], 4)  # two indexes may add in another order
    return lists


def same(after: dict[str, Any], before: dict[str, Any]) -> None:
    """Field by field, so that a failure says where."""
    assert after.keys() == before.keys()
    for what, seen in before.items():
        assert after[what] == seen, what


def gross_of(house: OpenHouse, people: Inhabitants) -> dict[str, Any]:
    """The publisher's totals, whatever sent the events."""
    day = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
    report = house.get("/v1/reports/ctr", people.accounts["publisher"], traffic="gross", **day)
    return dict(report["totals"])


def goes_on(house: OpenHouse, people: Inhabitants, where: str) -> None:
    """In a house that has moved: old events again count nothing, an old view's next impression is a repeat, the import
    that waited is found by the sweep, and no counts differ."""
    before = gross_of(house, people)
    house.post_events(people.site_key, people.posted)
    house.post_events(people.site_key, [event(house, "impression", people.tokens[5], f"impression-{where}")])
    assert house.drain() > len(people.posted)
    after = gross_of(house, people)
    assert after["impressions"] == before["impressions"] + 1
    assert (after["viewable"], after["clicks"]) == (before["viewable"], before["clicks"])
    repeats = [totals["flagged"]["repeat_impression"]["impression"] for totals in (before, after)]
    assert repeats[1] == repeats[0] + 1
    assert reconcile(house.ports.event_log, house.ports.event_store).differences == []
    imports.sweep(house.ports)
    house.work()
    done = house.get(f"/v1/imports/{people.waiting_import_id}", people.accounts["brand"])
    assert (done["state"], done["counts"]["indexed"]) == ("done", 2), done
