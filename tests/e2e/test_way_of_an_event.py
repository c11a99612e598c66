"""A shopper in a real browser on a page with a real street photo: one view, one hover, one click, one report."""

import functools
import http.server
import io
import random
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.patience import HANGS_S, until
from tests.running_demo import RunningDemo
from tests.running_scale_out import RunningScaleOut
from workers.training.split import LABELS

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CLASSES = [
    "top",
    "outerwear",
    "dress",
    "pants",
    "shorts",
    "skirt",
    "footwear",
    "bag",
    "eyewear",
    "headwear",
    "belt",
    "scarf",
]
REPORT_WITHIN_S = 15  # what publishers and brands are promised
# a photo with several large garments; the catalog holds crops of other photos
PHOTO_WITH_GARMENTS = 4


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@dataclass
class World:
    """A demo with a further site and catalog, made through the public API as their owners would."""

    demo: RunningDemo | RunningScaleOut
    page_url: str
    site_id: str
    key: str
    catalog_id: str
    photo_url: str
    origin: str


def boxes_of(label_file: Path) -> list[tuple[str, float, float, float, float]]:
    rows = []
    for line in label_file.read_text().splitlines():
        number, cx, cy, w, h = line.split()
        rows.append((LABELS[int(number)], float(cx), float(cy), float(w), float(h)))
    return rows


def large(row: tuple[str, float, float, float, float]) -> bool:
    return row[3] * row[4] > 0.03


def street_catalog(streetstyle: Path, clothing: Path, but: str, shop: str) -> bytes:
    """A ZIP feed of garments: crops out of other street photos, and owners' photos of single garments."""
    buffer = io.BytesIO()
    rows = ["id,title,description,link,image_link,price,availability,brand,product_type"]
    chosen = random.Random(7)
    with zipfile.ZipFile(buffer, "w") as archive:
        labels = [path for path in sorted((streetstyle / "labels").glob("*.txt")) if path.stem != but]
        for label_file in chosen.sample(labels, 40):
            with Image.open(streetstyle / "images" / f"{label_file.stem}.jpg") as photo:
                for number, (name, cx, cy, w, h) in enumerate(filter(large, boxes_of(label_file))):
                    size = photo.width, photo.height
                    crop = photo.crop(
                        (
                            int((cx - w / 2) * size[0]),
                            int((cy - h / 2) * size[1]),
                            int((cx + w / 2) * size[0]),
                            int((cy + h / 2) * size[1]),
                        )
                    )
                    add(archive, rows, shop, f"s{label_file.stem}-{number}", name, encoded(crop))
        for folder in sorted((clothing / "train").iterdir()):
            for path in sorted(folder.glob("*.jpg"))[:6]:
                add(archive, rows, shop, f"c{path.stem[:8]}", folder.name, path.read_bytes())
        archive.writestr("feed.csv", "\n".join(rows))
    return buffer.getvalue()


def encoded(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def add(archive: zipfile.ZipFile, rows: list[str], shop: str, item: str, kind: str, picture: bytes) -> None:
    archive.writestr(f"pictures/{item}.jpg", picture)
    rows.append(
        f"{item},A {kind} called {item},Worn once,{shop}?item={item},pictures/{item}.jpg,"
        f"49.90 EUR,in stock,Streetwise,{kind}"
    )


def call(world: RunningDemo | RunningScaleOut, method: str, path: str, key: str, **more: Any) -> Any:
    answer = httpx2.request(method, f"{world.base_url}{path}", headers=world.bearer(key), timeout=60, **more)
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    shared_data: Path,
    house: RunningDemo | RunningScaleOut,
    publisher_port: int,
) -> Iterator[World]:
    streetstyle = shared_data / "streetstyle"
    photo = next(
        path.stem
        for path in sorted((streetstyle / "labels").glob("*.txt"))
        if sum(map(large, boxes_of(path))) >= PHOTO_WITH_GARMENTS
    )
    folder = tmp_path_factory.mktemp("publisher")
    shutil.copy(streetstyle / "images" / f"{photo}.jpg", folder / "street.jpg")
    demo, port = house, publisher_port
    origin = f"http://127.0.0.1:{port}"
    site = call(
        demo,
        "POST",
        "/v1/sites",
        "publisher_secret_key",
        json={
            "name": "Street",
            "origins": [origin],
            "media_hosts": [f"127.0.0.1:{port}"],
        },
    )
    (folder / "index.html").write_text(
        f'<!doctype html><title>Street</title><h1>Seen today</h1><img src="/street.jpg" alt="Somebody in the street">'
        f'<script async src="{demo.base_url}/sdk/shoplight.js" data-key="{site["key"]}"></script>'
    )
    (folder / "shop.html").write_text("<!doctype html><title>Shop</title><h1>A shop</h1>")
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    catalog = call(demo, "POST", "/v1/catalogs", "brand_key", json={"name": "Streetwise", "listed": True})
    feed = {
        "file": (
            "feed.zip",
            street_catalog(streetstyle, shared_data / "clothing", photo, f"{origin}/shop.html"),
            "application/zip",
        )
    }
    started = call(demo, "POST", f"/v1/catalogs/{catalog['id']}/imports", "brand_key", files=feed)
    wait_for_import(demo, started["id"])
    yield World(demo, f"{origin}/index.html", site["id"], site["key"], catalog["id"], f"{origin}/street.jpg", origin)
    server.shutdown()
    server.server_close()


