"""The dashboards on a narrow phone: every section of the menu is in sight, and no page scrolls sideways."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.running_demo import RunningDemo
from tests.sdk.conftest import CHROMIUM, FLAGS

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NARROW = {"width": 320, "height": 700}
PAGES = 12  # of a role; what is deeper is of the same kinds


@pytest.fixture(scope="module")
def phone() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def signed_in(page: Page, demo: RunningDemo, role: str) -> None:
    login = demo.line["logins"][role]
    page.goto(f"{demo.base_url}/signin")
    page.get_by_label("E-mail address").fill(login["email"])
    page.get_by_label("Password").fill(login["password"])
    page.get_by_role("main").get_by_role("button").click()
    page.get_by_role("navigation", name="Sections").wait_for()


def links(page: Page, within: str) -> list[str]:
    found = page.locator(f"{within} a[href^='/']").evaluate_all("all => all.map(it => it.getAttribute('href'))")
    raw = ("/readyz", "/metrics")
    return [path for path in dict.fromkeys(found) if "format=" not in path and "." not in path and path not in raw]


@pytest.mark.parametrize("role", ["publisher", "brand", "developer", "operator"])
def test_every_section_is_in_sight_and_no_page_scrolls_sideways(demo: RunningDemo, phone: Browser, role: str) -> None:
    context = phone.new_context(viewport=NARROW, has_touch=True, is_mobile=True)
    context.set_default_timeout(15_000)
    page = context.new_page()
    signed_in(page, demo, role)
    menu = page.get_by_role("navigation", name="Sections").get_by_role("link")
    boxes = [link.bounding_box() for link in menu.all()]
    assert len(boxes) >= 2
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= NARROW["width"] for box in boxes), boxes
    assert all(box and box["height"] >= 36 for box in boxes), boxes

    waiting, wide = links(page, "nav") + links(page, "main"), {}
    visited: list[str] = []
    while waiting and len(visited) < PAGES:
        path = waiting.pop(0)
        visited.append(path)
        page.goto(demo.base_url + path)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > NARROW["width"]:
            wide[path] = width
        waiting += [more for more in links(page, "main") if more not in visited + waiting]
    context.close()
    assert len(visited) >= len(boxes)
    assert wide == {}


def test_the_name_of_a_thing_at_the_edge_of_a_picture_widens_no_page(demo: RunningDemo, phone: Browser) -> None:
    page = phone.new_page(viewport=NARROW, is_mobile=True)
    signed_in(page, demo, "publisher")
    page.goto(f"{demo.base_url}/publisher/media")
    page.evaluate(
        """() => {
            const box = document.createElement("div");
            box.className = "box";
            box.innerHTML = "<span>12 outerwear</span>";
            Object.assign(box.dataset, { x: 0.88, y: 0.2, w: 0.1, h: 0.1 });
            document.querySelector(".scene").append(box);
            document.dispatchEvent(new Event("DOMContentLoaded"));
        }"""
    )
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
    page.close()
