"""Tags of an HTML5 video: in time with the film, on the picture inside its letterbox, counted by seconds played."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import Error as PlaywrightError

from tests.sdk.pages import product, tag, visit
from tests.sdk.stub import Host
from tests.sdk.test_counting import counts, until

SIZE = (320, 180)
SECONDS = 6
FPS = 10
# A red square that moves from left to right: what the track says, too.
TRACK = [[0, 0.0, 0.4, 0.2, 0.3], [SECONDS * 1000, 0.8, 0.4, 0.2, 0.3]]


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path: Path = tmp_path_factory.mktemp("film") / "film.webm"
    width, height = SIZE
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=FPS)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = width, height, "yuv420p", Fraction(1, FPS)
        for i in range(SECONDS * FPS):
            pixels = np.full((height, width, 3), 210, dtype=np.uint8)
            left = round(0.8 * width * i / (SECONDS * FPS))
            pixels[round(0.4 * height) : round(0.7 * height), left : left + width // 5] = (122, 31, 43)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


@pytest.fixture
def cinema(host: Host, film: bytes) -> Host:
    host.files["/film.webm"] = ("video/webm", film)
    host.tags_for = lambda _m, n: {
        "status": "ready",
        "tags": [tag(n, from_ms=0, to_ms=SECONDS * 1000, track=TRACK, box=None)],
    }
    return host


def at_second(page: Page, second: float) -> None:
    page.evaluate(
        "(s) => new Promise(done => { const v = document.querySelector('video');"
        " v.addEventListener('seeked', () => requestAnimationFrame(() => requestAnimationFrame(done)),"
        " {once: true}); v.currentTime = s })",
        second,
    )
    page.wait_for_timeout(80)


def centre(page: Page) -> tuple[float, float]:
    box = page.locator(".spot:visible").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


LETTERBOXED = '<video src="/film.webm" muted style="display:block;width:600px;height:600px;background:#000"></video>'


def test_a_hotspot_follows_its_track_inside_the_letterbox(page: Page, cinema: Host) -> None:
    visit(page, cinema, LETTERBOXED, head="<style>body{margin:0}</style>")
    expect(page.locator(".spot")).to_be_visible()
    # 600 x 600 shows the 16:9 picture 337.5 px high, 131.25 px from the top.
    height = 131.25 + 337.5 * 0.55
    for second, share in ((1.5, 0.3), (4.5, 0.7)):
        at_second(page, second)
        where = pytest.approx((600 * share, height), abs=4)
        until(lambda where=where: centre(page) == where, page)
    assert cinema.asked[0]["media"][0]["kind"] == "video"
    assert any("video.js" in path for path in cinema.fetched)


def test_a_tag_is_shown_in_its_span_alone_and_three_at_once(page: Page, cinema: Host) -> None:
    def answer(_media: dict[str, Any], n: int) -> dict[str, Any]:
        spans = [(0, 1000), (2000, 6000), (2000, 6000), (2000, 6000), (2000, 6000)]
        boxes = [{"x": 0.1 + 0.15 * i, "y": 0.5, "w": 0.1, "h": 0.1} for i in range(5)]
        return {
            "status": "ready",
            "tags": [
                tag(n, i, from_ms=a, to_ms=b, box=boxes[i], products=[product(title=f"P{i}")])
                for i, (a, b) in enumerate(spans)
            ],
        }

    cinema.tags_for = answer
    visit(page, cinema, LETTERBOXED)
    expect(page.get_by_role("button", name="Show product: P0")).to_be_visible()
    at_second(page, 1.5)
    expect(page.locator(".spot:visible")).to_have_count(0)
    at_second(page, 3)
    expect(page.locator(".spot:visible")).to_have_count(3)
    expect(page.get_by_role("button", name="Show product: P3")).to_be_visible()


def test_a_video_tag_is_viewable_only_after_two_seconds_played(page: Page, cinema: Host) -> None:
    visit(page, cinema, LETTERBOXED)
    until(lambda: cinema.events("impression"), page)
    page.wait_for_timeout(2200)
    assert not cinema.events("viewable")
    # in the page, where its timers keep their order however late they are
    page.evaluate(
        "(async () => { const v = document.querySelector('video'); await v.play();"
        " await new Promise(done => setTimeout(done, 1200)); v.pause() })()"
    )
    page.wait_for_timeout(1000)
    assert not cinema.events("viewable")
    page.evaluate("document.querySelector('video').play()")
    until(lambda: cinema.events("viewable"), page)
    assert counts(cinema) == {"impression": 1, "viewable": 1}


def test_hotspots_work_in_a_players_fullscreen_and_wait_while_the_bare_video_is_fullscreen(
    page: Page, cinema: Host
) -> None:
    script = (
        "<script>for (const id of ['player', 'film'])"
        " window['go_' + id].onclick = () => document.getElementById(id).requestFullscreen()</script>"
    )
    film = LETTERBOXED.replace("<video", "<video id=film")
    visit(
        page,
        cinema,
        f"<div id=player>{film}</div><button id=go_player>Player</button><button id=go_film>Film</button>{script}",
    )
    spot = page.locator(".spot")
    expect(spot).to_be_visible()
    page.locator("#go_film").click()
    expect(spot).to_be_hidden()
    page.evaluate("document.exitFullscreen()")
    expect(spot).to_be_visible()
    page.locator("#go_player").click()
    page.wait_for_function("document.fullscreenElement?.id === 'player'")
    spot.click()
    expect(page.locator(".go")).to_be_visible()
    page.evaluate("document.exitFullscreen()")
    page.wait_for_function("document.querySelector('shoplight-tags').parentNode === document.body")


def test_the_video_module_is_not_fetched_for_an_untagged_video(page: Page, cinema: Host) -> None:
    cinema.tags_for = lambda _m, _n: {"status": "none", "tags": []}
    visit(page, cinema, LETTERBOXED)
    until(lambda: cinema.asked, page)
    page.wait_for_timeout(400)
    assert not any("video.js" in path for path in cinema.fetched)


PARTS = ("-button", "-timeline", "-time-display", "-remaining-display", "-slider", "-play-button-internal")
Rect = tuple[float, float, float, float]


def controls(page: Page) -> dict[str, Rect]:
    """What the browser's own controls take on the screen, by name: left, top, right, bottom."""
    session = page.context.new_cdp_session(page)
    found: dict[str, Rect] = {}

    def look(node: dict[str, Any]) -> None:
        attributes = node.get("attributes", [])
        name = dict(zip(attributes[::2], attributes[1::2], strict=True)).get("pseudo", "")
        if name.endswith(PARTS) and not name.endswith("overlay-play-button"):
            try:
                border = session.send("DOM.getBoxModel", {"nodeId": node["nodeId"]})["model"]["border"]
            except PlaywrightError:
                border = []  # not shown
            if border:
                found[name] = (border[0], border[1], border[4], border[5])
        for child in [*node.get("children", []), *node.get("shadowRoots", [])]:
            look(child)

    look(session.send("DOM.getDocument", {"depth": -1, "pierce": True})["root"])
    return found


