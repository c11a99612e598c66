"""From a bid to a bill: what shoppers do, told through two collectors by networks that repeat and robots that click,
becomes the report, the ledger, the invoice and the meter of the payment provider, all the same to the micro.

Inside this process, because hours must close; the index and the pictures have no part in it."""

import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from api.billing import service
from api.billing.closing import hour_of
from api.billing.models import (
    SPEND_KINDS,
    Direction,
    LedgerEntry,
    MeterPush,
    OwnMeterEvent,
    PushState,
    TenantBilling,
)
from api.events.progress import progress
from api.kit.clock import FixedClock, rfc3339
from api.main import create_app
from api.ports import Ports, open_ports
from api.settings import DatabaseSettings, SecretSettings, Settings, StripeSettings
from tests.api.events.log_sides import kafka_side
from tests.api.media.world import ORIGIN, World, open_web, open_world, unit
from tests.conftest import Account, AccountMaker
from tests.event_stores import own_database
from tests.every_process import BROWSER
from tests.patience import until
from tests.races.conftest import at_once
from tests.services import url_of
from workers.sink import Sink

ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
HOUR = timedelta(hours=1)
A_CLICK, A_THOUSAND_VIEWS = 237_501, 4_999_999
HOURS, VIEWS_AN_HOUR, CALLS_AN_HOUR = 3, 10, 2
PATHS = ("/clicks.jpg", "/views.jpg", "/nothing.jpg")


