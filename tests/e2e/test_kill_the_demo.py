"""kill -9 of the demo in the middle of 20,000 posted events: what got a 2xx is counted exactly once."""

import itertools
import re
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.patience import HANGS_S, until
from tests.running_demo import RunningDemo

pytestmark = pytest.mark.slow
EVENTS, A_REQUEST, CLIENTS = 20_000, 50, 4
KILL_AFTER = EVENTS // 2
READINGS_APART_S = 1.0  # the sink looks at the log every quarter of a second


def browser_headers(demo: RunningDemo) -> dict[str, str]:
    return {
        "Origin": demo.base_url,
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    }


def a_token(demo: RunningDemo) -> str:
    page = httpx2.get(demo.line["publisher_page"], timeout=60).text
    picture = next(part.split('"')[0] for part in page.split('<img src="')[1:])
    url = str(httpx2.URL(demo.line["publisher_page"]).join(picture))
    body = {
        "key": demo.line["publishable_key"],
        "page": {"url": demo.line["publisher_page"]},
        "media": [{"url": url, "kind": "image"}],
    }
    answer = httpx2.post(f"{demo.base_url}/v1/tags", json=body, headers=browser_headers(demo), timeout=60).json()
    return str(answer["media"][0]["tags"][0]["token"])


def post(demo: RunningDemo, http: httpx2.Client, events: list[dict[str, Any]]) -> bool:
    """Whether the collector said 202 for all of them."""
    try:
        body = {"key": demo.line["publishable_key"], "events": events}
        answer = http.post(f"{demo.base_url}/v1/events", json=body, headers=browser_headers(demo))
    except httpx2.HTTPError:
        return False
    assert answer.status_code == 202, answer.text
    assert answer.json()["rejected"] == []
    return True


def gross(demo: RunningDemo) -> int:
    now = datetime.now(UTC)
    query = {
        "from": (now - timedelta(hours=2)).isoformat(),
        "to": (now + timedelta(hours=1)).isoformat(),
        "traffic": "gross",
    }
    answer = httpx2.get(
        f"{demo.base_url}/v1/reports/ctr", params=query, headers=demo.bearer("publisher_secret_key"), timeout=60
    )
    assert answer.status_code == 200, answer.text
    return int(answer.json()["totals"]["impressions"])


def settled(demo: RunningDemo, at_least: int) -> int:
    """The count once the sink has dealt with the whole log: twice, as one reading may be from before the last post."""
    first: list[float] = []

    def caught_up() -> bool:
        asked_at = time.monotonic()
        behind = re.findall(r"^shoplight_sink_behind_offsets\{.*\} (.*)$", metrics(demo), re.MULTILINE)
        if not behind or any(map(float, behind)):
            first.clear()
            return False
        first.append(time.monotonic())
        return asked_at - first[0] >= READINGS_APART_S and gross(demo) >= at_least

    until(caught_up, "the sink stands still", pause_s=0.25)
    return gross(demo)


def metrics(demo: RunningDemo) -> str:
    answer = httpx2.get(f"{demo.base_url}/metrics", timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_every_acknowledged_event_is_counted_exactly_once(tmp_path: Path) -> None:
    demo = RunningDemo(tmp_path / "data")
    token, at = a_token(demo), datetime.now(UTC).isoformat()
    events = [
        {"id": str(uuid.uuid4()), "type": "impression", "token": token, "at": at, "seq": n} for n in range(EVENTS)
    ]
    batches = [events[n : n + A_REQUEST] for n in range(0, EVENTS, A_REQUEST)]
    acknowledged: list[list[dict[str, Any]]] = []
    posted = itertools.count(1)
    enough, killed = threading.Event(), threading.Event()

    def client(share: list[list[dict[str, Any]]]) -> None:
        with httpx2.Client(timeout=60) as http:
            for number, batch in enumerate(share):
                if number == len(share) * 3 // 4:
                    killed.wait(HANGS_S)
                if not post(demo, http, batch):
                    return
                acknowledged.append(batch)
                if next(posted) * A_REQUEST >= KILL_AFTER:
                    enough.set()

    with ThreadPoolExecutor(CLIENTS) as clients:
        running = [clients.submit(client, batches[n::CLIENTS]) for n in range(CLIENTS)]
        assert enough.wait(HANGS_S)
        demo.kill()
        killed.set()
        for one in running:
            one.result()
    sure = len(acknowledged) * A_REQUEST
    assert KILL_AFTER <= sure < EVENTS, "the kill must fall into the middle"

    again = RunningDemo(tmp_path / "data", port=demo.port)
    try:
        counted = settled(again, sure)
        # a request cut off before its answer may have become durable; its ids may count, once
        assert sure <= counted <= sure + CLIENTS * A_REQUEST
        with httpx2.Client(timeout=60) as http:
            for batch in acknowledged[::2]:
                assert post(again, http, batch)
        time.sleep(1)
        assert settled(again, counted) == counted
        with httpx2.Client(timeout=60) as http:
            for batch in batches:
                assert post(again, http, batch)
        assert settled(again, EVENTS) == EVENTS
    finally:
        assert again.stop() == 0
