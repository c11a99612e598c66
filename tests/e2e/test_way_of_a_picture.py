"""A picture that nobody knows: pending, looked at once, tagged by every API process, and its publisher's to control."""

import base64
import functools
import io
import logging
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from tests.api.media.world import Web
from tests.every_process import BROWSER, House, api_processes, call, everywhere, fresh

pytestmark = pytest.mark.slow
log = logging.getLogger(__name__)
LOOKED_AT_WITHIN_S, WITHIN_S = 60, 5
LARGE, GARMENTS = 0.03, 4
Box = tuple[float, float, float, float]


@dataclass
class Page:
    """A publisher's page; `shown` are the boxes of the garments on its photo, as people marked them."""

    house: House
    web: Web
    origin: str
    key: str
    shown: list[Box]

    def url(self, path: str) -> str:
        return f"{self.origin}{path}"

    def tags(self, path: str, key: str = "") -> tuple[str, httpx2.Response]:
        """What the page is told of one of its pictures, over a connection of its own."""
        body = {"key": key or self.key, "page": {"url": self.url("/")}, "media": [{"url": self.url(path)}]}
        return fresh(self.house, "POST", "/v1/tags", json=body, headers={"Origin": self.origin, "User-Agent": BROWSER})

    def garments(self, item: dict[str, Any]) -> int:
        """How many tags stand where people marked a garment, with that very garment on them."""
        own = [(tag["box"], tag["products"][0]) for tag in item["tags"] if tag["products"][0]["brand"] == "Seen"]
        return sum(overlap(box, self.shown[int(product["external_id"][1:])]) > 0.5 for box, product in own)

    def is_ready(self, item: dict[str, Any]) -> bool:
        """Tagged with what is on it. A worker knows a catalog some seconds after it was listed; what it looked at
        before that, and may have found nothing for, it matches again."""
        assert item["status"] in {"pending", "none", "ready"}, item
        return item["status"] == "ready" and self.garments(item) >= 2

    def everywhere(self, path: str, right: Callable[[dict[str, Any]], bool], within_s: float) -> dict[str, float]:
        """Until every API process tells the page what is right."""

        def holds(answer: httpx2.Response) -> bool:
            assert answer.status_code == 200, answer.text
            return right(answer.json()["media"][0])

        return everywhere(self.house, functools.partial(self.tags, path), holds, within_s)


def boxes_of(labels: Path) -> list[Box]:
    """x, y, w, h of the larger garments."""
    rows = [[float(number) for number in line.split()[1:]] for line in labels.read_text().splitlines()]
    return [(cx - w / 2, cy - h / 2, w, h) for cx, cy, w, h in rows if w * h > LARGE]


def catalog_of(photo: Path, boxes: list[Box], shop: str) -> bytes:
    """A ZIP feed with what is on the photo."""
    rows = ["id,title,description,link,image_link,price,availability,brand"]
    feed = io.BytesIO()
    with zipfile.ZipFile(feed, "w") as archive, Image.open(photo) as picture:
        for number, (x, y, w, h) in enumerate(boxes):
            wide, high = picture.size
            crop = io.BytesIO()
            part = picture.crop((int(x * wide), int(y * high), int((x + w) * wide), int((y + h) * high)))
            part.save(crop, "JPEG", quality=95)
            archive.writestr(f"{number}.jpg", crop.getvalue())
            rows.append(f"g{number},Garment {number},Seen,{shop}?item=g{number},{number}.jpg,9.90 EUR,in stock,Seen")
        archive.writestr("feed.csv", "\n".join(rows))
    return feed.getvalue()


