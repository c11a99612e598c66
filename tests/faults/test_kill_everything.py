"""kill -9 of each process and each server in turn while events, products and pictures flow. Afterwards every accepted
event is counted once, every accepted product searchable, every picture looked at, and what was met is documented."""

import functools
import http.server
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from infra.services.place import Place
from infra.services.registry import SERVICES, service
from tests.faults.flows import BROWSER, Flows
from tests.patience import until
from tests.running_scale_out import RunningScaleOut

pytestmark = pytest.mark.slow
AWAY_S, SETTLE_S = 3.0, 240
SERVERS = ("postgresql", "redis", "kafka", "clickhouse", "milvus", "s3")
PROCESSES = ("serve-0", "worker-0", "sink-0", "beat-0")


@dataclass
class World:
    """A house of two on servers of its own, which nobody else needs."""

    house: RunningScaleOut
    place: Place
    flows: Flows
    known_picture: str

    def get(self, path: str, key: str = "developer_key", **more: Any) -> httpx2.Response:
        return httpx2.get(f"{self.house.base_url}{path}", headers=self.house.bearer(key), timeout=60, **more)


class Photos(http.server.SimpleHTTPRequestHandler):
    """Any number of addresses for a handful of photos: /product/7 and /street/7."""

    def __init__(self, *args: Any, photos: dict[str, list[Path]], **more: Any) -> None:
        self.photos = photos
        super().__init__(*args, **more)

    def do_GET(self) -> None:
        kind, _, number = self.path.strip("/").partition("/")
        body = self.photos[kind][int(number) % len(self.photos[kind])].read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Iterator[World]:
    photos = {
        "product": sorted((shared_data / "clothing" / "train").glob("*/*.jpg"))[::40],
        "street": sorted((shared_data / "streetstyle" / "images").glob("*.jpg"))[:40],
    }
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Photos, photos=photos))
    host = f"127.0.0.1:{server.server_port}"
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = Place.beside(tmp_path_factory.mktemp("servers"))
    opened = {name: service(name, place) for name in SERVERS}
    for one in opened.values():
        one.start()
    house = RunningScaleOut(
        tmp_path_factory.mktemp("killed") / "data", fetch_allow=host, server=lambda name: opened[name].address
    )
    try:
        yield made(house, place, f"http://{host}")
    finally:
        house.kill()
        server.shutdown()
        server.server_close()
        for one in opened.values():
            one.remove()


def made(house: RunningScaleOut, place: Place, origin: str) -> World:
    """A site whose pictures we serve, a catalog that we fill, and the token of a tag that everybody has seen."""
    post: Callable[..., httpx2.Response] = functools.partial(httpx2.post, timeout=60)
    host = origin.removeprefix("http://")
    body: dict[str, Any] = {"name": "Killed", "origins": [origin], "media_hosts": [host]}
    site = post(f"{house.base_url}/v1/sites", json=body, headers=house.bearer("publisher_secret_key")).json()
    body = {"name": "Things", "listed": True}
    catalog = post(f"{house.base_url}/v1/catalogs", json=body, headers=house.bearer("brand_key")).json()
    page = httpx2.get(house.line["publisher_page"], timeout=60).text
    picture = str(
        httpx2.URL(house.line["publisher_page"]).join(page.split('<img src="')[1].split('"')[0]),
    )
    body = {"key": house.line["publishable_key"], "page": {}, "media": [{"url": picture, "kind": "image"}]}
    headers = {"Origin": house.base_url, "User-Agent": BROWSER}
    answer = post(f"{house.base_url}/v1/tags", json=body, headers=headers).json()
    token = answer["media"][0]["tags"][0]["token"]
    flows = Flows(house.line, token, site["key"], origin, catalog["id"], lambda kind, n: f"{origin}/{kind}/{n}")
    return World(house, place, flows, picture)


def killed(world: World, name: str) -> None:
    """kill -9 of a server's whole process group."""
    process = service(name, world.place).process()
    assert process is not None
    os.killpg(process.pid, signal.SIGKILL)


