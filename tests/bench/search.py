"""`POST /v1/search` under eight clients, against the same work in a loop without HTTP."""

import itertools
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from api.accounts.scopes import TenantKind
from api.catalog.models import Catalog, Product, ProductVector
from api.ports import Ports
from api.search.picture_search import search_picture
from api.search.rebuild import rebuild_index
from api.search.schemas import SearchQuery
from api.vision.service import INFERENCE_THREADS
from tests.bench import house
from tests.bench.load import request, send
from tests.bench.measure import Outcome, rss_mb
from tests.bench.server import running

CLIENTS, SECONDS, PRODUCTS = 8, 10.0, 2000
BOUNDARY = "shoplight-bench"


def run() -> Outcome:
    picture = house.jpeg(house.street_photo())
    with tempfile.TemporaryDirectory() as folder:
        with house.opened(Path(folder)) as ports:
            brand = house.member(ports, TenantKind.brand)
            _stock(ports, brand.tenant_id)
            peer = _loop(ports, brand.tenant_id, picture)
        sent = request("/v1/search", _multipart(picture), _headers(brand.secret))
        with running("house", Path(folder)) as (port, pid):
            send(port, itertools.repeat(sent, CLIENTS), connections=CLIENTS, seconds=SECONDS, status=200)
            load = send(port, itertools.repeat(sent), connections=CLIENTS, seconds=SECONDS, status=200)
            memory = rss_mb(pid)
    ours = len(load.answers) / load.seconds
    slow = statistics.quantiles(load.latencies_ms, n=20)[-1]
    return Outcome(
        name="search",
        what=f"POST /v1/search, a street photo, {CLIENTS} clients, {PRODUCTS:,} products",
        unit="searches/s",
        ours=ours,
        peer=peer,
        peer_is=f"the same in {INFERENCE_THREADS} threads, without HTTP",
        ratio=ours / peer,
        rss_mb=memory,
        note=f"p50 {statistics.median(load.latencies_ms):.0f} ms, p95 {slow:.0f} ms",
    )


def _stock(ports: Ports, tenant_id: str) -> None:
    """Products with vectors of no picture: what they look like changes no time."""
    numbers, now, dim = np.random.default_rng(11), ports.clock.now(), ports.eyes.dim
    vectors = numbers.standard_normal((PRODUCTS, dim)).astype("<f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with ports.database.write() as session:
        session.add(Catalog(id="ctg_bench", tenant_id=tenant_id, name="Bench", listed=False, created_at=now))
        session.flush()
        owned = {"tenant_id": tenant_id, "catalog_id": "ctg_bench"}
        for n in range(PRODUCTS):
            session.add(
                Product(
                    id=f"prd_{n:06}", external_id=str(n), title=f"Product {n}", description="", brand="Bench",
                    category="", price_micros=10_000_000, currency="EUR", url=f"https://shop.example/{n}",
                    image_link=f"https://shop.example/{n}.jpg", availability="in_stock", audience="unknown", mpn="",
                    row_hash="", index_state="indexed", created_at=now, updated_at=now, **owned,
                )
            )  # fmt: skip
        session.flush()
        version = ports.eyes.embedder_version
        for n in range(PRODUCTS):
            vector = vectors[n].tobytes()
            session.add(ProductVector(product_id=f"prd_{n:06}", embedder_version=version, vector=vector, **owned))


def _loop(ports: Ports, tenant_id: str, picture: bytes) -> float:
    """Searches a second on as many threads as the server has for them."""
    ports.eyes.load()
    rebuild_index(ports.database, ports.index, ports.eyes.embedder_version, ports.eyes.dim)
    found = search_picture(ports, tenant_id, picture, SearchQuery())
    if not found.objects or not found.objects[0].matches:
        raise RuntimeError("the search finds nothing")
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


def _headers(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}", "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def _multipart(picture: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n'
    return head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + picture + f"\r\n--{BOUNDARY}--\r\n".encode()
