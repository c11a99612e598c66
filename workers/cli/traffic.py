"""Simulated shoppers for the demo: they load its pages, look, hover and click, through the public API alone."""

import logging
import random
import threading
from typing import Any

import httpx2

from api.kit.clock import SystemClock, rfc3339
from api.kit.ids import new_id
from workers.cli.seed import article_media

log = logging.getLogger(__name__)
VIEWABLE, HOVER, CLICK = 0.7, 0.25, 0.08
PAUSE_S = (0.5, 3.0)
BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 "
        "Mobile/15E148 Safari/604.1"
    ),
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
)


class Traffic(threading.Thread):
    """A few shoppers in one thread, until told to stop. A few requests a second at most."""

    def __init__(self, line: dict[str, Any], stop: threading.Event) -> None:
        super().__init__(name="demo-traffic", daemon=True)
        self._base = str(line["base_url"])
        self._key = str(line["publishable_key"])
        self._page = str(line["publisher_page"])
        self._media = article_media(self._base, self._page.split("/")[-2])
        self._stop_asked = stop
        self._random = random.Random()  # noqa: S311 - shoppers, not secrets
        self._clock = SystemClock()

    def run(self) -> None:
        """Visit until asked to stop; trouble is logged and does not end the visits."""
        with httpx2.Client(base_url=self._base, timeout=10) as http:
            while not self._stop_asked.wait(self._random.uniform(*PAUSE_S)):
                try:
                    self._visit(http)
                except httpx2.HTTPError as error:
                    log.info("a simulated shopper gave up: %s", error)

    def _visit(self, http: httpx2.Client) -> None:
        headers = {"Origin": self._base, "User-Agent": self._random.choice(BROWSERS), "Referer": self._page}
        shown = self._random.sample(self._media, k=min(2, len(self._media)))
        body = {"key": self._key, "page": {"url": self._page, "title": "", "lang": "en"}, "media": shown}
        answer = http.post("/v1/tags", json=body, headers=headers)
        answer.raise_for_status()
        tags = [tag for medium in answer.json()["media"] for tag in medium["tags"][:5]]
        events = [self._event("impression", tag) for tag in tags]
        seen = [tag for tag in tags if self._random.random() < VIEWABLE]
        events += [self._event("viewable", tag) for tag in seen]
        events += [self._event("hover", tag) for tag in seen if self._random.random() < HOVER]
        clicked = next((tag for tag in seen if self._random.random() < CLICK), None)
        if clicked:
            click = self._event("click", clicked)
            events.append(click)
            http.get(
                f"/c/{clicked['token']}", params={"e": click["id"]}, headers={**headers, "Sec-Fetch-Mode": "navigate"}
            )
        if events:
            body = {"key": self._key, "events": [{**event, "seq": n} for n, event in enumerate(events)]}
            http.post("/v1/events", json=body, headers=headers).raise_for_status()

    def _event(self, kind: str, tag: dict[str, Any]) -> dict[str, Any]:
        return {"id": new_id("e"), "type": kind, "token": tag["token"], "at": rfc3339(self._clock.now())}
