"""Draws the README's pictures: starts a demo on a fresh directory, walks through its pages with Chromium, stops it.

Usage: python infra/screenshots/draw.py [--out DIR] [--minutes-of-traffic 1]"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

REPO = Path(__file__).resolve().parents[2]
CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESKTOP, TALL, PHONE = {"width": 1280, "height": 860}, {"width": 1280, "height": 1240}, {"width": 390, "height": 844}
PAGES = {
    "publisher": ["/publisher", "/publisher/media", "/publisher/sites"],
    "brand": ["/brand", "/brand/catalogs", "/brand/campaigns"],
    "developer": ["/developer", "/developer/usage"],
    "operator": ["/operator"],
}


def shoot(page: Page, out: Path, name: str) -> None:
    """JPEG keeps the repository small."""
    page.screenshot(path=out / f"{name}.jpg", type="jpeg", quality=72)
    print(name)


def open_card(page: Page, url: str) -> None:
    """The publisher's page with the first product card open."""
    page.goto(url)
    hotspot = page.get_by_role("button", name="Show product").first
    hotspot.wait_for(timeout=30_000)
    page.wait_for_timeout(1500)
    hotspot.click()
    page.get_by_role("link", name="View product").wait_for()
    page.wait_for_timeout(600)


def sign_in(page: Page, line: dict[str, Any], role: str) -> None:
    page.goto(f"{line['base_url']}/signin")
    page.fill("input[name=email]", line["logins"][role]["email"])
    page.fill("input[name=password]", line["logins"][role]["password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()


def to_top(page: Page, selector: str) -> None:
    """What matters on a long page, at the upper edge, with its pictures loaded."""
    page.locator(selector).first.evaluate("node => window.scrollTo(0, node.getBoundingClientRect().top + scrollY - 14)")
    page.wait_for_timeout(900)


def search(page: Page, base_url: str) -> None:
    """The search box with an answer: the picture with its boxes, and the first matches."""
    page.set_viewport_size(TALL)
    page.goto(f"{base_url}/developer/search")
    page.set_input_files("input[type=file]", REPO / "infra/demo/scenes/reading-corner.jpg")
    page.get_by_role("button", name="Search", exact=True).click()
    page.locator(".product:visible").first.wait_for(timeout=30_000)
    to_top(page, ".card:has(.scene)")


def walk(browser: Browser, line: dict[str, Any], out: Path) -> None:
    for name, size in (("article", DESKTOP), ("article-phone", PHONE)):
        context = browser.new_context(viewport=size, has_touch=size is PHONE)
        page = context.new_page()
        open_card(page, line["publisher_page"])
        shoot(page, out, name)
        context.close()
    for role, paths in PAGES.items():
        context = browser.new_context(viewport=DESKTOP)
        page = context.new_page()
        sign_in(page, line, role)
        if role == "developer":
            search(page, line["base_url"])
            shoot(page, out, "developer-search")
            page.set_viewport_size(DESKTOP)
        for path in paths:
            page.goto(line["base_url"] + path)
            page.wait_for_timeout(700)
            if path == "/publisher/media":
                to_top(page, "section.card:has(.scene)")
            shoot(page, out, path.strip("/").replace("/", "-"))
        if role == "brand":
            page.goto(f"{line['base_url']}/brand/catalogs")
            page.locator("h2 a").first.click()
            page.wait_for_timeout(900)
            shoot(page, out, "brand-catalog")
            page.set_viewport_size(PHONE)
            page.goto(f"{line['base_url']}/brand")
            page.wait_for_timeout(700)
            shoot(page, out, "brand-phone")
        context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--minutes-of-traffic", type=float, default=1.0)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "workers.cli", "demo", "--port", "0", "--no-browser", "--data-dir", folder]
        demo = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE)
        try:
            assert demo.stdout is not None
            line = json.loads(demo.stdout.readline())
            time.sleep(60 * asked.minutes_of_traffic)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
                walk(browser, line, asked.out)
                browser.close()
        finally:
            demo.terminate()
            demo.wait(60)


if __name__ == "__main__":
    main()
