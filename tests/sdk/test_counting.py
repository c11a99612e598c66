"""What is seen and clicked is counted once: impression, viewable, hover, click, replays, views."""

import json
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.patience import HANGS_S
from tests.sdk.pages import html, one_tag, product, tag, visit
from tests.sdk.stub import Host

PHOTO = '<img src="/photo.png" width=600 height=400>'


def until(met: Callable[[], object], page: Page) -> None:
    """Waits for something that happens at the host, while the browser goes on."""
    end = time.monotonic() + HANGS_S
    while not met():
        assert time.monotonic() < end, "it did not happen in time"
        page.wait_for_timeout(40)


def counts(host: Host) -> dict[str, int]:
    kinds = [e["type"] for e in host.events()]
    return {kind: kinds.count(kind) for kind in set(kinds)}


def test_a_drawn_tag_is_one_impression_and_after_a_second_one_viewable_also_across_a_resize(
    page: Page, host: Host
) -> None:
    visit(page, host, PHOTO)
    expect(page.locator(".spot")).to_be_visible()
    until(lambda: host.events("impression"), page)
    page.set_viewport_size({"width": 700, "height": 700})
    until(lambda: host.events("viewable"), page)
    drawn, seen = (datetime.fromisoformat(host.events(kind)[0]["at"]) for kind in ("impression", "viewable"))
    assert seen - drawn >= timedelta(milliseconds=990), "by the browser's clock, which is of whole milliseconds"
    page.wait_for_timeout(700)
    assert counts(host) == {"impression": 1, "viewable": 1}
    first, second = host.events("impression")[0], host.events("viewable")[0]
    assert first["token"] == second["token"] == "token-1-1"
    assert first["seq"] < second["seq"]
    assert host.asked[0]["key"] == "pk_test"
    assert host.asked[0]["media"] == [{"url": f"{host.site}/photo.png", "kind": "image", "width": 600, "height": 400}]


def test_a_picture_with_too_few_pixels_in_view_is_drawn_but_not_viewable(page: Page, host: Host) -> None:
    # 600 x 400 px counts at 50 %; the hotspot at the top is drawn with less than half of the picture in the viewport.
    visit(page, host, f'<div style="height:600px"></div>{PHOTO}')
    page.wait_for_timeout(100)
    until(lambda: host.events("impression"), page)
    page.wait_for_timeout(1500)
    assert not host.events("viewable")
    page.mouse.wheel(0, 400)
    until(lambda: host.events("viewable"), page)


def test_nothing_is_drawn_or_counted_for_a_picture_below_the_fold(page: Page, host: Host) -> None:
    visit(page, host, f'<div style="height:1000px"></div>{PHOTO}')
    until(lambda: host.asked, page)
    page.wait_for_timeout(800)
    assert host.events() == []
    page.mouse.wheel(0, 600)
    until(lambda: host.events("impression"), page)


def test_a_hover_and_a_click_are_counted_and_the_click_shares_its_id_with_the_redirect(page: Page, host: Host) -> None:
    visit(page, host, PHOTO)
    page.locator(".spot").hover()
    expect(page.locator(".card")).to_be_visible()
    link = page.locator(".go")
    assert link.get_attribute("rel") == "noopener sponsored"
    for _ in range(2):
        with page.context.expect_page() as shop:
            link.click()
        shop.value.wait_for_load_state()
        shop.value.close()
    until(lambda: len(host.events("click")) == 2, page)
    clicks = [e["id"] for e in host.events("click")]
    assert len(set(clicks)) == 2
    assert [("token-1-1", id_) for id_ in clicks] == host.redirects
    assert len(host.events("hover")) == 1


def test_a_further_product_goes_out_under_its_own_token(page: Page, host: Host) -> None:
    further = product(id="prd_9", title="Wool scarf", match_type="complement", token="token-of-scarf")
    host.tags_for = lambda _m, n: {"status": "ready", "tags": [tag(n, products=[product(), further])]}
    visit(page, host, PHOTO)
    page.locator(".spot").click()
    page.get_by_role("button", name="Goes with it: Wool scarf").click()
    expect(page.locator(".title")).to_have_text("Wool scarf")
    with page.context.expect_page():
        page.locator(".go").click()
    until(lambda: host.redirects, page)
    assert host.redirects[0][0] == "token-of-scarf"
    until(lambda: [e["token"] for e in host.events("click")] == ["token-of-scarf"], page)