@pytest.fixture(scope="module")
def page(house: House, publisher_port: int, shared_data: Path) -> Iterator[Page]:
    web = Web(publisher_port)
    street = shared_data / "streetstyle"
    # the last of those with several large garments; the way of an event has the first
    stem = [path.stem for path in sorted((street / "labels").glob("*.txt")) if len(boxes_of(path)) >= GARMENTS][-1]
    photo, shown = street / "images" / f"{stem}.jpg", boxes_of(street / "labels" / f"{stem}.txt")
    web.files |= {"/street.jpg": photo.read_bytes(), "/torn.jpg": photo.read_bytes()[:300], "/text.jpg": b"no picture"}
    origin = f"http://{web.host}"
    site = new_site(house, origin)
    catalog = call(house, "POST", "/v1/catalogs", "brand_key", json={"name": "Seen", "listed": True})
    feed = {"file": ("feed.zip", catalog_of(photo, shown, f"{origin}/shop"), "application/zip")}
    started = call(house, "POST", f"/v1/catalogs/{catalog['id']}/imports", "brand_key", files=feed)
    wait_for_import(house, started["id"])
    yield Page(house, web, origin, site["key"], shown)
    call(house, "DELETE", f"/v1/catalogs/{catalog['id']}", "brand_key")
    call(house, "DELETE", f"/v1/sites/{site['id']}", "publisher_secret_key")
    web.close()


def new_site(house: House, origin: str) -> dict[str, str]:
    body = {"name": "Street", "origins": [origin], "media_hosts": [origin.removeprefix("http://")]}
    made: dict[str, str] = call(house, "POST", "/v1/sites", "publisher_secret_key", json=body)
    return made


def wait_for_import(house: House, import_id: str) -> None:
    deadline = time.monotonic() + LOOKED_AT_WITHIN_S
    while (state := call(house, "GET", f"/v1/imports/{import_id}", "brand_key"))["state"] != "done":
        assert state["state"] != "failed", state
        assert time.monotonic() < deadline, state
        time.sleep(0.1)
    assert state["errors"] == []


def overlap(one: dict[str, float], other: Box) -> float:
    """Intersection over union."""
    x, y, w, h = other
    wide = min(one["x"] + one["w"], x + w) - max(one["x"], x)
    high = min(one["y"] + one["h"], y + h) - max(one["y"], y)
    shared = max(0.0, wide) * max(0.0, high)
    return shared / (one["w"] * one["h"] + w * h - shared)


def test_an_unknown_picture_is_looked_at_once_and_tagged_by_every_process(page: Page) -> None:
    process, first = page.tags("/street.jpg")
    assert first.status_code == 200, first.text
    assert (first.json()["media"][0]["status"], first.json()["media"][0]["tags"]) == ("pending", [])
    answers: dict[str, dict[str, Any]] = {}

    def ready() -> tuple[str, httpx2.Response]:
        process, answer = page.tags("/street.jpg")
        answers[process] = answer.json()["media"][0]
        return process, answer

    seconds = everywhere(page.house, ready, lambda answer: page.is_ready(answer.json()["media"][0]), LOOKED_AT_WITHIN_S)
    log.info("first shown to %s, ready after %s", process, seconds)
    assert set(answers) == set(api_processes(page.house).values())
    assert page.web.asked.count("/street.jpg") == 1, "one look is enough for all of them"
    same = [[(tag["id"], tag["box"]) for tag in answer["tags"]] for answer in answers.values()]
    assert same.count(same[0]) == len(same)

    tokens = [tag["token"] for answer in answers.values() for tag in answer["tags"]]
    assert len(set(tokens)) == len(tokens), "each answer is a view of its own"
    for tag in next(iter(answers.values()))["tags"]:
        box = tag["box"]
        assert min(box["x"], box["y"]) >= 0
        assert min(box["w"], box["h"]) > 0
        assert max(box["x"] + box["w"], box["y"] + box["h"]) <= 1 + 1e-6


def test_a_token_says_nothing_to_readers_and_leads_to_the_product_from_every_process(page: Page) -> None:
    page.everywhere("/street.jpg", page.is_ready, LOOKED_AT_WITHIN_S)
    media = page.tags("/street.jpg")[1].json()["media"][0]
    tag = next(tag for tag in media["tags"] if tag["products"][0]["brand"] == "Seen")
    product, token = tag["products"][0], tag["token"]
    plain = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for secret in (product["id"], tag["id"], product["url"]):
        assert secret.encode() not in plain

    head = functools.partial(fresh, page.house, "HEAD")  # a HEAD is redirected and counts as no click
    everywhere(
        page.house,
        functools.partial(head, f"/c/{token}"),
        lambda answer: (answer.status_code, answer.headers.get("location")) == (302, product["url"]),
        0,
    )
    place = len(token) // 2
    forged = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
    everywhere(page.house, functools.partial(head, f"/c/{forged}"), lambda answer: answer.status_code == 404, 0)


