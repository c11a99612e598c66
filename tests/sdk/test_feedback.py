""" "Not this?": the product goes at once, comes back on Undo, and the word is said once, when Undo is over."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.sdk.pages import CLOSED_STORAGE, product, tag, visit
from tests.sdk.stub import Host
from tests.sdk.test_counting import until

PHOTO = '<img src="/photo.png" width=600 height=400>'
SHIRT, BAG = "Linen shirt", "Canvas bag"


def shirt_and_bag(_media: dict[str, Any], nonce: int) -> dict[str, Any]:
    """A campaign's shirt, and a bag that comes with a token of its own."""
    bag = product(id="prd_2", title=BAG, token=f"further-{nonce}", match_type="similar")
    creative = {"call_to_action": "Shop the sale", "badge": "", "style": ""}
    return {"status": "ready", "tags": [tag(nonce, sponsored=True, creative=creative, products=[product(), bag])]}


@pytest.fixture
def two(host: Host) -> Host:
    host.tags_for = shirt_and_bag
    return host


def opened(page: Page, host: Host, path: str = "/page", **options: str) -> None:
    visit(page, host, PHOTO, path, **options)
    page.locator(".spot").click()
    expect(page.locator(".card")).to_be_visible()


def put_away(page: Page) -> None:
    page.get_by_role("button", name="Not this?").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()


def word(token: str) -> dict[str, str]:
    return {"key": "pk_test", "token": token, "verdict": "not_this"}


def test_the_product_goes_comes_back_and_goes_again_and_one_word_is_said(page: Page, two: Host) -> None:
    page.add_init_script(CLOSED_STORAGE)
    visit(page, two, PHOTO)
    expect(page.locator(".spot")).to_be_visible()
    assert not any("feedback.js" in path for path in two.fetched), "a page whose cards stay closed pays nothing"
    page.locator(".spot").click()
    put_away(page)
    expect(page.get_by_role("dialog", name=BAG)).to_be_visible()
    expect(page.get_by_role("button", name="Not this?")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("dialog", name=SHIRT)).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    put_away(page)
    assert two.said == [], "as long as it can be taken back nothing leaves the page"
    page.keyboard.press("Escape")
    until(two.votes, page)
    page.locator(".spot").click()
    expect(page.get_by_role("dialog", name=BAG)).to_be_visible()
    page.wait_for_timeout(200)
    expect(page.get_by_role("button", name="Not this?")).to_have_count(0)
    page.keyboard.press("Escape")
    page.wait_for_timeout(100)
    assert two.votes() == [word("token-1-1")]
    assert page.evaluate("window.touched") is None, "nothing is kept on the device"


def test_what_comes_next_is_no_advertisement_and_is_clicked_by_its_own_token(page: Page, two: Host) -> None:
    opened(page, two)
    expect(page.locator(".spot .ad")).to_be_visible()
    expect(page.locator(".go")).to_have_text("Shop the sale")
    put_away(page)
    expect(page.locator(".spot .ad")).to_be_hidden()
    expect(page.locator(".spot")).to_have_attribute("aria-label", f"Show product: {BAG}")
    expect(page.locator(".sponsored")).to_have_count(0)
    expect(page.locator(".go")).to_have_text("View product")
    with page.context.expect_page() as shop:
        page.locator(".go").click()
    shop.value.close()
    until(lambda: two.redirects, page)
    assert [token for token, _ in two.redirects] == ["further-1"]


def test_a_further_product_is_put_away_by_its_own_token_and_the_first_stays_as_it_was(page: Page, two: Host) -> None:
    opened(page, two)
    page.get_by_role("button", name=f"Looks similar: {BAG}").click()
    put_away(page)
    expect(page.get_by_role("dialog", name=SHIRT)).to_be_visible()
    expect(page.locator(".go")).to_have_text("Shop the sale")
    expect(page.locator(".spot .ad")).to_be_visible()
    page.mouse.click(5, 700)
    until(two.votes, page)
    assert two.votes() == [word("further-1")]


def test_a_tag_with_nothing_left_closes_for_this_view_and_undo_still_brings_it_back(page: Page, host: Host) -> None:
    opened(page, host)
    put_away(page)
    expect(page.get_by_role("dialog", name="Nothing else was found")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("dialog", name=SHIRT)).to_be_visible()
    put_away(page)
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".spot")).to_be_hidden()
    until(host.votes, page)
    page.evaluate("document.body.append(document.querySelector('img').cloneNode())")
    page.evaluate("document.querySelector('img').remove()")
    page.wait_for_timeout(300)
    expect(page.locator(".spot:visible")).to_have_count(0)
    page.evaluate("history.pushState({}, '', '/next')")
    expect(page.locator(".spot:visible")).to_have_count(1)
    assert host.votes() == [word("token-1-1")]


