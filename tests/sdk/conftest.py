"""A real Chromium and a fresh stub host for each test of the publisher script."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.sdk.pages import BOX, HEIGHT, WIDTH, one_tag
from tests.sdk.stub import Host, serve

CHROMIUM = os.environ.get("SHOPLIGHT_TEST_CHROMIUM", "/usr/bin/chromium")
expect.set_options(timeout=30_000)  # a busy machine's browser is slow
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    # the round button over a film that Android has
    "--enable-blink-features=MediaControlsOverlayPlayButton",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def picture() -> bytes:
    image = Image.new("RGB", (WIDTH, HEIGHT), "#d8d2c4")
    box = [BOX["x"] * WIDTH, BOX["y"] * HEIGHT, (BOX["x"] + BOX["w"]) * WIDTH, (BOX["y"] + BOX["h"]) * HEIGHT]
    ImageDraw.Draw(image).rectangle(box, fill="#7a1f2b")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def host(picture: bytes) -> Iterator[Host]:
    with serve(Host(picture=picture, tags_for=one_tag)) as running:
        running.files["/photo.png"] = ("image/png", picture)
        yield running


@pytest.fixture(scope="module")  # Playwright leaves an event loop running in this thread until it is closed
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1000, "height": 800})
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"the page saw an error: {error}"))
    yield page
    context.close()