def _shows(tag_ids: set[str], item: dict[str, Any]) -> bool:
    return {tag["id"] for tag in item["tags"]} == tag_ids


def test_a_hidden_tag_leaves_every_page_within_seconds_and_comes_back(page: Page) -> None:
    page.everywhere("/street.jpg", page.is_ready, LOOKED_AT_WITHIN_S)
    before = {tag["id"] for tag in page.tags("/street.jpg")[1].json()["media"][0]["tags"]}
    hidden = min(before)
    for state, wanted in (("hidden", before - {hidden}), ("active", before)):
        patched = call(page.house, "PATCH", f"/v1/tags/{hidden}", "publisher_secret_key", json={"state": state})
        assert patched["state"] == state
        shown = functools.partial(_shows, wanted)
        seconds = page.everywhere("/street.jpg", shown, WITHIN_S)
        log.info("%s: %s", state, seconds)
    # a stranger's key changes nothing, and learns nothing
    stranger = page.house.bearer("brand_key")
    _, answer = fresh(page.house, "PATCH", f"/v1/tags/{hidden}", headers=stranger, json={"state": "hidden"})
    assert answer.status_code == 404


def test_what_is_no_picture_ends_as_none_and_its_publisher_reads_why(page: Page) -> None:
    paths = ("/torn.jpg", "/text.jpg", "/missing.jpg")
    assert [page.tags(path)[1].json()["media"][0]["status"] for path in paths] == ["pending"] * 3
    for path in paths:
        page.everywhere(path, lambda item: (item["status"], item["tags"]) == ("none", []), LOOKED_AT_WITHIN_S)
    listed = call(page.house, "GET", "/v1/media?limit=50", "publisher_secret_key")["items"]
    ended = {item["url"]: item for item in listed}
    for path in paths:
        assert ended[page.url(path)]["status"] == "failed"
        assert ended[page.url(path)]["error"]


def test_a_picture_of_another_host_is_blocked_everywhere_and_never_fetched(page: Page) -> None:
    asked = len(page.web.asked)
    body = {"key": page.key, "media": [{"url": page.url("/street.jpg").replace("127.0.0.1", "localhost")}]}
    post = functools.partial(fresh, page.house, "POST", "/v1/tags", json=body, headers={"Origin": page.origin})
    everywhere(page.house, post, lambda answer: answer.json()["media"][0]["status"] == "blocked", 0)
    assert len(page.web.asked) == asked


def test_a_revoked_secret_key_stops_everywhere_within_seconds(page: Page) -> None:
    made = call(page.house, "POST", "/v1/keys", "publisher_secret_key", json={"name": "short-lived"})
    headers = {"Authorization": f"Bearer {made['secret']}"}
    read = functools.partial(fresh, page.house, "GET", "/v1/media?limit=1", headers=headers)
    everywhere(page.house, read, lambda answer: answer.status_code == 200, 0)
    call(page.house, "DELETE", f"/v1/keys/{made['id']}", "publisher_secret_key")
    seconds = everywhere(page.house, read, lambda answer: answer.status_code == 401, WITHIN_S)
    log.info("the secret key stopped after %s", seconds)


def test_an_ended_sites_publishable_key_stops_everywhere_within_seconds(page: Page) -> None:
    site = new_site(page.house, page.origin)
    show = functools.partial(page.tags, "/missing.jpg", site["key"])
    everywhere(page.house, show, lambda answer: answer.status_code == 200, 0)
    call(page.house, "DELETE", f"/v1/sites/{site['id']}", "publisher_secret_key")
    seconds = everywhere(page.house, show, lambda answer: answer.status_code == 401, WITHIN_S)
    log.info("the publishable key stopped after %s", seconds)