def test_the_keyboard_and_those_who_listen_are_led_along(page: Page, two: Host) -> None:
    far = {"x": 0.1, "y": 0.6, "w": 0.1, "h": 0.1}
    two.tags_for = lambda _m, n: {
        "status": "ready",
        "tags": [tag(n, 1), tag(n, 2, box=far, products=[product(id="prd_2", title=BAG)])],
    }
    visit(page, two, PHOTO)
    expect(page.locator(".spot:visible")).to_have_count(2)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    ask = page.get_by_role("button", name=f"Not this? Put away: {SHIRT}", exact=True)
    expect(ask).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="View product")).to_be_focused()
    page.keyboard.press("Tab")
    expect(ask).to_be_focused()
    status = page.get_by_role("status")
    expect(status).to_have_text("")
    page.keyboard.press("Enter")
    expect(status).to_have_text(f"Put away: {SHIRT}. Nothing else was found here.")
    undo = page.get_by_role("button", name=f"Undo: bring back {SHIRT}", exact=True)
    expect(undo).to_be_focused()
    page.keyboard.press("Enter")
    expect(status).to_have_text(f"Brought back: {SHIRT}.")
    expect(page.get_by_role("dialog", name=SHIRT)).to_be_focused()
    ask.press("Space")
    expect(undo).to_be_focused()
    page.keyboard.press("Escape")
    # its own hotspot is gone: the next one takes the focus, not the top of the page
    expect(page.get_by_role("button", name=f"Show product: {BAG}")).to_be_focused()
    until(two.votes, page)


