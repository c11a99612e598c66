"""`POST /v1/events`: durable events a second over loopback, against an app that only parses and answers."""

import itertools
import statistics
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from api.accounts.scopes import TenantKind
from api.events.tokens import TagClaims, TokenSealer
from api.kit.clock import rfc3339
from api.ports import Ports
from api.sites.schemas import SiteCreate
from api.sites.service import SiteService
from tests.bench import house
from tests.bench.load import Load, request, send
from tests.bench.measure import Outcome, rss_mb
from tests.bench.server import running

ORIGIN = "https://magazine.example"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
A_REQUEST, REQUESTS, CONNECTIONS, SECONDS = 20, 4000, 64, 6.0


def run() -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        with house.opened(Path(folder)) as ports:
            requests = _requests(ports)
        with running("house", Path(folder)) as (port, pid):
            ours, memory = loaded(port, requests), rss_mb(pid)
    with running("bare") as (port, _):
        peer = loaded(port, requests)
    return Outcome(
        name="events",
        what=f"POST /v1/events, {A_REQUEST} a request, {CONNECTIONS} connections, sink running",
        unit="events/s",
        ours=rate(ours),
        peer=rate(peer),
        peer_is="bare ASGI app that parses (msgspec) and answers",
        ratio=rate(ours) / rate(peer),
        rss_mb=memory,
        note=f"on disk before the 202; p50 {statistics.median(ours.latencies_ms):.1f} ms",
    )


def _requests(ports: Ports) -> list[bytes]:
    publisher = house.member(ports, TenantKind.publisher)
    with ports.database.write() as session:
        body = SiteCreate(name="Magazine", origins=[ORIGIN], media_hosts=[])
        site = SiteService(session, publisher.tenant_id, "bench", ports.clock.now()).create(body)
        site_id, key = site.id, site.key
    return page_views(Page(ORIGIN, key, site_id, publisher.tenant_id), ports.sealer, ports.clock.now(), REQUESTS)


@dataclass(frozen=True)
class Page:
    """Where the events are said to come from."""

    origin: str
    key: str
    site_id: str
    publisher_id: str


def page_views(page: Page, sealer: TokenSealer, now: datetime, count: int) -> list[bytes]:
    """Every event of its own, as pages send them: each request is one view of one page."""
    numbers, made = itertools.count(), []
    for view in range(count):
        claims = TagClaims(
            nonce=f"view{view}", publisher_id=page.publisher_id, site_id=page.site_id, media_id="med_1", tag_id="tag_1",
            product_id="prd_1", brand_id="tnt_brand", campaign_id="cmp_1", price_micros=250_000, price_kind="cpc",
            currency="EUR", issued_at_ms=int(now.timestamp() * 1000), target_url="https://brand.example/p/1",
        )  # fmt: skip
        tokens = [sealer.seal(msgspec.structs.replace(claims, tag_id=f"tag_{n}")) for n in range(A_REQUEST // 4)]
        kinds = ("impression", "viewable", "hover", "click")
        events = [
            {"id": f"event-{next(numbers):09d}", "type": kind, "token": token, "at": rfc3339(now), "seq": 1}
            for token in tokens
            for kind in kinds
        ]
        headers = {"Origin": page.origin, "User-Agent": AGENT, "Content-Type": "text/plain"}
        made.append(request("/v1/events", msgspec.json.encode({"key": page.key, "events": events}), headers))
    return made


def loaded(port: int, requests: list[bytes]) -> Load:
    """The first tenth only warms the server up."""
    warm = len(requests) // 10
    send(port, iter(requests[:warm]), connections=CONNECTIONS, seconds=SECONDS, status=202)
    load = send(port, iter(requests[warm:]), connections=CONNECTIONS, seconds=SECONDS, status=202)
    short = [answer for answer in load.answers if msgspec.json.decode(answer)["accepted"] != A_REQUEST]
    if short:
        raise RuntimeError(f"not all events were taken: {short[0]!r}")
    return load


def rate(load: Load) -> float:
    return len(load.answers) * A_REQUEST / load.seconds
