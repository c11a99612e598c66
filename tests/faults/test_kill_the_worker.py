"""kill -9 of a worker process in the middle of an import, and of its broker: another worker ends the work, and
nothing is there twice. PostgreSQL, Redis and S3 are real; the worker's half-done message is given out again too."""

import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from celery import Celery
from sqlmodel import select

from api.catalog.lease import LEASE
from api.catalog.models import Product
from api.kit import queue as queue_module
from api.kit.clock import SystemClock
from api.kit.queue import CeleryQueue
from api.settings import BlobSettings, DatabaseSettings, FetchSettings, QueueSettings, Settings, VisionSettings
from tests.api.catalog.shop import Brand, Shop, feed, open_shop
from tests.own_redis import OwnRedis, redis_or_nothing
from tests.patience import HANGS_S, seen_within, until
from tests.services import url_of
from workers.celery_app import BEAT, configuration
from workers.celery_worker import Beat

REPO = Path(__file__).resolve().parents[2]
PRODUCTS = 6
# a lease that lapses, the next sweep, and a second worker that starts and does the work
TAKEN_OVER_WITHIN_S = LEASE.total_seconds() + BEAT["catalog.sweep"] + 30
pytestmark = pytest.mark.slow


class HeldFiles(dict[str, bytes]):
    """A shop's files that are not given out before the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.asked = threading.Event()

    def get(self, path: str, default: Any = None) -> Any:
        self.asked.set()
        self.open.wait(HANGS_S)
        return super().get(path, default)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OwnRedis]:
    redis_or_nothing()
    own = OwnRedis(tmp_path)
    yield own
    own.kill()


@pytest.fixture
def shop() -> Iterator[Shop]:
    for opened in open_shop():
        opened.files = HeldFiles()
        yield opened
        opened.files.open.set()


@pytest.fixture
def settings(tmp_path: Path, server: OwnRedis, shop: Shop, test_databases: Any) -> Iterator[Settings]:
    bucket = f"storage-{secrets.token_hex(6)}"
    blobs = BlobSettings(s3_bucket=bucket, s3_endpoint=url_of("s3"), s3_access_key="test", s3_secret_key="test")
    raw = boto3.session.Session().resource(
        "s3", endpoint_url=blobs.s3_endpoint, region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    mine = raw.create_bucket(Bucket=bucket)
    with test_databases.migrated() as url:
        yield Settings(
            datadir=tmp_path / "api",
            database=DatabaseSettings(url=url),
            queue=QueueSettings(broker_url=server.url, visibility_timeout_s=10),
            blobs=blobs,
            fetch=FetchSettings(allow=shop.host),
            vision=VisionSettings(decoders=1),
        )
    mine.objects.delete()
    mine.delete()
    raw.meta.client.close()


@pytest.fixture
def queue(settings: Settings) -> Iterator[CeleryQueue]:
    app = Celery("sender", set_as_current=False)
    app.conf.update(configuration(settings.queue))
    yield CeleryQueue(app)
    app.close()


@pytest.fixture
def clock() -> SystemClock:
    """Leases are kept by the workers' clocks."""
    return SystemClock()


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts a worker process with a folder of its own."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(name: str) -> subprocess.Popen[bytes]:
        path = tmp_path / "settings.json"
        path.write_text(settings.model_dump_json())
        log = (tmp_path / f"{name}.log").open("wb")
        command = [sys.executable, "-m", "tests.faults.task_worker", str(path), str(tmp_path / name)]
        running.append(subprocess.Popen(command, cwd=REPO, stdout=log, stderr=log))
        log.close()
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait()


def test_an_import_outlives_its_worker_and_its_broker(
    client: Any, ports: Any, account: Any, queue: CeleryQueue, shop: Shop, server: OwnRedis, start: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(queue_module, "PAUSE_S", 0.5)
    brand = Brand(client, ports, account("brand").auth, queue).with_catalog()
    data = feed(*[shop.row(number) for number in range(1, PRODUCTS + 1)])
    first = start("first")
    job = brand.post(data)
    until(shop.files.asked.is_set, "the first worker takes the import up")
    assert brand.read(f"/v1/imports/{job['id']}")["state"] == "running"
    first.kill()
    first.wait()
    server.kill()
    server.start()  # empty: neither the hint nor the unacknowledged message is left
    shop.files.open.set()
    beat = Beat(queue)
    beat.start()
    start("second")
    seen_within(
        TAKEN_OVER_WITHIN_S,
        lambda: brand.read(f"/v1/imports/{job['id']}")["state"] == "done",
        "no other worker's end of the import shows",
    )
    beat.stop()
    counts = brand.read(f"/v1/imports/{job['id']}")["counts"]
    assert counts["read"] == counts["created"] == counts["indexed"] == PRODUCTS
    assert counts["failed"] == counts["updated"] == 0
    assert {row["index"]["state"] for row in brand.products().values()} == {"indexed"}
    assert len(brand.products()) == PRODUCTS


def test_the_message_of_a_killed_worker_is_given_out_again_without_any_sweep(
    client: Any, ports: Any, account: Any, queue: CeleryQueue, shop: Shop, server: OwnRedis, start: Any
) -> None:
    """Its products wait, which no lease guards: the visibility time-out alone brings them to another worker."""
    brand = Brand(client, ports, account("brand").auth, queue).with_catalog()
    shop.files.open.set()
    first = start("first")
    job = brand.post(feed(shop.row(1)))
    until(lambda: brand.read(f"/v1/imports/{job['id']}")["state"] == "done", "the import is done")
    shop.files.open.clear()
    shop.files.asked.clear()
    with ports.database.write() as session:  # as a PUT of the product with another picture leaves it
        for product in session.exec(select(Product)):
            product.index_state, product.picture_source = "pending", f"{shop.url}/2.jpg"
    shop.row(2)
    queue.send("catalog.index_products", catalog_id=brand.catalog_id)
    until(shop.files.asked.is_set, "the first worker looks at the picture")
    assert server.client.hlen("unacked") == 1
    first.kill()
    first.wait()
    shop.files.open.set()
    start("second")
    until(lambda: brand.products()["p1"]["index"]["state"] == "indexed", "another worker looks at the picture")
    until(lambda: server.client.hlen("unacked") == 0, "and says so")
