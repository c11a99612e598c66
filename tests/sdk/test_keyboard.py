"""Hotspots by keyboard alone: all of the page's can be reached, in its order, and whoever gets the focus is seen."""

from playwright.sync_api import Page, Route, expect

from tests.sdk.pages import html, product, tag, visit
from tests.sdk.stub import Host
from tests.sdk.test_counting import until

SEEN = """() => {
  const spot = document.querySelector('shoplight-tags').shadowRoot.activeElement;
  if (!spot) return null;
  const { x, y, width, height } = spot.getBoundingClientRect();
  const hit = spot.getRootNode().elementFromPoint(x + width / 2, y + height / 2);
  return [spot.getAttribute('aria-label').replace('Show product: ', ''), hit === spot];
}"""


def named_after_pictures(host: Host) -> None:
    """Every picture shows the product that its address ends with."""
    host.tags_for = lambda medium, n: {
        "status": "ready",
        "tags": [tag(n, products=[product(title=medium["url"].rsplit("?", 1)[1])], token=f"t{n}-{medium['url'][-1]}")],
    }


def photo(name: str, style: str = "") -> str:
    return f'<img src="/photo.png?{name}" alt="Photo {name}" width=600 height=400 style="{style}">'


def focused(page: Page, key: str) -> object:
    """Which hotspot has the focus after a key, and whether it can be seen, once the page has come to rest."""
    page.keyboard.press(key)
    page.wait_for_timeout(120)
    return page.evaluate(SEEN)


def test_tab_reaches_the_hotspots_of_the_whole_page_in_its_order_and_shows_them(page: Page, host: Host) -> None:
    named_after_pictures(host)
    gap = '<div style="height:2500px"></div>'
    visit(page, host, f"<a href=#x>Link</a>{photo('first')}{gap}{photo('last')}{gap}")
    expect(page.locator(".spot")).to_have_count(1)
    page.evaluate("img => document.querySelector('div').insertAdjacentHTML('afterend', img)", photo("middle"))
    height = page.evaluate("document.documentElement.scrollHeight")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Link")).to_be_focused()
    expect(page.locator(".spot")).to_have_count(3)
    # Far from their pictures in the page's order, they say which one they are of.
    group = page.get_by_role("group", name="Photo last")
    expect(group.get_by_role("button", name="Show product: last")).to_have_count(1)
    # What nobody has looked at yet is not counted.
    assert page.evaluate("scrollY") == 0
    until(lambda: host.events("impression"), page)
    assert len(host.events("impression")) == 1
    assert [focused(page, "Tab") for _ in range(3)] == [["first", True], ["middle", True], ["last", True]]
    assert [focused(page, "Shift+Tab") for _ in range(2)] == [["middle", True], ["first", True]]
    until(lambda: len(host.events("impression")) == 3, page)
    assert page.evaluate("document.documentElement.scrollHeight") == height


def test_a_card_closed_far_from_its_picture_gives_the_focus_back_and_tab_goes_on_from_there(
    page: Page, host: Host
) -> None:
    named_after_pictures(host)
    visit(page, host, f'{photo("one")}<div style="height:1500px"></div>{photo("two")}<div style="height:3000px"></div>')
    expect(page.get_by_role("button", name="Show product: one")).to_be_visible()
    assert focused(page, "Tab") == ["one", True]
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="one")).to_be_visible()
    page.evaluate("scrollTo(0, 3500)")
    page.wait_for_timeout(200)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Show product: one")).to_be_focused()
    assert focused(page, "Tab") == ["two", True]


def test_a_hotspot_scrolled_out_of_its_box_or_under_a_header_comes_out_when_focused(page: Page, host: Host) -> None:
    named_after_pictures(host)
    strip = (
        '<div id=strip style="display:flex;overflow-x:auto;width:640px">'
        f"{photo('near', 'flex:none')}{photo('far', 'flex:none')}</div>"
    )
    header = '<div style="position:sticky;top:0;height:350px;background:#eee;z-index:5"></div>'
    visit(page, host, f'{header}{strip}<div style="height:2000px"></div>')
    expect(page.locator(".spot")).to_have_count(2)
    page.evaluate("scrollTo(0, 330)")
    page.wait_for_timeout(150)
    width = page.evaluate("document.documentElement.scrollWidth")
    # A box that scrolls is a stop of its own.
    assert [focused(page, "Tab") for _ in range(3)] == [None, ["near", True], ["far", True]]
    assert page.evaluate("document.querySelector('#strip').scrollLeft") > 0
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_what_no_scrolling_can_show_is_not_in_the_tab_order(page: Page, host: Host) -> None:
    named_after_pictures(host)
    drawer = f'<div style="position:fixed;left:100%;top:0">{photo("drawer")}</div>'
    slide = f'<div style="overflow:hidden;width:300px;height:400px">{photo("slide")}</div>'
    visit(page, host, f"{photo('open')}{drawer}{slide}")
    expect(page.get_by_role("button", name="Show product: open")).to_be_visible()
    page.keyboard.press("Tab")
    page.wait_for_timeout(200)
    assert page.evaluate(SEEN) == ["open", True]
    assert focused(page, "Tab") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_lies_across_an_axis_that_does_not_scroll_stays_there(page: Page, host: Host) -> None:
    named_after_pictures(host)
    aside = "position:absolute;top:20px;left:"
    slides = (
        '<div id=slides style="overflow-x:hidden;width:650px;display:flex">'
        f"{photo('slide', 'flex:none')}{photo('next', 'flex:none')}</div>"
    )
    head = "<style>html,body{overflow-x:hidden}</style>"
    visit(page, host, f"{slides}{photo('beyond', aside + '1500px')}<div style='height:3000px'></div>", head=head)
    expect(page.get_by_role("button", name="Show product: slide")).to_be_visible()
    page.keyboard.press("Tab")
    page.wait_for_timeout(300)
    assert page.evaluate(SEEN) == ["slide", True]
    assert focused(page, "Tab") is None
    assert page.evaluate("[scrollX, document.body.scrollLeft]") == [0, 0]
    assert page.evaluate("document.querySelector('#slides').scrollLeft") == 0


