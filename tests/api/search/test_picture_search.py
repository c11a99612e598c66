"""Which objects a picture search answers, and in what order."""

from api.search.picture_search import NEARER, NOTHING, in_order, places_of
from api.vision.picture import WHOLE, Box, Detection

FLOOR = 0.4
PART = Box(0.1, 0.1, 0.3, 0.3)


LARGE = Box(0.0, 0.2, 0.8, 0.7)


def looked_at(*found: tuple[str, Box]) -> list[str | None]:
    return [place.label for place in places_of([Detection(label, 0.6, box) for label, box in found], None)]


def test_the_whole_picture_is_looked_at_beside_its_parts() -> None:
    assert looked_at(("headwear", PART), ("product", PART)) == ["headwear", "product", None]


def test_not_where_a_part_is_most_of_it_or_somebody_is_on_it() -> None:
    assert looked_at(("product", LARGE)) == ["product"]
    assert looked_at(("top", PART), ("pants", PART), ("footwear", PART)) == ["top", "pants", "footwear"]


def test_where_nothing_is_found_the_place_asked_for_or_the_whole_is_looked_at() -> None:
    assert [place.box for place in places_of([], PART)] == [PART]
    assert [place.box for place in places_of([], None)] == [WHOLE]


def order(*objects: tuple[str | None, float]) -> list[str | None]:
    labels = [label for label, _ in objects]
    return [labels[at] for at in in_order(labels, [near for _, near in objects], FLOOR)]


def test_what_looks_most_like_a_product_comes_first() -> None:
    assert order(("bag", 0.5), ("belt", NOTHING), ("dress", 0.8), (None, 0.1)) == ["dress", "bag", "belt"]


def test_the_whole_picture_leads_where_no_part_says_clearly_more() -> None:
    assert order(("headwear", 0.5), (None, 0.7)) == [None, "headwear"]
    assert order(("headwear", 0.7 + NEARER - 0.01), (None, 0.7)) == [None, "headwear"]
    assert order(("headwear", 0.7 + NEARER + 0.01), (None, 0.7)) == ["headwear"]


def test_the_whole_of_a_picture_that_looks_like_nothing_is_left_out() -> None:
    assert order(("bag", 0.2), (None, FLOOR - 0.01)) == ["bag"]
    assert order(("bag", NOTHING), (None, NOTHING)) == ["bag"]