def while_away(world: World, name: str) -> None:
    """What README and infra/running.md promise of a house without that server."""
    if name == "milvus":
        product = httpx2.get(
            f"{world.house.base_url}/v1/products", headers=world.house.bearer("brand_key"), timeout=60
        ).json()["items"][0]
        answer = world.get(f"/v1/products/{product['id']}/similar")
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) >= 1
    if name in {"milvus", "redis", "kafka", "clickhouse"}:
        body = {
            "key": world.house.line["publishable_key"],
            "page": {},
            "media": [{"url": world.known_picture, "kind": "image"}],
        }
        headers = {"Origin": world.house.base_url, "User-Agent": BROWSER}
        answer = httpx2.post(f"{world.house.base_url}/v1/tags", json=body, headers=headers, timeout=60)
        assert answer.json()["media"][0]["status"] == "ready", answer.text
    assert httpx2.get(f"{world.house.base_url}/healthz", timeout=60).status_code == 200
    # the demo's articles are rows; pages of publishers' own stay as they are, whatever happens here
    page = httpx2.get(world.house.line["publisher_page"], timeout=60)
    assert page.status_code == 200 or (name == "postgresql" and "retry-after" in page.headers), page.text


def test_nothing_accepted_is_lost_and_nothing_counted_twice(world: World) -> None:
    flowing = world.flows.start()
    time.sleep(2)
    for name in PROCESSES:
        one = world.house.processes[name]
        one.kill()
        time.sleep(1)
        one.start()
        world.house.wait_until_ready(one)
    for name in SERVERS:
        assert name in SERVICES
        killed(world, name)
        time.sleep(AWAY_S / 2)
        while_away(world, name)
        time.sleep(AWAY_S / 2)
        service(name, world.place).start()
        for one in world.house.processes.values():
            world.house.wait_until_ready(one)
    flows = world.flows
    until(
        lambda: (
            any(not flow.is_alive() for flow in flowing)
            or (len(flows.events) > 1000 and len(flows.imports) > 10 and len(flows.pictures) > 10)
        ),
        "the flows must really flow: they did not",
    )
    time.sleep(2)
    for flow in flowing:
        flow.end()
    assert flows.met.odd == []

    counted = settled(lambda: gross(world), len(flows.events))
    assert counted == len(flows.events), f"of {len(flows.events)} accepted events {counted} are counted; {flows.met}"
    for import_id in flows.imports:
        state = settled(lambda found=import_id: imported(world, found), "done")
        assert state == "done", f"{import_id}: {state}"
    client = flows.client()
    for url in flows.pictures:
        state = settled(lambda found=url: flows.tagged(client, found).replace("ready", "none"), "none")
        assert state == "none", f"{url} was never looked at: {state}"
    client.http.close()
    searchable(world)
    differences = world.house.command("reconcile", "--json")
    assert '"differences": []' in differences, differences


def settled(ask: Callable[[], Any], wanted: Any) -> Any:
    """The answer, once it is the wanted one; the last one when that takes too long."""
    deadline = time.monotonic() + SETTLE_S
    found = ask()
    while found != wanted and time.monotonic() < deadline:
        time.sleep(0.3)
        found = ask()
    return found


def gross(world: World) -> int:
    now = datetime.now(UTC)
    query = {
        "from": (now - timedelta(hours=2)).isoformat(),
        "to": (now + timedelta(hours=1)).isoformat(),
        "traffic": "gross",
    }
    answer = world.get("/v1/reports/ctr", "publisher_secret_key", params=query)
    return int(answer.json()["totals"]["impressions"]) if answer.status_code == 200 else -1


def imported(world: World, import_id: str) -> str:
    answer = world.get(f"/v1/imports/{import_id}", "brand_key")
    if answer.status_code != 200:
        return f"{answer.status_code}"
    found = answer.json()
    return found["state"] if not found["errors"] else f"{found['state']}: {found['errors']}"


def searchable(world: World) -> None:
    """Every product of the accepted feeds is indexed, and finds itself by its own picture."""
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        query = {"catalog_id": world.flows.catalog_id, "limit": 200, **({"cursor": cursor} if cursor else {})}
        page = world.get("/v1/products", "brand_key", params=query).json()
        items += page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert len(items) == 2 * len(world.flows.imports)
    for item in items[:: max(1, len(items) // 10)]:
        picture = httpx2.get(item["image_url"], timeout=60).content if item["image_url"] else b""
        answer = httpx2.post(
            f"{world.house.base_url}/v1/search",
            params={"detect": "false", "limit": 50, "catalog_ids": world.flows.catalog_id},
            files={"image": ("picture.jpg", picture, "image/jpeg")},
            headers=world.house.bearer("brand_key"),
            timeout=60,
        )
        matches = answer.json()["objects"][0]["matches"]
        assert item["id"] in [match["product"]["id"] for match in matches], item