def test_a_strip_that_scrolls_inside_of_a_wall_is_scrolled(page: Page, host: Host) -> None:
    named_after_pictures(host)
    strip = f'<div style="display:flex;overflow-x:auto">{photo("near", "flex:none")}{photo("far", "flex:none")}</div>'
    visit(page, host, f'<div style="overflow:hidden;border-radius:8px;width:640px">{strip}</div>')
    expect(page.locator(".spot")).to_have_count(2)
    assert [focused(page, "Tab") for _ in range(3)] == [None, ["near", True], ["far", True]]


def test_a_hotspot_deep_in_low_boxes_that_scroll_comes_to_the_middle_of_each(page: Page, host: Host) -> None:
    named_after_pictures(host)
    low = f'<div tabindex=-1 style="overflow-y:auto;height:90px"><p style="height:900px">{photo("deep")}</div>'
    box = f'<div tabindex=-1 style="overflow-y:auto;height:150px;width:640px"><p style="height:700px">{low}</div>'
    gap = '<div style="height:1500px"></div>'
    visit(page, host, f"<a href=#x>1</a>{photo('top')}{gap}{box}{gap}")
    expect(page.locator(".spot")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.locator(".spot")).to_have_count(2)
    assert [focused(page, "Tab") for _ in range(2)] == [["top", True], ["deep", True]]


def test_a_body_that_scrolls_by_itself_is_scrolled_and_gets_no_second_scrollbar(page: Page, host: Host) -> None:
    named_after_pictures(host)
    head = "<style>html,body{height:100%;margin:0;overflow-x:hidden}</style>"
    gap = '<div style="height:2500px"></div>'
    visit(page, host, f"{photo('top')}{gap}{photo('low')}{gap}", head=head)
    expect(page.locator(".spot")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.locator(".spot")).to_have_count(2)
    page.wait_for_timeout(150)
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    names = [focused(page, "Tab") for _ in range(2)]
    assert ["low", True] in names, names


def test_only_tab_and_arrows_move_the_page(page: Page, host: Host) -> None:
    named_after_pictures(host)
    visit(page, host, f'{photo("one")}<div style="height:3000px"></div>')
    expect(page.get_by_role("button", name="Show product: one")).to_be_visible()
    assert focused(page, "Tab") == ["one", True]
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="one")).to_be_visible()
    page.evaluate("scrollTo(0, 2000)")
    page.wait_for_timeout(200)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Show product: one")).to_be_focused()
    page.wait_for_timeout(200)
    assert page.evaluate("scrollY") == 2000


def test_what_is_not_in_view_for_the_browser_is_not_counted(page: Page, host: Host) -> None:
    named_after_pictures(host)
    host.pages["/frame"] = html(host, photo("framed"))
    clipped = photo("clipped", "clip-path:inset(0 0 100% 0)")
    visit(page, host, f"{clipped}<div style='height:500px'></div><iframe src=/frame width=700 height=450></iframe>")
    until(lambda: len(host.asked) == 2, page)
    page.wait_for_timeout(700)
    assert host.events("impression") == []
    page.mouse.wheel(0, 600)
    until(lambda: host.events("impression"), page)
    page.evaluate("document.querySelector('img').style.clipPath = ''; scrollTo(0, 0)")
    until(lambda: len(host.events("impression")) == 2, page)


def test_tab_asks_for_each_picture_once_also_where_the_answer_is_no(page: Page, host: Host) -> None:
    refused: list[str] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.post_data or "")
        route.fulfill(status=422, body="{}", headers={"Access-Control-Allow-Origin": "*"})

    page.route("**/v1/tags", refuse)
    visit(page, host, f'<a href=#x>1</a>{photo("one")}<div style="height:2500px"></div>{photo("two")}')
    until(lambda: len(refused) == 1, page)
    for asked in (2, 2, 2):
        page.keyboard.press("Tab")
        page.wait_for_timeout(250)
        assert len(refused) == asked
    assert "?two" in refused[1]
    assert "?one" not in refused[1]


def test_scrolling_looks_only_at_pictures_on_the_screen(page: Page, host: Host) -> None:
    named_after_pictures(host)
    visit(page, host, f'{photo("near")}<div style="height:2500px"></div>{photo("far")}')
    expect(page.locator(".spot")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.locator(".spot")).to_have_count(2)
    page.wait_for_timeout(300)
    page.evaluate("""() => {
      window.looked = {};
      for (const img of document.images) {
        const own = img.getBoundingClientRect.bind(img);
        img.getBoundingClientRect = () => { looked[img.alt] = true; return own(); };
      }
    }""")
    page.evaluate("scrollBy(0, 40)")
    page.wait_for_timeout(300)
    assert page.evaluate("Object.keys(looked)") == ["Photo near"]
