"""The finder over a real index: folding, what is exact, and what goes with what, on vectors made for it."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from api.catalog.schemas import ProductRead
from api.search.exact import ExactIndex
from api.search.exactness import ExactRule
from api.search.folding import MOST_OFFERS
from api.search.index import Hit, IndexFilter, IndexRow, category_key
from api.search.match import Look, MatchType
from api.search.service import MOST_HITS, Finder
from api.search.worn_together import WornTogether
from api.vision.calibration import ExactCard
from tests.api.search.made_up import DIM, near, product

EVERYWHERE = frozenset({"ctg_a", "ctg_b"})
CARD = ExactCard(cosine=1, margin=10, colour=0, bias=0, least=2, least_on_page=2, colour_unknown=0, same_picture=0.98)
# as the shipped one is: agreement of colours alone nearly makes it
KEEN = ExactCard(
    cosine=5, margin=4, colour=2.5, bias=-4, least=0.9, least_on_page=2.5, colour_unknown=0.3, same_picture=0.9967
)
RED = Look((("red", 1.0),))
NOTHING_LEARNT = WornTogether((), np.zeros((0, 0), np.float32))
QUERY = near(1.0)[None]


class House:
    """Products by id, and an index of their vectors."""

    def __init__(
        self,
        worn: WornTogether = NOTHING_LEARNT,
        clicked: Mapping[str, Mapping[str, int]] | None = None,
        card: ExactCard = CARD,
        dim: int = DIM,
    ) -> None:
        self.index = ExactIndex(dim)
        self.held: dict[str, ProductRead] = {}
        self.finder = Finder(
            self.index, self, ExactRule(0.9, card), 0.3, worn, lambda one: (clicked or {}).get(one, {})
        )

    def add(self, item: ProductRead, vector: NDArray[np.float32]) -> None:
        self.held[item.id] = item
        row = IndexRow(item.id, vector / np.linalg.norm(vector), category=item.category)
        self.index.put(item.catalog_id, [row])

    def products_by_ids(self, ids: Iterable[str]) -> Mapping[str, ProductRead]:
        return {one: self.held[one] for one in ids if one in self.held}

    def categories(self, catalog_ids: frozenset[str]) -> frozenset[str]:
        return frozenset(category_key(item.category) for item in self.held.values() if item.category)

    def complements(self, name: str, k: int = 9) -> list[str]:
        found = self.finder.complements(f"prd_{name}", visible=EVERYWHERE, catalog_ids=EVERYWHERE, k=k)
        assert {match.match_type for match in found} <= {MatchType.complement}
        return [match.product.external_id for match in found]


def test_a_lead_over_the_next_other_product_makes_exact_and_offers_are_no_rivals() -> None:
    house = House()
    house.add(product("lamp", title="Oak lamp"), near(0.8))
    house.add(product("lamp too", title="Oak lamp", catalog="ctg_b"), near(0.8))
    house.add(product("mug", title="Blue mug"), near(0.6, axis=2))
    lamp, mug = house.finder.match(QUERY, catalog_ids=EVERYWHERE, k=5)[0]
    assert (lamp.product.external_id, lamp.match_type) == ("lamp", MatchType.exact)  # 0.8 + 10 * 0.2
    assert [offer.external_id for offer in lamp.offers] == ["lamp too"]
    assert (mug.match_type, mug.offers) == (MatchType.similar, ())
    house.add(product("vase", title="Tall vase"), near(0.75, axis=3))
    assert {match.match_type for match in house.finder.match(QUERY, catalog_ids=EVERYWHERE, k=5)[0]} == {"similar"}


def test_a_product_that_stands_alone_beats_nobody() -> None:
    house = House()
    house.add(product("lamp"), near(0.8))
    [only] = house.finder.match(QUERY, catalog_ids=EVERYWHERE, k=5)[0]
    assert only.match_type is MatchType.similar


def test_folded_offers_take_no_places_of_a_list() -> None:
    house = House()
    for n in range(12):
        house.add(product(f"copy{n}", title="Oak lamp"), near(0.8))
    for n in range(3):
        house.add(product(f"other{n}", title=f"Thing{n} of its own"), near(0.5 - n / 100, axis=2 + n))
    found = house.finder.match(QUERY, catalog_ids=EVERYWHERE, k=4)[0]
    assert [match.product.external_id for match in found] == ["copy0", "other0", "other1", "other2"]


def test_a_hundred_sizes_of_one_thing_do_not_make_an_answer_short() -> None:
    house = House()
    for n in range(300):
        house.add(product(f"size{n:03}", title="Linen shirt", category="Tops"), near(0.8))
    for n in range(30):
        house.add(product(f"other{n:02}", title=f"Thing{n} of its own"), near(0.5 - n / 100, axis=2 + n % 5))
    counting = Counting(house)
    found = house.finder.match(QUERY, catalog_ids=EVERYWHERE, k=20)[0]
    assert [match.product.external_id for match in found] == ["size000", *(f"other{n:02}" for n in range(19))]
    assert counting.asked == [56, 224, 896]
    assert len(found[0].offers) == MOST_OFFERS


def test_no_search_is_repeated_without_need() -> None:
    house = House()
    for n in range(100):
        house.add(product(f"p{n}", title=f"Thing{n} of its own"), near(0.5 - n / 1000, axis=1 + n % 6))
    counting = Counting(house)
    house.finder.match(np.concatenate([QUERY, QUERY]), catalog_ids=EVERYWHERE, k=20)
    assert counting.asked == [56]
    few = House()
    few.add(product("a", title="Oak lamp"), near(0.8))
    few.add(product("b", title="Oak lamp"), near(0.8))
    counting = Counting(few)
    assert len(few.finder.match(QUERY, catalog_ids=EVERYWHERE, k=20)[0]) == 1
    assert counting.asked == [56]  # there are no more


def test_an_answer_ends_though_everything_is_one_thing() -> None:
    house = House()
    rows = [product(f"p{n:04}", title="Linen shirt", category="Tops") for n in range(1200)]
    house.held = {item.id: item for item in rows}
    house.index.put("ctg_a", [IndexRow(item.id, near(0.8)) for item in rows])
    counting = Counting(house)
    assert len(house.finder.match(QUERY, catalog_ids=EVERYWHERE, k=100)[0]) == 1
    assert counting.asked == [158, 632, MOST_HITS]


class Counting:
    """How many hits a house's index was asked for, search by search."""

    def __init__(self, house: "House") -> None:
        self.asked: list[int] = []
        search = house.index.search

        def noted(vectors: NDArray[np.float32], k: int, where: IndexFilter) -> list[list[Hit]]:
            self.asked.append(k)
            return search(vectors, k, where)

        house.index.search = noted  # type: ignore[method-assign]  # counts what is asked


