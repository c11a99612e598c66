"""Shoppers on the demo's publisher page say "not this", their publisher decides: a real browser and the real server."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect, sync_playwright

from tests.every_process import BROWSER
from tests.patience import seen_within
from tests.running_demo import RunningDemo
from tests.sdk.conftest import CHROMIUM, FLAGS
from tests.sdk.pages import CLOSED_STORAGE

pytestmark = [pytest.mark.browser, pytest.mark.slow]
# Pages see a change within 5 s; three views in four must say it, and other tests may have found the product right.
SEEN_WITHIN_S, MOST_VIEWS = 5, 12
expect.set_options(timeout=30_000)  # a busy machine's browser is slow


@dataclass
class Shopper:
    """One person with a browser of their own, on a page of the demo; each visit is a view."""

    demo: RunningDemo
    context: BrowserContext

    def visit(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: pytest.fail(f"the page saw an error: {error}"))
        page.goto(self.demo.line["publisher_page"])
        return page

    def card_of(self, page: Page, title: str) -> None:
        page.get_by_role("button", name=f"Show product: {title}").first.click()
        expect(page.get_by_role("dialog", name=title)).to_be_visible()

    def say_not_this(self, title: str) -> int:
        """In a new view, to the end; the server's status."""
        page = self.visit()
        self.card_of(page, title)
        page.get_by_role("button", name="Not this?").click()
        with page.expect_response(is_feedback) as answer:
            page.keyboard.press("Escape")
        page.close()
        return answer.value.status


def is_feedback(response: Response) -> bool:
    return response.url.endswith("/v1/feedback")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def shopper(demo: RunningDemo, chromium: Browser) -> Iterator[Shopper]:
    """Whose browser keeps nothing for anybody, and does not say that a program steers it: programs are not counted."""
    context = chromium.new_context(viewport={"width": 1280, "height": 860}, user_agent=BROWSER)
    context.set_default_timeout(30_000)
    context.add_init_script(CLOSED_STORAGE)
    yield Shopper(demo, context)
    context.close()


@pytest.fixture
def publisher(demo: RunningDemo, chromium: Browser) -> Iterator[Page]:
    """The publisher of that page, before its pictures and tags."""
    context = chromium.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    page.goto(f"{demo.base_url}/signin")
    page.fill("input[name=email]", demo.line["logins"]["publisher"]["email"])
    page.fill("input[name=password]", demo.line["logins"]["publisher"]["password"])
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in").click()
    yield page
    context.close()


def tags(demo: RunningDemo) -> list[dict[str, Any]]:
    """All tags of the publisher, as its own key reads them."""
    headers = demo.bearer("publisher_secret_key")
    answer = httpx2.get(f"{demo.base_url}/v1/media?limit=100", headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    return [tag for media in answer.json()["items"] for tag in media["tags"]]


def votes(demo: RunningDemo, tag_id: str, product_id: str) -> dict[str, Any]:
    found = [said for tag in tags(demo) if tag["id"] == tag_id for said in tag["votes"]]
    return next((said for said in found if said["product_id"] == product_id), {"not_this": 0, "right": 0, "off": False})


def until_shown(shopper: Shopper, title: str, tag_id: str, *, there: bool) -> None:
    """Until a new view of the page has the product first on that tag, or has not."""

    def shown() -> bool:
        page = shopper.context.new_page()
        with page.expect_response(lambda response: response.url.endswith("/v1/tags")) as answer:
            page.goto(shopper.demo.line["publisher_page"])
        found = [tag for media in answer.value.json()["media"] for tag in media["tags"] if tag["id"] == tag_id]
        page.close()
        return there is any(tag["products"][0]["title"] == title for tag in found)

    seen_within(SEEN_WITHIN_S, shown, f"that {title} is {'there' if there else 'gone'} does not show", pause_s=0.3)


def test_shoppers_put_a_wrong_product_away_and_their_publisher_has_the_last_word(
    demo: RunningDemo, shopper: Shopper, publisher: Page
) -> None:
    page = shopper.visit()
    spot = page.get_by_role("button", name="Show product: ").first
    title = re.sub(r"^Show product: | \(sponsored\)$", "", spot.get_attribute("aria-label") or "")
    with page.expect_response(re.compile(r"/i/prd_\w+/320")) as picture:
        page.evaluate("shoplight.on('open', ({ tag }) => { window.opened = tag })")
        shopper.card_of(page, title)
    product_id = re.search(r"prd_\w+", picture.value.url).group()  # type: ignore[union-attr]  # as it matched
    tag_id = page.evaluate("window.opened")
    before = votes(demo, tag_id, product_id)

    page.get_by_role("button", name="Not this?").click()
    expect(page.get_by_role("dialog", name=title, exact=True)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("dialog", name=title)).to_be_visible()
    assert votes(demo, tag_id, product_id) == before

    page.get_by_role("button", name="Not this?").click()
    with page.expect_response(is_feedback) as answer:
        page.keyboard.press("Escape")
    assert answer.value.status == 202
    assert set(answer.value.request.post_data_json) == {"key", "token", "verdict"}
    assert votes(demo, tag_id, product_id) == before | {"product_id": product_id, "not_this": before["not_this"] + 1}
    assert page.evaluate("window.touched") is None
    page.close()

    views = 1
    while not votes(demo, tag_id, product_id)["off"]:
        assert views < MOST_VIEWS
        assert shopper.say_not_this(title) == 202
        views += 1
    assert views >= 2, "one shopper's slip takes nothing off"
    until_shown(shopper, title, tag_id, there=False)

    publisher.goto(f"{demo.base_url}/publisher/media")
    row = publisher.locator("tr.said", has_text=title).filter(has_text="off the tag")
    while not row.count():
        with publisher.expect_navigation():
            publisher.get_by_role("link", name="More", exact=True).click()
    expect(row).to_contain_text(f"{before['not_this'] + views} × not this")
    row.get_by_role("button", name="Keep the tag").click()
    expect(publisher.locator("tr.said", has_text=title).filter(has_text="kept by you")).to_be_visible()
    until_shown(shopper, title, tag_id, there=True)


def test_a_server_that_takes_no_words_costs_the_page_nothing(shopper: Shopper) -> None:
    shopper.context.route("**/v1/feedback", lambda route: route.abort())
    page = shopper.visit()
    page.get_by_role("button", name="Show product: ").first.click()
    page.get_by_role("button", name="Not this?").click()
    page.keyboard.press("Escape")
    page.wait_for_timeout(300)
    page.get_by_role("button", name="Show product: ").first.click()
    expect(page.get_by_role("link", name="View product").or_(page.locator(".go")).first).to_be_visible()
