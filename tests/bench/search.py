"""`POST /v1/search` under eight clients, against the same work in a loop without HTTP."""

import itertools
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from api.accounts.scopes import TenantKind
from api.ports import Ports
from api.search.picture_search import search_picture
from api.search.rebuild import rebuild_index
from api.search.schemas import SearchQuery
from api.vision.service import INFERENCE_THREADS
from tests.bench import house, stock
from tests.bench.load import request, send
from tests.bench.measure import Outcome, rss_mb
from tests.bench.server import running

CLIENTS, ROUNDS, SECONDS, PRODUCTS = 8, 5, 4.0, 2000
BOUNDARY = "shoplight-bench"


def run() -> Outcome:
    picture = house.jpeg(house.street_photo())
    with tempfile.TemporaryDirectory() as folder:
        data, copied = Path(folder, "data"), Path(folder, "copy")
        with house.opened(data) as ports:
            brand = house.member(ports, TenantKind.brand)
            stock.fill(ports, brand.tenant_id, PRODUCTS)
        shutil.copytree(data, copied)
        sent = search_request("/v1/search", picture, brand.secret)
        with running("search", data) as (port, pid), house.opened(copied) as ports:
            ready(ports, brand.tenant_id, picture)
            send(port, itertools.repeat(sent, CLIENTS), connections=CLIENTS, seconds=SECONDS, status=200)
            served, looped, latencies = [], [], []
            for _ in range(ROUNDS):
                load = send(port, itertools.repeat(sent), connections=CLIENTS, seconds=SECONDS, status=200)
                served.append(len(load.answers) / load.seconds)
                latencies += load.latencies_ms
                looped.append(in_a_loop(ports, brand.tenant_id, picture))
            memory = rss_mb(pid)
    slow = statistics.quantiles(latencies, n=20)[-1]
    return Outcome(
        name="search",
        what=f"POST /v1/search, a street photo, {CLIENTS} clients, {PRODUCTS:,} products",
        unit="searches/s",
        ours=statistics.median(served),
        peer=statistics.median(looped),
        peer_is=f"the same in {INFERENCE_THREADS} threads, without HTTP",
        ratio=statistics.median(ours / peer for ours, peer in zip(served, looped, strict=True)),
        rss_mb=memory,
        note=f"by turns, {ROUNDS} times; p50 {statistics.median(latencies):.0f} ms, p95 {slow:.0f} ms",
    )


def ready(ports: Ports, tenant_id: str, picture: bytes) -> None:
    ports.eyes.load()
    rebuild_index(ports.database, ports.index, ports.eyes.embedder_version, ports.eyes.dim)
    found = search_picture(ports, tenant_id, picture, SearchQuery())
    if not found.objects or not found.objects[0].matches:
        raise RuntimeError("the search finds nothing")


def in_a_loop(ports: Ports, tenant_id: str, picture: bytes) -> float:
    """Searches a second on as many threads as the server has for them."""
    started = time.perf_counter()

    def repeat() -> int:
        done = 0
        while time.perf_counter() < started + SECONDS:
            search_picture(ports, tenant_id, picture, SearchQuery())
            done += 1
        return done

    with ThreadPoolExecutor(INFERENCE_THREADS) as threads:
        done = sum(future.result() for future in [threads.submit(repeat) for _ in range(INFERENCE_THREADS)])
    return done / (time.perf_counter() - started)


def search_request(path: str, picture: bytes, secret: str) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n'
    body = head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + picture + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return request(path, body, {"Authorization": f"Bearer {secret}", "Content-Type": kind})