def wait_for_import(demo: RunningDemo | RunningScaleOut, import_id: str) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        state = call(demo, "GET", f"/v1/imports/{import_id}", "brand_key")
        assert state["state"] != "failed", state
        if state["state"] == "done":
            assert state["errors"] == []
            assert state["counts"]["indexed"] == state["counts"]["read"] > 100
            return
        time.sleep(0.2)
    raise AssertionError(f"the import did not end: {state}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        yield opened
        opened.close()


def wait_until_tagged(world: World) -> None:
    """As other visitors would have done before: ask until the photo is analysed."""
    deadline = time.monotonic() + HANGS_S
    while time.monotonic() < deadline:
        body = {"key": world.key, "page": {"url": world.page_url}, "media": [{"url": world.photo_url, "kind": "image"}]}
        answer = httpx2.post(
            f"{world.demo.base_url}/v1/tags", json=body, headers={"Origin": world.origin}, timeout=60
        ).json()
        if answer["media"][0]["status"] == "ready":
            return
        assert answer["media"][0]["status"] == "pending", answer
        time.sleep(0.3)
    raise AssertionError("the photo was never tagged")


def visit(browser: Browser, world: World) -> tuple[str, str, list[str]]:
    """One view: look for over a second, hover, click through. The product, its tag's token, the posted bodies."""
    page: Page = browser.new_page(viewport={"width": 1280, "height": 900})
    answers: list[Any] = []
    posted: list[str] = []
    page.on("response", lambda got: answers.append(got) if got.url.endswith("/v1/tags") else None)
    page.on("request", lambda sent: posted.append(sent.post_data or "") if sent.url.endswith("/v1/events") else None)
    page.goto(world.page_url)
    hotspot = page.get_by_role("button", name="Show product").first
    hotspot.wait_for(timeout=60_000)
    tags = [tag for got in answers for medium in got.json()["media"] for tag in medium["tags"]]
    page.bring_to_front()
    until(lambda: page.wait_for_timeout(100) or any('"viewable"' in body for body in posted), "it was not seen")
    hotspot.hover()
    link = page.get_by_role("link", name="View product")
    link.wait_for()
    token = str(link.get_attribute("href")).split("/c/")[1].split("?")[0]
    with page.context.expect_page() as shop:
        link.click()
    shop.value.wait_for_url("**/shop.html?item=*", timeout=60_000)
    shop.value.close()
    page.close()
    return next(tag["products"][0]["id"] for tag in tags if tag["token"] == token), token, posted


def counted(world: World, product_id: str, **more: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    query = {
        "from": (now - timedelta(hours=1)).isoformat(),
        "to": (now + timedelta(hours=1)).isoformat(),
        "group_by": "product",
        "filter": f"site_id:{world.site_id}",
        **more,
    }
    report = call(world.demo, "GET", "/v1/reports/ctr", "publisher_secret_key", params=query)
    return next((row for row in report["rows"] if row["product_id"] == product_id), {})


def wait_for_counts(world: World, product_id: str, expected: tuple[int, int, int]) -> None:
    deadline = time.monotonic() + REPORT_WITHIN_S
    row: dict[str, Any] = {}
    while time.monotonic() < deadline:
        row = counted(world, product_id)
        if row and (row["impressions"], row["viewable"], row["clicks"]) == expected:
            break
        time.sleep(0.3)
    assert (row.get("impressions"), row.get("viewable"), row.get("clicks")) == expected, row


def test_one_view_counts_once_two_count_twice_and_a_replay_changes_nothing(browser: Browser, world: World) -> None:
    wait_until_tagged(world)
    product, _, first = visit(browser, world)
    wait_for_counts(world, product, (1, 1, 1))
    again, _, _ = visit(browser, world)
    assert again == product
    wait_for_counts(world, product, (2, 2, 2))
    for body in first:
        headers = {"Origin": world.origin, "Content-Type": "text/plain"}
        answer = httpx2.post(f"{world.demo.base_url}/v1/events", content=body.encode(), headers=headers, timeout=60)
        assert answer.status_code == 202
        assert answer.json()["rejected"] == []
    time.sleep(2)
    wait_for_counts(world, product, (2, 2, 2))
    assert counted(world, product, traffic="gross")["clicks"] == 2