def test_the_first_match_is_the_nearest_neighbour_whatever_else_is_known() -> None:
    drawn = np.random.default_rng(5)
    house, vectors = House(), drawn.standard_normal((60, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for n, vector in enumerate(vectors):
        words = {"audience": ("women", "men", "kids")[n % 3], "colours": ("red", "blue", "green white")[n % 3]}
        house.add(product(f"p{n}", title=f"Milk {n}", category=("Tops", "Dresses", "Milk")[n % 3], **words), vector)
    queries = drawn.standard_normal((200, DIM)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    looks = [Look((("blue", 1.0),), "men", "top")] * len(queries)
    for k in (1, 5, 60):
        lines = house.finder.match(queries, catalog_ids=EVERYWHERE, k=k, looks=looks)
        first = [line[0].product.external_id for line in lines]
        assert first == [f"p{at}" for at in (queries @ vectors.T).argmax(axis=1)]
        assert all(len(line) == k for line in lines)


def test_one_product_in_front_of_something_else_is_not_exact() -> None:
    for narrowed in (False, True):
        house = House(card=KEEN)
        house.add(product("lamp", title="Red lamp", colours="red"), near(0.55))
        if narrowed:
            house.add(product("gone", title="Mug", colours="red", availability="out_of_stock"), near(0.54, axis=2))
        [line] = house.finder.match(QUERY, catalog_ids=EVERYWHERE, k=5, looks=[RED], in_stock=narrowed or None)
        assert {match.match_type for match in line} == {MatchType.similar}
    # among others, with the lead that the calibration asks for, it is
    house.add(product("mug", title="Mug", colours="blue"), near(0.2, axis=3))
    house.held["prd_gone"] = product("gone", title="Mug", colours="red")
    house.index.remove("ctg_a", ["prd_gone"])
    assert house.finder.match(QUERY, catalog_ids=EVERYWHERE, k=5, looks=[RED])[0][0].match_type is MatchType.exact


def test_neither_of_two_things_that_look_the_same_is_exact() -> None:
    """One picture for two flavours: who sells them tells them apart, and the picture cannot."""
    house = House()
    house.add(product("vanilla", title="Vanilla yoghurt"), near(0.999))
    house.add(product("strawberry", title="Strawberry yoghurt"), near(0.999))
    [line] = house.finder.match(QUERY, catalog_ids=EVERYWHERE, k=5)
    assert [match.match_type for match in line] == [MatchType.similar] * 2
    sizes = House()
    for n, gtin in enumerate(("4006381333931", "4002432397228")):
        sizes.add(product(f"size{n}", title="Linen shirt", category="Tops", gtin=gtin), near(0.999))
    [line] = sizes.finder.match(QUERY, catalog_ids=EVERYWHERE, k=5)
    assert [match.match_type for match in line] == [MatchType.exact] * 2


def test_what_the_caller_calls_wrong_is_last_and_never_exact() -> None:
    house = House()
    house.add(product("lamp", title="Oak lamp"), near(0.999))
    house.add(product("mug", title="Blue mug"), near(0.5, axis=2))
    plain, told = house.finder.match(
        np.concatenate([QUERY, QUERY]), catalog_ids=EVERYWHERE, k=5, wrong=[frozenset(), frozenset({"prd_lamp"})]
    )
    assert [(match.product.external_id, match.match_type) for match in plain] == [("lamp", "exact"), ("mug", "similar")]
    assert [(match.product.external_id, match.match_type) for match in told] == [
        ("mug", "similar"),
        ("lamp", "similar"),
    ]


def test_the_first_of_few_is_the_first_of_many() -> None:
    house = House()
    house.add(product("gone", availability="out_of_stock"), near(0.55))
    house.add(product("here"), near(0.5, axis=2))
    for k in (1, 2, 20):
        assert house.finder.match(QUERY, catalog_ids=EVERYWHERE, k=k)[0][0].product.external_id == "here"


def test_similar_tells_other_sellers_of_the_product_from_what_looks_like_it() -> None:
    house = House()
    house.add(product("lamp", title="Oak lamp", price_micros=9), near(1.0))
    house.add(product("same", title="Lamp oak", catalog="ctg_b", price_micros=7), near(0.96))
    house.add(product("twin", title="Ash lamp", catalog="ctg_b"), near(0.97))
    found = house.finder.similar("prd_lamp", visible=EVERYWHERE, catalog_ids=EVERYWHERE, k=5)
    assert [(match.product.external_id, match.match_type) for match in found] == [
        ("same", MatchType.exact),
        ("twin", MatchType.similar),
    ]


def worn() -> WornTogether:
    """What goes with a thing near axis 0 lies near axis 5; shoes are worn with nearly every dress, bags with few."""
    slots, together = ("bag", "dress", "footwear"), np.zeros((3, 3), np.float32)
    together[1] = (0.2, 1.0, 0.9)
    axes = np.zeros((DIM, 2), np.float32)
    axes[0, 0] = axes[5, 0] = axes[0, 1] = np.sqrt(0.5)
    axes[5, 1] = -np.sqrt(0.5)
    return WornTogether(slots, together, np.zeros((3, DIM), np.float32), axes, np.array([1.0, -1.0], np.float32))


def dressed(house: House) -> House:
    house.add(product("dress", category="Dresses"), near(1.0))
    for name, category, axis in (("alike shoe", "Shoes", 0), ("worn shoe", "Shoes", 5), ("bag", "Bags", 5)):
        vector = np.zeros(DIM, np.float32)
        vector[axis], vector[6] = 1.0, 0.5
        house.add(product(name, category=category), vector)
    return house


def test_what_is_worn_together_decides_over_what_looks_alike() -> None:
    assert dressed(House(worn())).complements("dress") == ["worn shoe", "bag", "alike shoe"]
    assert dressed(House()).complements("dress")[0] == "alike shoe"


def test_what_is_clicked_together_comes_first_in_its_part_of_the_outfit() -> None:
    clicked = {"prd_dress": {"prd_alike shoe": 7}}
    assert dressed(House(worn(), clicked)).complements("dress") == ["alike shoe", "bag", "worn shoe"]


def test_complements_out_of_stock_come_behind_those_in_stock() -> None:
    house = dressed(House(worn()))
    gone = product("worn shoe", category="Shoes", availability="out_of_stock")
    house.held[gone.id] = gone
    assert house.complements("dress") == ["alike shoe", "bag", "worn shoe"]
    clicked = dressed(House(worn(), {"prd_dress": {gone.id: 7}}))
    clicked.held[gone.id] = gone
    assert clicked.complements("dress") == ["alike shoe", "bag", "worn shoe"]
