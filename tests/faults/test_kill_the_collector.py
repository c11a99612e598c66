"""kill -9 in the middle of thousands of posted events: every id that got a 2xx counts exactly once."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import msgspec
import pytest

from api.accounts.scopes import TenantKind
from api.accounts.service import AccountsDesk, AccountService
from api.events.tokens import TagClaims, TokenSealer
from api.kit.clock import SystemClock, rfc3339
from api.kit.db import Database
from api.kit.secrets import load_secrets
from api.settings import Settings
from tests.api.events.shop_page import BROWSER, ORIGIN
from tests.conftest import Account
from tests.patience import HANGS_S, seen_within, until
from tests.running_demo import free_port

REPO = Path(__file__).resolve().parents[2]
BATCH = 50
SHOWN_WITHIN_S = 15  # of the 202, or of a new start: what publishers and brands are promised
pytestmark = pytest.mark.slow


class Server:
    """The process under test; `kill` is kill -9."""

    def __init__(self, datadir: Path) -> None:
        self.datadir, self.url = datadir, ""
        self.start()

    def start(self) -> None:
        port = free_port()
        command = [sys.executable, "-m", "tests.faults.event_server", str(self.datadir), str(port)]
        self.process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == b"ready"
        self.url = f"http://127.0.0.1:{port}"

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self._ended()

    def stop(self) -> None:
        self.process.terminate()
        self._ended()

    def _ended(self) -> None:
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path / "data")
    yield started
    started.stop()


@pytest.fixture
def publisher(server: Server) -> Account:
    database = Database(Settings(datadir=server.datadir).database_url)
    now = SystemClock().now()
    with database.write() as session:
        tenant, user = AccountsDesk(session, now).sign_up(TenantKind.publisher, "P", "p@example.com", "long enough")
        held = frozenset({"sites:write", "reports:read"})
        _, made = AccountService(session, tenant.id, user.id, now).create_key("k", None, held=held)
    database.close()
    return Account(tenant.id, user.id, made)


def batches(datadir: Path, site: dict[str, str], publisher_id: str, count: int) -> list[bytes]:
    """Ready-made bodies: half impressions, half clicks, each event of its own view."""
    now = SystemClock().now()
    sealer, numbers, bodies = TokenSealer(load_secrets(Settings(datadir=datadir)).token_keys), itertools.count(), []
    for _ in range(count):
        events = []
        for n in itertools.islice(numbers, BATCH):
            claims = TagClaims(
                nonce=f"n{n}", publisher_id=publisher_id, site_id=site["id"], media_id="m", tag_id="t",
                product_id="p", brand_id="b", price_micros=1000, price_kind="cpc", currency="EUR",
                issued_at_ms=int(now.timestamp() * 1000),
            )  # fmt: skip
            kind = "click" if n % 2 else "impression"
            events.append({"id": f"event-{n:06d}", "type": kind, "token": sealer.seal(claims), "at": rfc3339(now)})
        bodies.append(msgspec.json.encode({"key": site["key"], "events": events}))
    return bodies


def post_all(
    url: str, bodies: list[bytes], taken: set[int], first: int = 0, killed: threading.Event | None = None
) -> None:
    """Post from four connections; `taken` gets the numbers of the batches that were answered with 202. With `killed`
    the last quarter is sent only after it."""
    headers = {"Origin": ORIGIN, "User-Agent": BROWSER, "Content-Type": "text/plain"}

    def post(number: int) -> None:
        if killed and number >= len(bodies) * 3 // 4:
            killed.wait(HANGS_S)
        try:
            answer = client.post(f"{url}/v1/events", content=bodies[number], headers=headers)
        except httpx2.HTTPError:
            return
        if answer.status_code == 202:
            body = answer.json()
            assert body["accepted"] + body["duplicate"] == BATCH
            taken.add(number)

    with httpx2.Client(timeout=60) as client, ThreadPoolExecutor(4) as pool:
        list(pool.map(post, range(first, len(bodies))))


def totals(server: Server, publisher: Account, traffic: str = "gross") -> dict[str, int]:
    answer = httpx2.get(f"{server.url}/v1/reports/ctr", params={"traffic": traffic}, headers=publisher.auth, timeout=60)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["totals"])


def settled(server: Server, publisher: Account, expected: int) -> dict[str, int]:
    """The totals, some time after they show `expected` events."""

    def shown() -> bool:
        found = totals(server, publisher)
        return found["impressions"] + found["clicks"] >= expected

    seen_within(SHOWN_WITHIN_S, shown, "not everything shows", pause_s=0.2)
    time.sleep(0.6)  # anything counted twice would come now
    return totals(server, publisher)


def test_every_acknowledged_event_counts_exactly_once(server: Server, publisher: Account) -> None:
    body = {"name": "Magazine", "origins": [ORIGIN], "media_hosts": []}
    site = httpx2.post(f"{server.url}/v1/sites", json=body, headers=publisher.auth, timeout=60).json()
    bodies = batches(server.datadir, site, publisher.tenant_id, 200)

    taken: set[int] = set()
    killed = threading.Event()
    poster = threading.Thread(target=post_all, args=(server.url, bodies, taken, 0, killed))
    poster.start()
    until(lambda: len(taken) >= 60, pause_s=0.01)
    server.kill()
    killed.set()
    poster.join()
    before = len(taken)
    assert 60 <= before < 200, "the kill came in the middle"

    server.start()
    found = settled(server, publisher, before * BATCH)
    # a batch whose 202 was lost on its way may be there whole; a part of one never is
    counted = found["impressions"] + found["clicks"]
    assert counted >= before * BATCH
    assert (counted % BATCH, found["conflicts"]) == (0, 0)

    post_all(server.url, bodies, taken, 100)
    post_all(server.url, bodies[:100], taken, 0)
    assert len(taken) == 200
    found = settled(server, publisher, 200 * BATCH)
    assert (found["impressions"], found["clicks"], found["conflicts"]) == (100 * BATCH, 100 * BATCH, 0)
    net = totals(server, publisher, "net")
    assert (net["impressions"], net["clicks"], net["spend_micros"]) == (100 * BATCH, 100 * BATCH, 100 * BATCH * 1000)
