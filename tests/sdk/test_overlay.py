"""Where hotspots lie, how they are used by pointer and keyboard, and that the publisher's page stays as it was."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.sdk.pages import product, tag, visit
from tests.sdk.stub import Host

PHOTO = '<img src="/photo.png" width=600 height=400>'
RED = (122, 31, 43)
FRAMES = 30  # half a second where nothing else is to do


def red_centre(page: Page) -> tuple[float, float]:
    """Centre of the product's pixels as the browser really painted them: no formula is tested against itself."""
    page.add_style_tag(content="shoplight-tags { visibility: hidden }")
    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)
    page.evaluate("document.querySelector('style:last-of-type').remove()")
    ys, xs = np.nonzero(np.abs(pixels - RED).sum(axis=2) < 60)
    assert len(xs) > 200, "the product is not on the screen"
    return float(xs.mean()), float(ys.mean())


def spot_centre(page: Page) -> tuple[float, float]:
    box = page.locator(".spot").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def distance(page: Page) -> tuple[float, float] | None:
    """How far the hotspot is from the product after FRAMES, which a busy machine's browser draws late; None if it lies
    on it."""
    for _ in range(FRAMES):
        page.evaluate("new Promise(requestAnimationFrame)")
        (x, y), (want_x, want_y) = spot_centre(page), red_centre(page)
        if abs(x - want_x) <= 1.6 and abs(y - want_y) <= 1.6:
            return None
    return round(x - want_x, 1), round(y - want_y, 1)


def img(style: str, around: str = "", attributes: str = "") -> str:
    return f'<div style="{around}"><img src="/photo.png" {attributes} style="{style}"></div>'


CASES = {
    "plain": img(""),
    "fill": img("width:500px;height:200px"),
    "cover": img("width:360px;height:360px;object-fit:cover;object-position:100% 50%"),
    "cover, cropped through the product": img("width:300px;height:400px;object-fit:cover;object-position:75% 0"),
    "contain, pixels from the far corner": img(
        "width:700px;height:700px;object-fit:contain;object-position:right 30px bottom 10px"
    ),
    "none": img("width:560px;height:380px;object-fit:none;object-position:-20px -10px"),
    "scale-down": img("width:900px;height:500px;object-fit:scale-down"),
    "padding and border": img(
        "width:500px;height:300px;padding:10px 30px 50px 70px;border:8px solid green;border-left-width:40px"
    ),
    "border-box": img(
        "box-sizing:border-box;width:500px;height:300px;padding:20px 60px 0 0;border:5px solid;object-fit:contain"
    ),
    "rotated": img("transform:rotate(30deg);transform-origin:20% 80%;margin:120px"),
    "rotated inside scaled and skewed": img(
        "rotate:-12deg", "transform:scale(.7,.9) skewX(10deg);transform-origin:0 0;margin:100px"
    ),
    "scale property and translation": img("scale:1.1 .6;translate:40px 30px", "transform:translate(5%,10px)"),
    "zoom": img("width:300px;object-fit:contain", "zoom:1.5"),
    "right to left": img("width:500px;height:200px;object-fit:contain", "direction:rtl;padding-right:33px"),
    "in a scroller": '<div id=s style="width:500px;height:300px;overflow:auto"><div style="padding:60px 200px 500px">'
    + img("")
    + "</div></div>",
    "vertical text": img("inline-size:250px;block-size:450px;object-fit:contain", "writing-mode:vertical-rl"),
}


def test_a_hotspot_lies_on_its_product_however_the_picture_is_shown(page: Page, host: Host) -> None:
    visit(page, host, PHOTO)
    expect(page.locator(".spot")).to_be_visible()
    off = {}
    for name, body in CASES.items():
        page.evaluate(
            "(body) => { document.body.innerHTML = body; document.querySelector('#s')?.scrollTo(260, 70) }", body
        )
        page.wait_for_function("document.querySelector('img').complete")
        expect(page.locator(".spot:visible")).to_have_count(1)
        page.wait_for_timeout(60)
        if apart := distance(page):
            off[name] = apart
    assert off == {}
    assert len(host.asked) == 1


@pytest.mark.parametrize(
    "head",
    [
        "<style>body{position:relative;margin:40px 0 0 70px}</style>",
        "<style>html{transform:scale(.8);transform-origin:0 0}</style>",
        "<style>body{zoom:1.3;transform:translate(11px,7px)}</style>",
    ],
)
def test_a_hotspot_lies_on_its_product_wherever_the_body_is(page: Page, host: Host, head: str) -> None:
    visit(page, host, PHOTO, head=head)
    expect(page.locator(".spot")).to_be_visible()
    assert distance(page) is None


