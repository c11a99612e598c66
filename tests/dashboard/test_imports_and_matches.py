"""What a brand reads about its imports, what a person reads about matches that are none, a film's tags in order."""

import io
import re
import zipfile
from collections.abc import Callable
from types import SimpleNamespace as Just

import pytest
from PIL import Image

from api.catalog import imports
from api.ports import Ports
from dashboard.rendering import templates
from tests.conftest import RecordingQueue
from tests.dashboard.conftest import PAGE, Person
from workers.training.drawn_garments import Drawing, drawn

TASKS = {"catalog.run_import": imports.run_import, "catalog.index_products": imports.index_products}


def png() -> bytes:
    out = io.BytesIO()
    Image.fromarray(drawn(Drawing("plain", (200, 25, 30)))).save(out, "png")
    return out.getvalue()


def imported(one: Person, ports: Ports, queue: RecordingQueue, name: str, data: bytes) -> tuple[str, str]:
    """(the catalog's page, the import's page), once a worker is through."""
    catalog = one.post("/brand/catalogs", {"name": "Shop"}, follow_redirects=False).headers["location"]
    started = one.post(f"{catalog}/imports", {"mode": "full"}, files={"file": (name, data)}, follow_redirects=False)
    while queue.sent:
        task, arguments = queue.sent.pop(0)
        TASKS[task](ports, **arguments)
    return one.get(catalog), one.get(started.headers["location"])


def badge(page: str) -> tuple[str, str]:
    found = re.search(r'<span class="badge (\w+)" role="status">([^<]+)</span>', page)
    assert found
    return found.group(1), found.group(2)


def test_a_column_that_is_missing_is_told_once_with_its_lines(
    ports: Ports, person: Callable[..., Person], queue: RecordingQueue
) -> None:
    rows = "".join(f"{number},Mug {number}\n" for number in range(9))
    catalog, page = imported(person("brand"), ports, queue, "feed.csv", f"id,title\n{rows}".encode())
    assert badge(page) == badge(catalog) == ("bad", "done, 9 failed")
    told = re.findall(r'<tr><td class="mono">(\w+)</td><td>(.+?)</td><td>(.+?)</td></tr>', page)
    assert sorted((field, re.sub(r"<[^>]+>", "", lines)) for field, _, lines in told) == [
        ("link", "2, 3, 4, 5, 6 and 4 more"),
        ("price", "2, 3, 4, 5, 6 and 4 more"),
    ]


def test_some_rows_that_failed_are_a_warning(
    ports: Ports, person: Callable[..., Person], queue: RecordingQueue
) -> None:
    feed = b"id,title,link,price\n1,A,https://a.example/,9.90 EUR\n2,B,https://a.example/,cheap\n"
    catalog, page = imported(person("brand"), ports, queue, "feed.csv", feed)
    assert badge(page) == badge(catalog) == ("warn", "done, 1 failed")


@pytest.mark.parametrize(("floor", "alike"), [(-1.0, True), (2.0, False)])
def test_what_hardly_looks_like_it_is_shown_on_asking(
    ports: Ports, person: Callable[..., Person], queue: RecordingQueue, monkeypatch: pytest.MonkeyPatch,
    floor: float, alike: bool,
) -> None:  # fmt: skip
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("p.csv", "id,title,link,price,image_link\n1,Red shirt,https://a.example/,9.90 EUR,a.png\n")
        archive.writestr("a.png", png())
    one = person("brand")
    _, page = imported(one, ports, queue, "feed.zip", packed.getvalue())
    assert badge(page) == ("good", "done")
    monkeypatch.setattr(type(ports.eyes), "similar_floor", floor)
    form, files = {"csrf": one.csrf(), "whole": "true"}, {"image": ("a.png", png())}
    found = one.client.post("/developer/search", data=form, files=files, headers={**PAGE, "HX-Request": "true"}).text
    before, _, after = found.partition("<details")
    assert ("Red shirt" in before) is alike
    assert ("Red shirt" in after) is not alike
    assert ("No product of your catalogs" in found) is not alike
    assert (">similar<" in found or ">exact<" in found) is alike
    # Its catalog is not listed: the picture is its brand's to see.
    [picture] = re.findall(r'<img src="(/[^"]+)"', found)
    assert one.client.get(picture).headers["content-type"].startswith("image/")


def seen_object(label: str | None, *matches: tuple[str, float]) -> Just:
    attributes = Just(colours=[], pattern="unknown", audience="unknown", size=0.4, sharpness=0.5)
    near = [
        Just(
            product=Just(id=title, title=title, brand=None, sale_price_micros=None, price_micros=1, currency="EUR"),
            score=score,
            match_type="similar",
        )
        for title, score in matches
    ]
    box = Just(x=0.0, y=0.0, w=1.0, h=1.0)
    return Just(label=label, score=0.3 if label else None, box=box, attributes=attributes, matches=near)


def test_a_close_up_found_in_parts_is_told_once_and_every_part_is_marked_on_it() -> None:
    objects = [
        seen_object(None, ("Milk", 0.8), ("Cream", 0.2)),
        seen_object("product", ("Milk", 0.7)),
        seen_object("bag", ("Tote", 0.6), ("Milk", 0.55)),
        seen_object("top", ("Cream", 0.2)),
    ]
    answer = Just(objects=objects, image=Just(shot="detail"), query_id="qry_1")
    template = templates.env.get_template("developer/found.html")
    page = template.render(answer=answer, shown="data:,", floor=0.5, problem=None)
    opened = re.sub(r'<details class="card again">.*?</details></details>|<details.*?</details>', "", page, flags=re.S)
    assert [opened.count(f"<b>{name}</b>") for name in ("Milk", "Tote", "Cream")] == [2, 1, 0]
    assert re.findall(r"<h2>(.*?)</h2>", opened) == ["1 · The whole picture", "3 · bag", "4 · top"]
    assert re.findall(r"<h2>(2 .*?)</h2> <span class=\"hint\">(.*?)</span>", page) == [
        ("2 · product", "the same again: Milk, 0.700")
    ]
    assert sorted(re.findall(r'class="box( all)?".*?<span>(\d)</span>', page)) == [
        ("", "2"), ("", "3"), ("", "4"), (" all", "1"),
    ]  # fmt: skip
    alone = Just(objects=objects[:1], image=Just(shot="unknown"), query_id="qry_1")
    assert 'class="box' not in template.render(answer=alone, shown="data:,", floor=0.5, problem=None)


def test_the_tags_of_a_film_stand_in_the_order_of_its_time() -> None:
    tags = [
        Just(
            id=f"tag_{number}",
            label=label,
            products=[],
            from_ms=from_ms,
            to_ms=9000,
            state=Just(value="active"),
            votes=[],
        )
        for number, (label, from_ms) in enumerate([("third", 6500), ("first", 0), ("second", 3300)])
    ]
    item = Just(
        id="med_1", status=Just(value="ready"), kind=Just(value="video"), url="https://a.example/f.mp4", blocked=False,
        error=None, tags=tags,
    )  # fmt: skip
    page = templates.env.get_template("publisher/media_card.html").render(item=item, names={})
    assert re.findall(r"<td>(\d \w+)</td>", page) == ["1 first", "2 second", "3 third"]