@pytest.mark.parametrize(
    ("size", "options", "attributes"),
    [
        ((320, 640), {"has_touch": True}, 'lang="en"'),
        ((320, 640), {"has_touch": True, "color_scheme": "dark"}, 'lang="ar" dir="rtl"'),
        ((1280, 800), {"has_touch": True, "forced_colors": "active", "reduced_motion": "reduce"}, 'lang="en"'),
    ],
    ids=["narrow", "narrow dark from right to left", "wide in forced colours"],
)
def test_by_touch_it_is_large_enough_readable_and_inside_the_screen(
    chromium: Browser, two: Host, size: tuple[int, int], options: dict[str, Any], attributes: str
) -> None:
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    page = context.new_page()
    head = '<meta name=viewport content="width=device-width">'
    visit(page, two, PHOTO.replace("width=600 height=400", 'style="width:100%"'), head=head, html_attributes=attributes)
    page.locator(".spot").tap()
    for name in ("Not this?", "Undo"):
        button = page.get_by_role("button", name=name)
        box = button.bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 24, box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size[0]
        assert box["y"] + box["height"] <= size[1]
        assert button.evaluate(ON_TOP)
        assert button.evaluate(CONTRAST) >= 4.5
        button.tap()
    expect(page.get_by_role("dialog", name=SHIRT)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    context.close()


ON_TOP = """(el) => {
  const { x, y, width, height } = el.getBoundingClientRect();
  return el.getRootNode().elementFromPoint(x + width / 2, y + height / 2) === el;
}"""

# WCAG 2.2's relative luminance, of the text against the first painted surface under it.
CONTRAST = """(el) => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255)
    .map((c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  let under = el;
  while (parts(getComputedStyle(under).backgroundColor)[3] === 0) under = under.parentElement;
  const [a, b] = [getComputedStyle(el).color, getComputedStyle(under).backgroundColor].map((it) => light(parts(it)));
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
}"""


def test_without_consent_the_product_goes_and_nothing_is_sent(page: Page, two: Host) -> None:
    opened(page, two)
    put_away(page)
    page.evaluate("shoplight.consent({measure: false})")
    page.keyboard.press("Escape")
    page.wait_for_timeout(300)
    assert two.said == []


def test_a_word_waits_for_consent_that_is_not_given_yet(page: Page, two: Host) -> None:
    tcf = "<script>window.__tcfapi = (_c, _v, heard) => { window.decide = heard }</script>"
    opened(page, two, head=tcf, attributes='data-tcf-vendor="9"')
    put_away(page)
    page.keyboard.press("Escape")
    page.wait_for_timeout(200)
    assert two.said == []
    page.evaluate(
        "decide({eventStatus: 'useractioncomplete', gdprApplies: true, purpose: {consents: {2: true, 7: true}},"
        " vendor: {consents: {9: true}}}, true)"
    )
    until(two.votes, page)
    assert two.votes() == [word("token-1-1")]


def test_a_server_in_trouble_gets_the_same_bytes_again(page: Page, two: Host) -> None:
    two.feedback_statuses = [503]
    opened(page, two)
    put_away(page)
    page.keyboard.press("Escape")
    until(two.votes, page)
    assert [status for status, _ in two.said] == [503, 202]
    assert two.said[0][1] == two.said[1][1]


def test_a_word_said_offline_is_sent_when_the_network_is_back(page: Page, two: Host) -> None:
    opened(page, two)
    put_away(page)
    page.context.set_offline(True)
    page.keyboard.press("Escape")
    page.wait_for_timeout(200)
    assert two.said == []
    page.context.set_offline(False)
    until(two.votes, page)
    assert two.votes() == [word("token-1-1")]


def test_leaving_the_page_ends_undo_and_the_word_still_arrives(page: Page, two: Host) -> None:
    two.pages["/elsewhere"] = "<title>Elsewhere</title>"
    opened(page, two)
    put_away(page)
    page.goto(f"{two.site}/elsewhere")
    until(two.votes, page)
    assert two.votes()[0] == word("token-1-1")


def test_a_hidden_tab_ends_undo_for_a_phone_may_never_show_it_again(page: Page, two: Host) -> None:
    opened(page, two)
    put_away(page)
    page.evaluate("Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' })")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    until(two.votes, page)
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    expect(page.get_by_role("dialog", name=BAG)).to_be_focused()


def test_another_tag_opened_ends_undo(page: Page, two: Host) -> None:
    far = {"x": 0.1, "y": 0.6, "w": 0.1, "h": 0.1}
    two.tags_for = lambda _m, n: {
        "status": "ready",
        "tags": [tag(n, 1), tag(n, 2, box=far, products=[product(id="prd_2", title=BAG)])],
    }
    opened_by_name = "Show product: {}".format
    visit(page, two, PHOTO)
    page.get_by_role("button", name=opened_by_name(SHIRT)).click()
    put_away(page)
    page.get_by_role("button", name=opened_by_name(BAG)).click()
    expect(page.get_by_role("dialog", name=BAG)).to_be_visible()
    until(two.votes, page)
    expect(page.get_by_role("dialog", name=BAG)).to_be_visible()
    expect(page.locator(".spot:visible")).to_have_count(1)
    put_away(page)
    page.keyboard.press("Escape")
    until(lambda: len(two.votes()) == 2, page)
    assert two.votes() == [word("token-1-1"), word("token-1-2")]


def test_a_site_may_do_without_it_and_a_part_that_fails_to_load_breaks_nothing(page: Page, two: Host) -> None:
    opened(page, two, attributes='data-not-this="off"')
    page.wait_for_timeout(200)
    expect(page.get_by_role("button", name="Not this?")).to_have_count(0)
    assert not any("feedback.js" in path for path in two.fetched)

    def refuse(route: Route) -> None:
        route.abort()

    page.route("**/feedback.js*", refuse)
    opened(page, two, path="/two")
    page.wait_for_timeout(200)
    expect(page.get_by_role("link", name="Shop the sale")).to_be_visible()
    page.unroute("**/feedback.js*", refuse)
    page.keyboard.press("Escape")
    page.locator(".spot").click()
    put_away(page)


@pytest.mark.parametrize(
    ("answer", "offered"),
    [
        ((200, "application/json", b'{"open": false}'), False),
        ((404, "application/problem+json", b'{"code": "not_found"}'), True),
        ((200, "text/html", b"<title>a proxy</title>"), True),
        ((200, "application/json", b"null"), True),
    ],
    ids=["off", "older server", "no answer of ours", "nothing said"],
)
def test_a_site_that_takes_no_votes_has_no_button(
    page: Page, two: Host, answer: tuple[int, str, bytes], offered: bool
) -> None:
    two.feedback_open = answer
    opened(page, two)
    until(lambda: any(path.startswith("/v1/feedback?key=pk_test") for path in two.fetched), page)
    page.wait_for_timeout(150)
    expect(page.get_by_role("button", name="Not this?")).to_have_count(int(offered))
    page.keyboard.press("Escape")
    page.locator(".spot").click()
    expect(page.get_by_role("link", name="Shop the sale")).to_be_visible()
    page.wait_for_timeout(50)
    expect(page.get_by_role("button", name="Not this?")).to_have_count(int(offered))
    assert sum("/v1/feedback" in path for path in two.fetched) == 1, "asked once a page"