def touches(one: Rect, name: str, other: Rect) -> bool:
    if name.endswith("-play-button-internal"):  # a disc
        radius, x, y = (other[2] - other[0]) / 2, (other[0] + other[2]) / 2, (other[1] + other[3]) / 2
        return (min(max(x, one[0]), one[2]) - x) ** 2 + (min(max(y, one[1]), one[3]) - y) ** 2 < radius**2
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize(("width", "touch"), [(390, True), (320, True), (1000, False)])
def test_neither_hotspot_nor_the_word_ad_touches_a_films_controls(
    chromium: Browser, cinema: Host, width: int, touch: bool
) -> None:
    places = [(0.1, 0.95), (0.5, 0.5), (0.5, 0.95), (0.88, 0.85), (0.9, 0.93)]
    cinema.tags_for = lambda _m, n: {
        "status": "ready",
        "tags": [
            tag(n, i, sponsored=True, to_ms=6000, box={"x": x - 0.04, "y": y - 0.04, "w": 0.08, "h": 0.08})
            for i, (x, y) in enumerate(places)
        ],
    }
    context = chromium.new_context(viewport={"width": width, "height": 800}, has_touch=touch, is_mobile=touch)
    page = context.new_page()
    film = '<video src="/film.webm" muted controls style="display:block;width:100%"></video>'
    meta = '<meta name=viewport content="width=device-width"><style>body{margin:0}</style>'
    visit(page, cinema, film, head=meta, attributes='data-max-video="5"')
    expect(page.locator(".ad:visible")).to_have_count(5)
    page.wait_for_timeout(100)
    parts = controls(page)
    assert any("timeline" in name for name in parts)
    round_button = [name for name in parts if name.endswith("play-button-internal")]
    assert round_button
    if not touch:
        del parts[round_button[0]]  # no browser has one where there is a mouse
    ours = page.evaluate(
        "[...document.querySelector('shoplight-tags').shadowRoot.querySelectorAll('.spot,.ad')]"
        ".map(it => it.getBoundingClientRect()).map(r => [r.left, r.top, r.right, r.bottom])"
    )
    context.close()
    assert [(one, name) for one in ours for name, part in parts.items() if touches(one, name, part)] == []
    # They stay on the film, and apart.
    assert all(left >= 0 and right <= width for left, _, right, _ in ours)
    middles = [((left + right) / 2, (top + bottom) / 2) for left, top, right, bottom in ours[::2]]
    near = [(a, b) for i, a in enumerate(middles) for b in middles[:i] if abs(a[0] - b[0]) + abs(a[1] - b[1]) < 40]
    assert near == []