def test_a_hotspot_stays_on_its_product_through_moves_scrolls_and_swaps(page: Page, host: Host, picture: bytes) -> None:
    host.files["/photo-2x.png"] = ("image/png", picture)
    visit(
        page,
        host,
        '<p id=above></p><img src="/photo.png" srcset="/photo.png 1000w, /photo-2x.png 3000w" '
        'sizes="600px" width=600 height=400>'
        '<div style="height:2000px"></div>',
    )
    expect(page.locator(".spot")).to_be_visible()
    steps = [
        "document.querySelector('#above').style.height = '150px'",
        "scrollTo(0, 90)",
        "document.querySelector('img').style.cssText = 'width:300px;height:300px;object-fit:contain'",
        "document.querySelector('img').sizes = '3000px'",
        (
            "const { style } = document.querySelector('img'); style.transition = 'transform .2s';"
            "style.transform = 'translateX(200px)'"
        ),
    ]
    for step in steps:
        page.evaluate(step)
        page.wait_for_timeout(350)
        assert distance(page) is None, step
    # Another width of the same picture is the same picture: nothing was asked or counted again.
    assert len(host.asked) == 1
    assert len(host.events("impression")) == 1


def test_what_covers_the_picture_covers_its_hotspots_and_what_is_clipped_away_is_hidden(page: Page, host: Host) -> None:
    visit(
        page,
        host,
        f'<div style="position:fixed;z-index:10;inset:0 0 auto;height:300px;background:#eee" id=bar></div>'
        f'<div id=clip style="width:600px;overflow:hidden">{PHOTO}</div>',
    )
    expect(page.locator(".spot")).to_be_visible()
    x, y = spot_centre(page)
    assert page.evaluate("([x, y]) => document.elementFromPoint(x, y).id", [x, y]) == "bar"
    page.evaluate("document.querySelector('#bar').remove()")
    assert page.evaluate("([x, y]) => document.elementFromPoint(x, y).localName", [x, y]) == "shoplight-tags"
    page.evaluate("document.querySelector('#clip').style.width = '300px'")
    expect(page.locator(".spot")).to_be_hidden()


def test_the_page_is_left_as_it_was_and_nothing_shifts(page: Page, host: Host) -> None:
    body = f"<main><p>Before</p><figure>{PHOTO}<figcaption>After</figcaption></figure></main>"
    probe = (
        "<script>window.shifts=0;new PerformanceObserver(l=>{for(const e of l.getEntries())shifts+=e.value})"
        ".observe({type:'layout-shift',buffered:true})</script>"
    )
    visit(page, host, body, head=probe)
    before = page.evaluate(
        "(e => [document.querySelector('main').outerHTML, e.scrollWidth, e.scrollHeight])(document.documentElement)"
    )
    expect(page.locator(".spot")).to_be_visible()
    page.locator(".spot").click()
    expect(page.locator(".card")).to_be_visible()
    after = page.evaluate(
        "(e => [document.querySelector('main').outerHTML, e.scrollWidth, e.scrollHeight])(document.documentElement)"
    )
    assert after == before
    assert page.evaluate("shifts") == 0
    assert page.evaluate("[...document.body.children].map(e => e.localName)") == ["main", "shoplight-tags"]


def test_five_hotspots_at_most_best_first_never_overlapping_and_fewer_where_asked(page: Page, host: Host) -> None:
    box = {"x": 0.4, "y": 0.4, "w": 0.1, "h": 0.1}
    host.tags_for = lambda _m, n: {"status": "ready", "tags": [tag(n, i, box=box) for i in range(1, 9)]}
    visit(page, host, PHOTO)
    expect(page.locator(".spot:visible")).to_have_count(5)
    boxes = [it.bounding_box() for it in page.locator(".spot:visible").all()]
    centres = [(b["x"] + b["width"] / 2, b["y"] + b["height"] / 2) for b in boxes if b]
    near = [
        (a, b) for i, a in enumerate(centres) for b in centres[:i] if abs(a[0] - b[0]) < 24 and abs(a[1] - b[1]) < 24
    ]
    assert near == []
    assert all(b and b["width"] >= 24 and b["height"] >= 24 for b in boxes)
    visit(page, host, PHOTO, path="/two", attributes='data-max-image="2"')
    expect(page.locator(".spot:visible")).to_have_count(2)


def test_small_hidden_and_opted_out_pictures_are_left_alone(page: Page, host: Host) -> None:
    visit(
        page,
        host,
        '<img src="/photo.png?small" width=100 height=160><img src="/photo.png?none" style="display:none">'
        f'<div data-shoplight=off><p><img src="/photo.png?off" height=160></p></div>'
        f'<img src="data:image/png;base64,AAAA" width=200 height=160>{PHOTO}',
    )
    expect(page.locator(".spot")).to_be_visible()
    page.wait_for_timeout(200)
    assert [m["url"].rsplit("/", 1)[1] for request in host.asked for m in request["media"]] == ["photo.png"]
    page.evaluate("document.querySelector('[data-shoplight]').removeAttribute('data-shoplight')")
    expect(page.locator(".spot")).to_have_count(2)
    page.evaluate("document.querySelector('body > img:last-of-type').setAttribute('data-shoplight', 'off')")
    expect(page.locator(".spot")).to_have_count(1)