@pytest.fixture(params=["embedded", "scale-out"])
def settings(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """The stores of money in either shape."""
    keys = SecretSettings(session_key=secrets.token_hex(32), token_keys=f"k1:{secrets.token_hex(32)}")
    shared = settings.model_copy(update={"secrets": keys})
    if request.param == "embedded":
        yield shared
        return
    with ExitStack() as opened:
        database = opened.enter_context(request.getfixturevalue("test_databases").migrated())
        store = opened.enter_context(own_database())
        log = opened.enter_context(kafka_side(tmp_path / "kafka", url_of("kafka")))
        servers = {
            "database": DatabaseSettings(url=database, pool_size=5),
            "events": log.settings.model_copy(update={"clickhouse_url": store}),
            "stripe": StripeSettings(api_key="sk_test_123", webhook_secret="whsec_test", api_base=url_of("stripe")),
        }
        yield shared.model_copy(update=servers)


@pytest.fixture
def customer(ports: Ports, account: AccountMaker) -> AccountMaker:
    """Makes tenants whom the payment provider knows."""

    def make(kind: str, **more: Any) -> Account:
        made = account(kind, **more)
        with ports.database.write() as session:
            row = TenantBilling(
                tenant_id=made.tenant_id, customer_id=f"cus_{made.tenant_id}", updated_at=ports.clock.now()
            )
            session.add(row)
        return made

    return make


@pytest.fixture
def doors(
    ports: Ports, client: TestClient, clock: FixedClock, queue: Any, customer: AccountMaker, tmp_path: Path
) -> Iterator[list[World]]:
    """The collectors, each with a spool of its own, seen from one publisher's pages; sinks run behind them. One
    process has the embedded stores for itself; on servers there are two of everything."""
    with ExitStack() as opened:
        everyone = [(client, ports)]
        if ports.settings.on_servers:
            other = open_ports(ports.settings.model_copy(update={"datadir": tmp_path / "second"}), queue, clock)
            opened.callback(other.close)
            everyone.append((opened.enter_context(TestClient(create_app(other), raise_server_exceptions=False)), other))
        web, stop = opened.enter_context(open_web()), threading.Event()
        first = open_world(client, ports, queue, web, customer)
        sinks = [threading.Thread(target=Sink.of(one).run, args=(stop,)) for _, one in everyone]
        for sink in sinks:
            sink.start()
        yield [replace(first, client=door, ports=one) for door, one in everyone]
        stop.set()
        for sink in sinks:
            sink.join(30)


@dataclass
class Shoppers:
    """Look, click and are counted through any door; `owed` is what that must cost each brand, in micros."""

    doors: list[World]
    clock: FixedClock
    worth: dict[str, tuple[str, str, int]]  # a picture's address: whose, for which kind of event, how much
    chance: Random
    owed: Counter[str] = field(default_factory=Counter)
    logged: int = 0
    made: int = 0
    last_click: tuple[str, str] = ("", "")  # of a person, paid for: the event's id and its token

    def view(self, agent: str = BROWSER) -> None:
        """One page view with all that may come of it."""
        for url, token in self.tokens().items():
            self.post([self.event("impression", token)], agent)
            if self.chance.random() < 0.8:
                seen = self.event("viewable", token, after_s=1)
                self.post([seen], agent)
                self.pay(url, "viewable", agent)
                self.post([seen, self.event("viewable", token, after_s=2)], agent)  # a replay, and a second one
            if self.chance.random() < 0.6:
                self.click(url, token, agent)

    def click(self, url: str, token: str, agent: str) -> None:
        """By redirect and by beacon, impatiently once more, and perhaps again later."""
        # the redirect counts at its receipt, and either may come first: both lie within 2 s of the impatient one
        first = self.event("click", token, after_s=0.5)
        answer = self.door().client.get(
            f"/c/{token}?e={first['id']}", headers={"User-Agent": agent}, follow_redirects=False
        )
        assert answer.status_code == 302, answer.text
        self.logged += 1
        self.post([first, self.event("click", token, after_s=1)], agent)
        self.pay(url, "click", agent)
        if agent == BROWSER:
            self.last_click = first["id"], token
        if self.chance.random() < 0.5:
            self.post([self.event("click", token, after_s=30)], agent)
            self.pay(url, "click", agent)

    def pay(self, url: str, kind: str, agent: str) -> None:
        brand, wanted, micros = self.worth.get(url, ("", "", 0))
        if agent == BROWSER and kind == wanted:
            self.owed[brand] += micros

    def tokens(self) -> dict[str, str]:
        """A page view: the token of the one tag on each picture, by the picture's address."""
        door = self.door()
        answer = door.tags(*(door.url(path) for path in PATHS))
        assert answer.status_code == 200, answer.text
        return {item["url"]: item["tags"][0]["token"] for item in answer.json()["media"]}

    def event(self, kind: str, token: str, *, after_s: float = 0, event_id: str = "") -> dict[str, Any]:
        self.made += 1
        at = rfc3339(self.clock.now() + timedelta(seconds=after_s))
        return {"id": event_id or f"event-{self.made:06d}", "type": kind, "token": token, "at": at}

    def post(self, events: list[dict[str, Any]], agent: str = BROWSER) -> None:
        """Through any door; every answer must be that all of it is durable."""
        door = self.door()
        body = {"key": door.site["key"], "events": events}
        answer = door.client.post("/v1/events", json=body, headers={"Origin": ORIGIN, "User-Agent": agent})
        assert answer.status_code == 202, answer.text
        assert answer.json()["rejected"] == []
        self.logged += answer.json()["accepted"]

    def door(self) -> World:
        return self.chance.choice(self.doors)

    def counted(self) -> None:
        """Wait until the sinks have dealt with all of it."""
        log = self.doors[-1].ports.event_log
        until(lambda: progress(log).records == self.logged)


def campaign(door: World, catalog_id: str, product_id: str, kind: str, micros: int) -> None:
    body = {
        "name": kind,
        "bid_kind": kind,
        "bid_micros": micros,
        "currency": "EUR",
        "daily_budget_micros": 10**12,
        "product_ids": [product_id],
    }
    answer = door.client.post("/v1/campaigns", json=body, headers=door.brands[catalog_id].auth)
    assert answer.status_code == 201, answer.text


def get(door: World, path: str, account: Account, **query: Any) -> Any:
    answer = door.client.get(path, params=query, headers=account.auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


def entries(ports: Ports) -> list[LedgerEntry]:
    with ports.database.read() as session:
        return list(session.exec(select(LedgerEntry)).all())


def spent(ports: Ports, brand: str) -> int:
    return sum(
        entry.amount_micros for entry in entries(ports) if entry.tenant_id == brand and entry.kind in SPEND_KINDS
    )


def metered(ports: Ports) -> Counter[str]:
    """What the payment side has taken, by customer."""
    with ports.database.read() as session:
        if ports.settings.stripe.api_key:
            told: Any = session.exec(select(MeterPush).where(MeterPush.state == PushState.sent)).all()
        else:
            told = session.exec(select(OwnMeterEvent)).all()
        taken: Counter[str] = Counter()
        for row in told:
            taken[row.customer_id] += row.value
        return taken


def twice(doors: list[World]) -> list[Ports]:
    return [door.ports for door in (doors * 2)[:2]]


@dataclass
class Market:
    """Two brands that bid, a publisher's three pictures, a developer, and the people who come by."""

    doors: list[World]
    shoppers: Shoppers
    brands: list[Account]
    developer: Account
    product_id: str
    begin: datetime

    @classmethod
    def of(cls, doors: list[World], clock: FixedClock) -> "Market":
        """One brand pays for clicks, the other for views; the third picture shows what nobody pays for."""
        door, dim = doors[0], doors[0].ports.eyes.dim
        clicks, views = door.catalog(name="Clicks"), door.catalog(name="Views")
        products = [door.product(catalog, unit(1, dim=dim)) for catalog in (clicks, views, clicks)]
        addresses = [door.ready(path, (product, 0.9))[0] for path, product in zip(PATHS, products, strict=True)]
        worth = {
            addresses[0]: (clicks.tenant_id, "click", A_CLICK),
            addresses[1]: (views.tenant_id, "viewable", A_THOUSAND_VIEWS // 1000),
        }
        campaign(door, clicks.id, products[0].id, "cpc", A_CLICK)
        campaign(doors[-1], views.id, products[1].id, "cpm", A_THOUSAND_VIEWS)
        shoppers = Shoppers(doors, clock, worth, Random(11))
        brands = [door.brands[catalog.id] for catalog in (clicks, views)]
        return cls(doors, shoppers, brands, door.account("developer"), products[0].id, hour_of(clock.now()))

    def an_hour(self, hour: int) -> None:
        """People and robots come by, a developer calls, and the clock goes on to when the hour can be closed."""
        shoppers, clock = self.shoppers, self.shoppers.clock
        clock.advance(timedelta(minutes=5 + hour))
        old = next(iter(shoppers.tokens().values()))
        for agent in (*[BROWSER] * VIEWS_AN_HOUR, ROBOT, ROBOT):
            shoppers.view(agent)
        shoppers.counted()
        # the same id with another content, after the first is counted: kept aside, paid by nobody
        event_id, token = shoppers.last_click
        assert token != old
        shoppers.post([shoppers.event("click", old, event_id=event_id)])
        for _ in range(CALLS_AN_HOUR):
            get(self.doors[0], f"/v1/products/{self.product_id}/similar", self.developer)
            shoppers.logged += 1
        clock.advance(timedelta(minutes=31))
        shoppers.post([shoppers.event("click", old)])  # counted, but too late to be paid for
        shoppers.counted()
        clock.advance(self.begin + (hour + 1) * HOUR + timedelta(minutes=20) - clock.now())


def closed_twice_at_once(market: Market, hour: int) -> None:
    """Two brands' spend, the publisher's share of either, the developer's calls; none of it twice."""
    outcomes = at_once(*(partial(service.close_hours, ports) for ports in twice(market.doors)))
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)], outcomes
    booked = [entry for entry in entries(market.doors[0].ports) if entry.hour == market.begin + hour * HOUR]
    assert sum(outcome.entries for outcome in outcomes) == len(booked)
    kinds = ["click_spend", "publisher_share", "publisher_share", "similar", "viewable_spend"]
    assert sorted((entry.kind.value, entry.version) for entry in booked) == [(kind, 1) for kind in kinds]


def billed_as_owed(market: Market) -> None:
    """Whoever is asked, at whichever door, of report, ledger or invoice: what the shoppers did, to the micro."""
    doors, owed = market.doors, market.shoppers.owed
    period = {"from": rfc3339(market.begin), "to": rfc3339(market.begin + HOURS * HOUR)}
    for brand in market.brands:
        due = owed[brand.tenant_id]
        for door in doors:
            assert get(door, "/v1/reports/ctr", brand, **period)["totals"]["spend"] == {"EUR": due}
        assert spent(doors[-1].ports, brand.tenant_id) == due
        [invoice] = get(doors[-1], "/v1/invoices", brand)["items"]
        assert (invoice["total_micros"], invoice["direction"], invoice["state"]) == (due, Direction.charge, "draft")
    totals = get(doors[0], "/v1/reports/ctr", doors[0].publisher, **period)["totals"]
    assert totals["spend"] == {"EUR": owed.total()}
    assert totals["conflicts"] == HOURS
    assert totals["flagged"].keys() == {"known_bot", "repeat_click", "repeat_viewable"}
    [payout] = get(doors[0], "/v1/invoices", doors[0].publisher)["items"]
    share = owed.total() * doors[0].ports.settings.billing.publisher_share_ppm // 10**6
    assert payout["direction"] == Direction.payout
    assert 0 <= share - payout["total_micros"] < len(market.brands) * HOURS, "rounded down once a brand and hour"
    checked = service.reconcile(doors[-1].ports, market.begin, market.shoppers.clock.now())
    assert checked.differences == []
    assert checked.compared > 15


def told_twice_at_once(market: Market) -> None:
    """The payment side takes each figure once."""
    outcomes = at_once(*(partial(service.push_meter_events, ports) for ports in twice(market.doors)))
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)], outcomes
    assert {state for outcome in outcomes for state in outcome} == {PushState.sent}
    due = {f"cus_{brand}": micros for brand, micros in market.shoppers.owed.items()}
    due[f"cus_{market.developer.tenant_id}"] = HOURS * CALLS_AN_HOUR
    assert metered(market.doors[0].ports) == due


def test_report_ledger_invoice_and_meter_are_one_figure(doors: list[World], clock: FixedClock) -> None:
    market = Market.of(doors, clock)
    for hour in range(HOURS):
        market.an_hour(hour)
        closed_twice_at_once(market, hour)
    assert min(market.shoppers.owed.values()) > 50_000
    billed_as_owed(market)
    told_twice_at_once(market)
    assert service.push_meter_events(doors[0].ports) == {}
    assert service.close_hours(doors[-1].ports).entries == 0