def test_a_refused_batch_comes_again_with_the_same_bytes(page: Page, host: Host) -> None:
    host.event_statuses = [503, 429]
    visit(page, host, PHOTO)
    until(lambda: counts(host) == {"impression": 1, "viewable": 1}, page)
    assert host.event_statuses == []
    bodies = [json.loads(body)["events"][0]["id"] for body in host.posted]
    assert len(host.posted) == 4
    assert len(set(host.posted)) == len(set(bodies)) == 2


def test_a_batch_that_is_refused_for_good_is_not_sent_again(page: Page, host: Host) -> None:
    host.event_statuses = [400]
    visit(page, host, PHOTO)
    until(lambda: host.events("viewable"), page)
    page.wait_for_timeout(300)
    assert len(host.posted) == 2


def test_events_that_wait_go_out_when_the_page_goes(page: Page, host: Host) -> None:
    listens = threading.Event()
    host.pages["/elsewhere"] = "<title>Elsewhere</title>"
    host.tags_for = lambda media, nonce: one_tag(media, nonce) if listens.wait(HANGS_S) else {}
    visit(page, host, PHOTO)
    page.evaluate("shoplight.on('impression', () => { location.href = '/elsewhere' })")
    listens.set()
    page.wait_for_url("**/elsewhere")  # Chromium may never close what is still on its way there
    until(lambda: host.events("impression"), page)


def test_a_route_is_a_new_view_and_the_same_address_is_not(page: Page, host: Host) -> None:
    visit(page, host, PHOTO)
    until(lambda: host.events("impression"), page)
    page.evaluate("history.replaceState({}, '', location.href)")
    page.evaluate("history.pushState({}, '', '#a-place')")
    page.wait_for_timeout(500)
    assert len(host.asked) == 1
    page.evaluate("history.pushState({}, '', '/next?page=2')")
    until(lambda: len(host.events("impression")) == 2, page)
    assert host.asked[1]["page"]["url"] == f"{host.site}/next?page=2"
    assert {e["token"] for e in host.events("impression")} == {"token-1-1", "token-2-1"}
    assert [e["seq"] for e in host.events("impression")] == [1, 1]


def test_the_history_hook_serves_where_there_is_no_navigation_api(page: Page, host: Host) -> None:
    page.add_init_script("delete window.navigation; Object.defineProperty(window, 'navigation', {value: undefined})")
    visit(page, host, PHOTO)
    until(lambda: host.events("impression"), page)
    page.evaluate("history.replaceState({}, '', location.href)")
    page.evaluate("history.pushState({}, '', '/next')")
    until(lambda: len(host.events("impression")) == 2, page)
    assert len(host.asked) == 2


def test_a_return_from_the_back_forward_cache_is_a_new_view(page: Page, host: Host) -> None:
    visit(page, host, PHOTO)
    until(lambda: host.events("impression"), page)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    until(lambda: len(host.events("impression")) == 2, page)


@pytest.mark.parametrize(
    ("target", "state", "asleep", "awake", "event"),
    [
        ("document", "visibilityState", "hidden", "visible", "visibilitychange"),
        ("document", "prerendering", True, False, "prerenderingchange"),
    ],
)
def test_a_background_or_prerendered_page_does_nothing_until_it_is_looked_at(
    page: Page, host: Host, target: str, state: str, asleep: object, awake: object, event: str
) -> None:
    page.add_init_script(
        f"window.state = {json.dumps(asleep)};"
        f"Object.defineProperty({target}, '{state}', {{configurable: true, get: () => window.state}})"
    )
    visit(page, host, PHOTO)
    page.wait_for_timeout(500)
    assert not [path for path in host.fetched if "core.js" in path]
    assert host.asked == []
    page.evaluate(f"window.state = {json.dumps(awake)}; {target}.dispatchEvent(new Event('{event}'))")
    until(lambda: host.events("impression"), page)


