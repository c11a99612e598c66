"""Clients that never give up: they send events, products and pictures to a running house until it has taken them, and
remember what it took. What they meet on the way must be an answer that the documentation knows."""

import io
import itertools
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
A_REQUEST, PRODUCTS_A_FEED = 20, 2
GIVE_UP_S = 240


@dataclass
class Met:
    """What the clients were answered; `odd` has what no client should ever see."""

    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    odd: list[str] = field(default_factory=list)

    def note(self, what: str, answer: httpx2.Response) -> None:
        self.statuses[answer.status_code] += 1
        if answer.status_code >= 500 and answer.status_code != 503:
            self.odd.append(f"{what}: {answer.status_code} {answer.text[:300]}")
        if answer.status_code == 503 and "retry-after" not in answer.headers:
            self.odd.append(f"{what}: 503 without Retry-After: {answer.text[:300]}")


class Client:
    """One connection pool that sends until it is taken."""

    def __init__(self, base_url: str, met: Met) -> None:
        self.http = httpx2.Client(base_url=base_url, timeout=60)
        self.met = met

    def until_taken(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """The first answer but "later" (429, 503, a catalog's imports that wait) and broken connections."""
        deadline = time.monotonic() + GIVE_UP_S
        while time.monotonic() < deadline:
            try:
                answer = self.http.request(method, path, **more)
            except httpx2.HTTPError:
                self.met.broken += 1
            else:
                self.met.note(f"{method} {path}", answer)
                if answer.status_code < 429 and "too_many_imports" not in answer.text:
                    return answer
            time.sleep(0.2)
        raise AssertionError(f"{method} {path} was not taken within {GIVE_UP_S} s; met {self.met}")


class Flow(threading.Thread):
    """One client that repeats its `step` until it is told to stop. `trouble` ends it, and the test."""

    def __init__(self, step: Callable[[Client, int], None], client: Client, pause_s: float) -> None:
        super().__init__(daemon=True)
        self._step, self._client, self._pause_s, self.stopped = step, client, pause_s, threading.Event()
        self.trouble: BaseException | None = None

    def run(self) -> None:
        try:
            for number in itertools.count():
                if self.stopped.is_set():
                    return
                self._step(self._client, number)
                time.sleep(self._pause_s)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            self.trouble = error

    def end(self) -> None:
        self.stopped.set()
        self.join(GIVE_UP_S + 30)
        self._client.http.close()
        if self.trouble:
            raise self.trouble


@dataclass
class Flows:
    """Everything that was taken, by kind."""

    line: dict[str, Any]
    token: str
    site_key: str
    origin: str
    catalog_id: str
    photo_url: Callable[[str, int], str]
    met: Met = field(default_factory=Met)
    events: set[str] = field(default_factory=set)
    imports: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)

    def start(self) -> list[Flow]:
        steps = ((self.send_events, 0.05), (self.send_products, 1.0), (self.show_picture, 0.7))
        flows = [Flow(step, self.client(), pause_s) for step, pause_s in steps]
        for flow in flows:
            flow.start()
        return flows

    def client(self) -> Client:
        return Client(self.line["base_url"], self.met)

    def send_events(self, client: Client, _: int) -> None:
        at = datetime.now(UTC).isoformat()
        events = [
            {"id": str(uuid.uuid4()), "type": "impression", "token": self.token, "at": at, "seq": n}
            for n in range(A_REQUEST)
        ]
        body = {"key": self.line["publishable_key"], "events": events}
        headers = {"Origin": self.line["base_url"], "User-Agent": BROWSER}
        answer = client.until_taken("POST", "/v1/events", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        assert answer.json()["rejected"] == [], answer.text
        self.events |= {event["id"] for event in events}

    def send_products(self, client: Client, number: int) -> None:
        rows = io.StringIO()
        rows.write("id,title,description,link,image_link,price,availability,brand\n")
        for n in range(PRODUCTS_A_FEED):
            item = number * PRODUCTS_A_FEED + n
            rows.write(f"p{item},Thing {item},Plain,https://shop.example/{item},{self.photo_url('product', item)},")
            rows.write("9.90 EUR,in stock,Thingmaker\n")
        for turn in itertools.count():
            key = f"feed-{number}-{turn}"
            answer = client.until_taken(
                "POST",
                f"/v1/catalogs/{self.catalog_id}/imports",
                params={"mode": "merge"},
                files={"file": ("feed.csv", rows.getvalue().encode(), "text/csv")},
                headers={"Authorization": f"Bearer {self.line['brand_key']}", "Idempotency-Key": key},
            )
            # who is killed while it serves a key keeps it for a quarter of an hour; to merge twice is the same as once
            if "idempotency_in_progress" not in answer.text:
                break
        assert answer.status_code == 202, answer.text
        self.imports.append(answer.json()["id"])

    def show_picture(self, client: Client, number: int) -> None:
        url = self.photo_url("street", number)
        assert self.tagged(client, url) in {"pending", "ready", "none"}
        self.pictures.append(url)

    def tagged(self, client: Client, url: str) -> str:
        """The state of a picture on a page of the publisher."""
        media = [{"url": url, "kind": "image"}]
        body = {"key": self.site_key, "page": {"url": self.origin}, "media": media}
        headers = {"Origin": self.origin, "User-Agent": BROWSER}
        answer = client.until_taken("POST", "/v1/tags", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["media"][0]["status"])
