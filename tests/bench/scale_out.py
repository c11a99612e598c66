"""Events through the second shape: two API processes, Kafka, two sinks, ClickHouse, until roll-ups hold them all."""

import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
from clickhouse_driver import Client

from api.events.tokens import TokenSealer
from api.kit.secrets import parse_token_keys
from tests.bench.events import A_REQUEST, Page, loaded, page_views, rate
from tests.bench.measure import Outcome, rss_mb
from tests.bench.server import running
from tests.running_scale_out import RunningScaleOut, scale_out

REQUESTS, GIVE_UP_S = 8000, 180


def run() -> Outcome:
    """The bodies are the same for the peer."""
    with tempfile.TemporaryDirectory() as folder, scale_out(Path(folder) / "data") as house:
        before = _counted(house)
        views = page_views(_page(house), _sealer(house), datetime.now(UTC), REQUESTS)
        started = time.perf_counter()
        ours = loaded(house.port, views)
        accepted = len(views) * A_REQUEST
        took_s = _until_counted(house, before, started)
        counted = _counted(house) - before
        memory = sum(rss_mb(one.process.pid) for one in house.processes.values())
        bytes_each = _stored_bytes(house) / max(1, _counted(house))
    with running("bare") as (port, _):
        peer = loaded(port, views)
    return Outcome(
        name="scale-out",
        what=f"POST /v1/events, {A_REQUEST} a request, to 2 API processes; Kafka, 2 sinks, ClickHouse beside them",
        unit="events/s",
        ours=rate(ours),
        peer=rate(peer),
        peer_is="bare ASGI app that parses (msgspec) and answers",
        ratio=rate(ours) / rate(peer),
        rss_mb=memory,
        note=f"counted {counted / took_s:,.0f}/s from first request to last report ({counted:,} of {accepted:,} sent); "
        f"{bytes_each:.0f} bytes an event in ClickHouse; memory is of our seven processes",
    )


def _page(house: RunningScaleOut) -> Page:
    sites = httpx2.get(f"{house.base_url}/v1/sites", headers=house.bearer("publisher_secret_key")).json()["items"]
    site = next(one for one in sites if house.base_url in one["origins"])
    members = json.loads((house.data_dir / "command" / "demo-members.json").read_text())
    slug = str(house.line["publisher_page"]).split("/demo/")[1].split("/")[0]
    return Page(house.base_url, str(house.line["publishable_key"]), site["id"], members[slug]["tenant_id"])


def _sealer(house: RunningScaleOut) -> TokenSealer:
    return TokenSealer(parse_token_keys(house.settings["SHOPLIGHT_SECRETS_TOKEN_KEYS"]))


def _until_counted(house: RunningScaleOut, before: int, started: float) -> float:
    """Seconds from `started` until the count stands still."""
    deadline, last, since = time.perf_counter() + GIVE_UP_S, before, time.perf_counter()
    while time.perf_counter() < deadline:
        found = _counted(house)
        if found != last:
            last, since = found, time.perf_counter()
        elif time.perf_counter() - since > 6:
            return since - started
        time.sleep(0.2)
    raise RuntimeError("the sinks did not come to an end")


def _counted(house: RunningScaleOut) -> int:
    return int(_asked(house, "SELECT sum(events) FROM rollup_15m FINAL") or 0)


def _stored_bytes(house: RunningScaleOut) -> int:
    query = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase()"
    return int(_asked(house, query) or 0)


def _asked(house: RunningScaleOut, query: str) -> Any:
    with Client.from_url(house.settings["SHOPLIGHT_EVENTS_CLICKHOUSE_URL"]) as client:
        return client.execute(query)[0][0]
