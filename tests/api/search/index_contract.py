"""What every product index must do, written against the port. A side joins by naming a factory in the test file."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

from api.search.index import Hit, IndexFilter, IndexRow, ProductIndex

DIM = 32
IndexFactory = Callable[[int], ProductIndex]
A, B = "ctg_a", "ctg_b"
EVERYWHERE = IndexFilter(frozenset({A, B}))
NASTY = [
    'a" or key != "',
    "it's",
    "back\\slash\\",
    "100%",
    "_____",
    "\\u0022]) or (1 == 1",
    "Straße 店 🧥",
    "new\nline\x00",
    "lone \ud800",
    "x" * 70_000,
]


def unit(seed: int, dim: int = DIM) -> np.ndarray:
    vector = np.random.default_rng(seed).standard_normal(dim).astype(np.float32)
    return vector / np.linalg.norm(vector)


def row(number: int, **columns: object) -> IndexRow:
    return IndexRow(product_id=f"prd_{number:04}", vector=unit(number), **columns)  # type: ignore[arg-type]


def ids(hits: list[Hit]) -> list[str]:
    return [hit.product_id for hit in hits]


FILTERS: list[tuple[dict[str, object], set[int]]] = [
    ({"brand": frozenset({"ACME"})}, {0, 1}),
    ({"brand": frozenset({"acme", "Bøll"})}, {0, 1, 2}),
    ({"brand": frozenset({"Acm"})}, set()),
    ({"category": frozenset({"shoes"})}, {0, 1}),
    ({"category": frozenset({"Shoes>BOOTS"})}, {1}),
    ({"category": frozenset({"Shoes > Boot"})}, set()),
    ({"category": frozenset({"Home", "Shoes > Boots"})}, {1, 2}),
    ({"price_min_micros": 20_000_000}, {1, 2}),
    ({"price_max_micros": 20_000_000}, {0, 1}),
    ({"price_min_micros": 20_000_000, "price_max_micros": 20_000_000}, {1}),
    ({"price_min_micros": 0}, {0, 1, 2}),
    ({"currency": "eur"}, {0, 1}),
    ({"currency": "EUR", "price_min_micros": 15_000_000}, {1}),
    ({"in_stock": True}, {0, 2, 3}),
    ({"in_stock": False}, {1}),
    ({"audience": frozenset({"women"})}, {0}),
    ({"audience": frozenset({"women", "Men"})}, {0, 1}),
    ({"colour": frozenset({"red"})}, {0, 1}),
    ({"colour": frozenset({"NAVY", "beige"})}, {1, 2}),
    ({"colour": frozenset({"re", "no colour"})}, set()),
    ({"colour": frozenset({"red"}), "pattern": frozenset({"striped"})}, {1}),
    ({"pattern": frozenset({"Plain", "striped"})}, {0, 1, 2}),
    ({"pattern": frozenset({"dotted"})}, set()),
    ({"exclude_product_ids": frozenset({"prd_0000", "prd_0003", "prd_unknown"})}, {1, 2}),
    ({"brand": frozenset({"acme"}), "exclude_product_ids": frozenset({"prd_0000"})}, {1}),
]


class IndexContract:
    """Subclass it and give a fixture `make` of type IndexFactory."""

    @pytest.fixture
    def index(self, make: IndexFactory) -> ProductIndex:
        """Empty as far as A and B go."""
        return make(DIM)

    def find(self, index: ProductIndex, number: int, k: int = 500, where: IndexFilter = EVERYWHERE) -> list[Hit]:
        return index.search(unit(number)[None], k, where)[0]

    def test_an_empty_index_finds_nothing(self, index: ProductIndex) -> None:
        assert index.search(np.stack([unit(1), unit(2)]), 5, EVERYWHERE) == [[], []]

    def test_it_finds_what_an_exhaustive_comparison_finds(self, index: ProductIndex) -> None:
        index.put(A, [row(n) for n in range(300)])
        index.put(B, [row(n) for n in range(300, 400)])
        queries = np.stack([unit(1000 + n) for n in range(7)])
        everything = np.stack([unit(n) for n in range(400)])
        for query, hits in zip(queries, index.search(queries, 10, EVERYWHERE), strict=True):
            cosines = everything @ query
            expected = np.argsort(-cosines)[:10]
            assert ids(hits) == [f"prd_{n:04}" for n in expected]
            assert [hit.score for hit in hits] == pytest.approx(cosines[expected].tolist(), abs=1e-5)

    def test_a_cleared_index_holds_nothing_and_can_be_filled_again(self, index: ProductIndex) -> None:
        index.put(A, [row(1)])
        index.put(B, [row(2)])
        index.clear()
        assert (self.find(index, 1), index.count(A), index.count(B)) == ([], 0, 0)
        index.put(A, [row(3)])
        assert ids(self.find(index, 3)) == ["prd_0003"]

    def test_scores_are_cosines(self, index: ProductIndex) -> None:
        index.put(A, [row(1), IndexRow("prd_against", -unit(1))])
        assert [hit.score for hit in self.find(index, 1)] == pytest.approx([1, -1], abs=1e-5)

    def test_hits_name_their_catalog(self, index: ProductIndex) -> None:
        index.put(B, [row(3)])
        assert self.find(index, 3) == [Hit("prd_0003", B, pytest.approx(1, abs=1e-5))]

    def test_equal_scores_come_in_the_order_of_ids(self, index: ProductIndex) -> None:
        index.put(A, [IndexRow(f"prd_{n}", unit(1)) for n in (5, 3, 9, 1)])
        assert ids(self.find(index, 1)) == ["prd_1", "prd_3", "prd_5", "prd_9"]

    def test_catalogs_outside_the_scope_are_never_found(self, index: ProductIndex) -> None:
        index.put(A, [row(1)])
        index.put(B, [row(2)])
        assert ids(self.find(index, 2, where=IndexFilter(frozenset({A})))) == ["prd_0001"]
        assert self.find(index, 2, where=IndexFilter(frozenset())) == []
        assert self.find(index, 2, where=IndexFilter(frozenset({"ctg_unknown"}))) == []

    def test_putting_a_product_again_replaces_it(self, index: ProductIndex) -> None:
        index.put(A, [row(1, brand="Old")])
        index.put(A, [IndexRow("prd_0001", unit(2), brand="New")])
        [hit] = self.find(index, 2)
        assert hit.score == pytest.approx(1, abs=1e-5)
        assert self.find(index, 2, where=IndexFilter(frozenset({A}), brand=frozenset({"Old"}))) == []
        assert index.count(A) == 1

    def test_removed_products_are_gone_at_once_and_the_others_stay(self, index: ProductIndex) -> None:
        index.put(A, [row(n, brand=f"brand {n}") for n in range(200)])
        index.remove(A, [f"prd_{n:04}" for n in range(0, 200, 2)] + ["prd_unknown"])
        assert index.count(A) == 100
        assert set(ids(self.find(index, 0))) == {f"prd_{n:04}" for n in range(1, 200, 2)}
        for n in (1, 77, 199):  # each kept product still has its own vector and its own columns
            [hit] = self.find(index, n, where=IndexFilter(frozenset({A}), brand=frozenset({f"brand {n}"})))
            assert (hit.product_id, hit.score) == (f"prd_{n:04}", pytest.approx(1, abs=1e-5))

    def test_a_removed_product_can_come_back(self, index: ProductIndex) -> None:
        index.put(A, [row(1), row(2)])
        index.remove(A, ["prd_0001", "prd_0002"])
        index.put(A, [row(2)])
        assert ids(self.find(index, 1)) == ["prd_0002"]

    def test_a_dropped_catalog_is_gone(self, index: ProductIndex) -> None:
        index.put(A, [row(1)])
        index.put(B, [row(2)])
        index.drop_catalog(A)
        index.drop_catalog("ctg_unknown")
        index.remove("ctg_unknown", ["prd_0001"])
        assert ids(self.find(index, 1)) == ["prd_0002"]
        assert index.count(A) == 0

    def test_the_stored_vector_comes_back_as_a_copy(self, index: ProductIndex) -> None:
        index.put(A, [row(1)])
        vector = index.vector(A, "prd_0001")
        assert vector is not None
        assert vector == pytest.approx(unit(1), abs=1e-6)
        vector[:] = 0
        assert self.find(index, 1)[0].score == pytest.approx(1, abs=1e-5)
        assert index.vector(A, "prd_0002") is None
        assert index.vector(B, "prd_0001") is None

    def test_many_vectors_come_at_once(self, index: ProductIndex) -> None:
        index.put(A, [row(1), row(2)])
        index.put(B, [row(3)])
        wanted = [
            (A, "prd_0001"),
            (B, "prd_0003"),
            (B, "prd_0001"),
            (A, "prd_9999"),
            ("ctg_unknown", "prd_0002"),
            (A, "'"),
        ]
        found = index.vectors(wanted)
        assert found.keys() == {(A, "prd_0001"), (B, "prd_0003")}
        assert found[A, "prd_0001"] == pytest.approx(unit(1), abs=1e-6)
        assert found[B, "prd_0003"] == pytest.approx(unit(3), abs=1e-6)
        assert index.vectors([]) == {}

    def test_filters(self, index: ProductIndex) -> None:
        index.put(
            A,
            [
                row(0, brand="Acme", category="Shoes", price_micros=10_000_000, currency="EUR", audience="women",
                    colours=("Red", "white"), pattern="plain"),
                row(1, brand="acme", category="Shoes > Boots", price_micros=20_000_000, currency="EUR", in_stock=False,
                    audience="men", colours=("navy", "red"), pattern="striped"),
                row(2, brand="BØLL", category="Home > Shoes", price_micros=30_000_000, currency="USD",
                    colours=("beige",), pattern="Plain"),
                row(3),
            ],
        )  # fmt: skip
        for columns, wanted in FILTERS:
            found = self.find(index, 0, where=IndexFilter(frozenset({A}), **columns))  # type: ignore[arg-type]
            assert set(ids(found)) == {f"prd_{n:04}" for n in wanted}, columns

    def test_more_colours_than_there_are_are_no_error(self, index: ProductIndex) -> None:
        index.put(A, [row(n, colours=(f"colour {n}", "white")) for n in range(100)])
        for n in (0, 60):
            assert ids(self.find(index, n, where=IndexFilter(frozenset({A}), colour=frozenset({f"colour {n}"})))) == [
                f"prd_{n:04}"
            ]
        white = self.find(index, 1, where=IndexFilter(frozenset({A}), colour=frozenset({"white"})))
        assert len(white) == 100

    def test_no_text_of_a_feed_means_anything_but_itself(self, index: ProductIndex) -> None:
        """Brands and categories that would end a string, match anything, or are longer than a column."""
        index.put(A, [row(n, brand=text, category=f"{text} > x") for n, text in enumerate(NASTY)])
        index.put(B, [row(100 + n, brand="other", category=text) for n, text in enumerate(NASTY)])
        for n, text in enumerate(NASTY):
            by_brand = IndexFilter(frozenset({A, B}), brand=frozenset({text}))
            assert ids(self.find(index, 0, where=by_brand)) == [f"prd_{n:04}"], text[:50]
            by_category = IndexFilter(frozenset({A, B}), category=frozenset({text}))
            assert set(ids(self.find(index, 0, where=by_category))) == {f"prd_{n:04}", f"prd_{100 + n:04}"}, text[:50]

    def test_thousands_of_catalogs_are_searched_in_one_go(self, index: ProductIndex) -> None:
        index.put(B, [row(1)])
        scope = frozenset({B, *(f"ctg_{n}" for n in range(3000))})
        assert ids(self.find(index, 1, where=IndexFilter(scope))) == ["prd_0001"]

    def test_many_products_are_put_and_removed_at_once(self, index: ProductIndex) -> None:
        index.put(A, [row(n) for n in range(9000)])
        assert index.count(A) == 9000
        index.remove(A, [f"prd_{n:04}" for n in range(8999)])
        assert ids(self.find(index, 8999)) == ["prd_8999"]

    def test_a_replacement_takes_over_when_it_is_whole(self, index: ProductIndex) -> None:
        index.put(A, [row(1), row(2)])
        with index.replacement() as fresh:
            fresh.put(A, [row(3)])
            assert set(ids(self.find(index, 1))) == {"prd_0001", "prd_0002"}
        assert ids(self.find(index, 1)) == ["prd_0003"]

    def test_a_replacement_that_breaks_off_changes_nothing(self, index: ProductIndex) -> None:
        index.put(A, [row(1)])

        def break_off() -> None:
            with index.replacement() as fresh:
                fresh.put(A, [row(2)])
                raise KeyError

        with pytest.raises(KeyError):
            break_off()
        assert ids(self.find(index, 1)) == ["prd_0001"]

    def test_narrow_filters_find_the_nearest_of_what_passes(self, index: ProductIndex) -> None:
        index.put(A, [row(n, brand=f"brand {n % 100}") for n in range(2000)])
        query = unit(5000)
        for brand in (3, 42):
            passing = np.arange(brand, 2000, 100)
            expected = passing[np.argsort(-(np.stack([unit(n) for n in passing]) @ query))][:5]
            where = IndexFilter(frozenset({A}), brand=frozenset({f"Brand {brand}"}))
            assert ids(index.search(query[None], 5, where)[0]) == [f"prd_{n:04}" for n in expected]

    def test_catalogs_are_counted_together(self, index: ProductIndex) -> None:
        index.put(A, [row(1), row(2)])
        index.put(B, [row(3)])
        assert index.total(frozenset({A, B, "ctg_unknown"})) == 3
        assert index.total(frozenset()) == 0

    def test_it_tells_what_it_holds_of_a_catalog(self, index: ProductIndex) -> None:
        index.put(A, [row(n) for n in range(5)])
        index.put(B, [row(9)])
        index.remove(A, ["prd_0002"])
        assert sorted(index.product_ids(A)) == ["prd_0000", "prd_0001", "prd_0003", "prd_0004"]
        assert index.product_ids("ctg_unknown") == []

    def test_a_product_that_comes_twice_is_held_once(self, index: ProductIndex) -> None:
        index.put(A, [IndexRow("prd_0001", unit(5)), row(1)])
        index.put(A, [row(1), row(1)])
        assert index.product_ids(A) == ["prd_0001"]
        assert [hit.score for hit in self.find(index, 1)] == pytest.approx([1], abs=1e-5)

    def test_it_can_serve(self, index: ProductIndex) -> None:
        index.check()

    @pytest.mark.parametrize("bad", [np.ones(DIM + 1, np.float32), np.full(DIM, np.nan, np.float32)])
    def test_a_wrong_vector_is_refused_with_its_whole_batch(self, index: ProductIndex, bad: np.ndarray) -> None:
        with pytest.raises(ValueError, match="prd_bad"):
            index.put(A, [row(1), IndexRow("prd_bad", bad)])
        assert index.count(A) == 0

    def test_searches_beside_writes_see_whole_products(self, index: ProductIndex) -> None:
        """While products come, move and go, a search never pairs a product with another one's vector."""
        index.put(A, [row(n, brand=f"brand {n}") for n in range(100)])
        stop, wrong = threading.Event(), []

        def write() -> None:
            while not stop.is_set():
                index.remove(A, [f"prd_{n:04}" for n in range(0, 100, 3)])
                index.put(A, [row(n, brand=f"brand {n}") for n in range(0, 100, 3)])

        def read() -> None:
            while not stop.is_set():
                for n in (1, 3, 98):
                    where = IndexFilter(frozenset({A}), brand=frozenset({f"brand {n}"}))
                    hits = index.search(unit(n)[None], 3, where)[0]
                    if any(hit.product_id != f"prd_{n:04}" or hit.score < 0.999 for hit in hits):
                        wrong.append(hits)

        threads = [threading.Thread(target=work) for work in (write, read, read)]
        for thread in threads:
            thread.start()
        stop.wait(0.7)
        stop.set()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        assert wrong == []