def test_the_keyboard_opens_moves_and_closes_and_focus_returns(page: Page, host: Host) -> None:
    far = {"x": 0.1, "y": 0.6, "w": 0.1, "h": 0.1}
    host.tags_for = lambda _m, n: {
        "status": "ready",
        "tags": [tag(n, 1), tag(n, 2, box=far, products=[product(title="Canvas bag")])],
    }
    visit(page, host, PHOTO)
    shirt = page.get_by_role("button", name="Show product: Linen shirt")
    bag = page.get_by_role("button", name="Show product: Canvas bag")
    expect(bag).to_be_visible()
    page.keyboard.press("Tab")
    expect(shirt).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(bag).to_be_focused()
    expect(page.locator(".card")).to_be_hidden()
    page.keyboard.press("Enter")
    card = page.get_by_role("dialog", name="Canvas bag")
    expect(card).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="View product: Canvas bag")).to_be_focused()
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(bag).to_be_focused()


def test_hover_content_can_be_hovered_stays_and_is_dismissed(page: Page, host: Host) -> None:
    visit(page, host, PHOTO)
    card = page.locator(".card")
    resting = spot_centre(page)
    page.locator(".spot").hover()
    expect(card).to_be_visible()
    page.wait_for_timeout(200)
    assert spot_centre(page) == pytest.approx(resting, abs=0.5)
    page.locator(".title").hover()
    page.wait_for_timeout(500)
    expect(card).to_be_visible()
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    page.mouse.move(5, 5)
    page.locator(".spot").hover()
    expect(card).to_be_visible()
    page.mouse.move(5, 5)
    expect(card).to_be_hidden()


def test_the_card_says_what_it_is_in_words_and_money(page: Page, host: Host) -> None:
    host.tags_for = lambda _m, n: {
        "status": "ready",
        "tags": [tag(n, sponsored=True, products=[product(match_type="similar")])],
    }
    visit(page, host, PHOTO, html_attributes='lang="de"')
    expect(page.locator(".ad")).to_have_text("Ad")
    page.locator(".spot").click()
    assert page.locator(".price").inner_text().replace("\xa0", " ") == "44,90 €"
    assert "59,90" in page.locator("s.was").inner_text()
    for text in ("Sponsored", "Looks similar", "In stock", "Nordhem"):
        expect(page.locator(".card").get_by_text(text, exact=True)).to_be_visible()
    assert page.locator(".stage img").get_attribute("src") == f"{host.api}/i/prd_1/320"


EVIL = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'


def test_markup_and_nonsense_in_an_answer_stay_inert(page: Page, host: Host) -> None:
    bad: list[Any] = [
        None,
        7,
        {"box": {"x": 1e9}},
        tag(1, 5, token=""),
        tag(1, 6, products=[]),
        tag(1, 7, box={"x": "0", "y": 0, "w": 1, "h": 1}),
    ]
    evil = product(
        id="../../x?y#",
        title=EVIL,
        brand=EVIL,
        currency='"><',
        availability=EVIL,
        match_type="__proto__",
        token="javascript:alert(1)//../",
    )
    host.tags_for = lambda _m, n: {"status": "ready", "tags": [*bad, tag(n, products=[evil, product()])]}
    visit(page, host, PHOTO)
    page.locator(".spot").click()
    expect(page.locator(".title")).to_have_text(EVIL)
    assert page.evaluate("window.pwned") is None
    href = page.locator(".go").get_attribute("href") or ""
    assert href.startswith(f"{host.api}/c/javascript%3Aalert(1)%2F%2F..%2F?e=")
    assert f"{host.api}/i/..%2F..%2Fx%3Fy%23/320" in [page.locator(".stage img").get_attribute("src")]
    expect(page.locator(".spot")).to_have_count(1)
    page.get_by_role("button", name="Not this?").click()
    expect(page.get_by_role("status")).to_contain_text(f"Put away: {EVIL}")
    assert page.evaluate("window.pwned") is None


def test_it_works_under_a_strict_policy_with_trusted_types(page: Page, host: Host) -> None:
    host.page_headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src {host.api}; connect-src {host.api}; img-src 'self' {host.api}; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    complaints: list[str] = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None
    )
    visit(page, host, PHOTO, head="<link rel=icon href='data:,'>")
    page.locator(".spot").click()
    expect(page.locator(".card")).to_be_visible()
    assert page.locator(".card").evaluate("e => getComputedStyle(e).borderTopLeftRadius") == "16px"
    page.get_by_role("button", name="Not this?").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    assert page.locator(".away").evaluate("e => getComputedStyle(e).display") == "flex"
    assert [c for c in complaints if "data:," not in c] == []


def test_a_failing_host_leaves_the_page_in_peace(page: Page, host: Host) -> None:
    host.tags_for = lambda _m, _n: {"status": ["?"], "tags": {"0": 1}}
    visit(page, host, PHOTO)
    page.evaluate("shoplight.on('tags', () => { throw new Error('publisher') })")
    page.wait_for_timeout(400)
    expect(page.locator(".spot")).to_have_count(0)
    page.evaluate("shoplight.refresh(); shoplight.consent(false); shoplight.consent(null)")