def test_global_privacy_control_ends_hover_and_open_but_not_the_counts_a_bill_needs(page: Page, host: Host) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {get: () => true})")
    visit(page, host, PHOTO)
    page.locator(".spot").hover()
    expect(page.locator(".card")).to_be_visible()
    page.locator(".spot").click()
    with page.context.expect_page():
        page.locator(".go").click()
    until(lambda: host.events("click"), page)
    page.wait_for_timeout(600)
    assert set(counts(host)) <= {"impression", "viewable", "click"}


def test_a_pending_picture_is_asked_again_and_one_that_is_drawn_is_not(page: Page, host: Host) -> None:
    host.files["/other.png"] = host.files["/photo.png"]

    def answer(media: dict[str, Any], nonce: int) -> dict[str, Any]:
        late = media["url"].endswith("other.png") and nonce < 3
        return {"status": "pending", "tags": []} if late else one_tag(media, nonce)

    host.tags_for = answer
    visit(page, host, f'{PHOTO}<img src="/other.png" width=300 height=200>')
    until(lambda: len(host.events("impression")) == 2, page)
    asked = [[m["url"].rsplit("/", 1)[1] for m in request["media"]] for request in host.asked]
    assert asked == [["photo.png", "other.png"], ["other.png"], ["other.png"]]


def test_the_same_picture_twice_is_asked_and_counted_once(page: Page, host: Host) -> None:
    visit(page, host, PHOTO + PHOTO)
    expect(page.locator(".spot:visible")).to_have_count(2)
    until(lambda: host.events("viewable"), page)
    assert [len(request["media"]) for request in host.asked] == [1]
    assert counts(host) == {"impression": 1, "viewable": 1}


TCF = """
window.__tcfapi = (command, version, callback) => {
  const chosen = {eventStatus: 'useractioncomplete', gdprApplies: true, tcfPolicyVersion: 5};
  window.decide = (data) => callback({...chosen, ...data}, true);
  callback({eventStatus: 'cmpuishown', gdprApplies: true}, true);
};
"""
GRANTED = "{purpose: {consents: {2: true, 7: true}}, vendor: {consents: {77: true}, disclosedVendors: {77: true}}}"


def test_measurement_waits_for_the_choice_a_consent_platform_asks_for(page: Page, host: Host) -> None:
    visit(page, host, PHOTO, head=f"<script>{TCF}</script>", attributes='data-tcf-vendor="77"')
    expect(page.locator(".spot")).to_be_visible()
    page.wait_for_timeout(1700)
    assert host.posted == []
    page.evaluate(f"decide({GRANTED})")
    until(lambda: counts(host) == {"impression": 1, "viewable": 1}, page)


@pytest.mark.parametrize("attributes", ["", 'data-tcf-vendor="78"'])
def test_measurement_is_denied_without_a_vendor_id_or_for_a_vendor_that_was_not_accepted(
    page: Page, host: Host, attributes: str
) -> None:
    visit(page, host, PHOTO, head=f"<script>{TCF}</script>", attributes=attributes)
    expect(page.locator(".spot")).to_be_visible()
    page.evaluate(f"decide({GRANTED})")
    page.wait_for_timeout(1500)
    assert host.posted == []
    expect(page.locator(".spot:visible")).to_have_count(0 if attributes else 1)


def test_nothing_is_stored_on_the_device(page: Page, host: Host) -> None:
    visit(page, host, PHOTO)
    until(lambda: host.events("viewable"), page)
    assert page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]
    assert page.evaluate("Object.keys(window).filter(k => /shop|light/i.test(k))") == ["shoplight"]
    assert page.context.cookies() == []


def test_event_ids_times_and_shape_are_those_of_the_contract(page: Page, host: Host) -> None:
    host.pages["/page"] = html(host, PHOTO)
    page.goto(f"{host.site}/page")
    until(lambda: host.posted, page)
    body = json.loads(host.posted[0])
    assert set(body) == {"key", "events"}
    event = body["events"][0]
    assert set(event) == {"id", "type", "token", "at", "seq"}
    assert len(event["id"]) == 36
    assert event["at"].endswith("Z")
    assert len(event["at"]) == len("2026-01-01T00:00:00.000Z")
