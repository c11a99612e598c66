"""One product that several sellers offer is one match: its further offers are folded into it, with their prices.

Two candidates are one product when their GTIN is the same, or their pictures are and nothing that the feeds say speaks
against it. Products of one catalog are folded only for the same picture: their owner has reasons to list them apart."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from api.catalog.schemas import Availability, ProductRead
from api.search.exactness import agreement_of, colours_seen
from api.search.index import Hit
from api.search.outfits import slot_of
from api.search.titles import TitleWords, colours_agree, like_title, same_title, words_of

# Two sellers' own shots of one thing, or one shot saved anew (halved and compressed: 0.93 in the median). No two
# pictures of different products among 3,409 garments and 60 groceries came nearer than 0.976, and with the same words
# in their titles they need not come that near.
SAME_PRODUCT = 0.93
# The cosines of two near-identical pictures to any third differ by little (0.03 covers 99 % at 0.93): candidates whose
# scores lie further apart need not be compared.
SCORE_WINDOW = 0.03
# Colours measured on two shots of one thing, in other light: less in common is another colour of it.
LEAST_COLOURS = 0.35
MOST_OFFERS = 10
IN_STORE = ("2", "02", "04")  # GTINs that every shop gives to its own things (GS1 General Specifications, 1.4)
Vectors = Callable[[Hit], NDArray[np.float32] | None]


@dataclass(slots=True)
class Group:
    """One product; `hits` are its offers, the nearest first, which has the title `words`."""

    words: TitleWords
    hits: list[Hit] = field(default_factory=list)
    products: list[ProductRead] = field(default_factory=list)

    @property
    def score(self) -> float:
        """The cosine of its nearest offer."""
        return self.hits[0].score


class Folding:
    """`vector_of` gives a candidate's own vector; `same_picture` is the cosine of two copies of one picture."""

    def __init__(self, vector_of: Vectors, same_picture: float) -> None:
        self._vector_of = vector_of
        self._same_picture = same_picture

    def groups(self, hits: Sequence[Hit], products: Mapping[str, ProductRead]) -> list[Group]:
        """In the order of their nearest offers. `hits` are best first and all in `products`."""
        groups: list[Group] = []
        by_gtin: dict[str, Group] = {}
        for hit in hits:
            product = products[hit.product_id]
            gtin, words = _gtin(product), words_of(product.title, product.brand)
            group = _same_gtin(by_gtin.get(gtin), product, words) or self._same_thing(groups, hit, product, words)
            if group is None:
                group = Group(words)
                groups.append(group)
            group.hits.append(hit)
            group.products.append(product)
            if gtin:
                by_gtin.setdefault(gtin, group)
        return groups

    def _same_thing(self, groups: Sequence[Group], hit: Hit, product: ProductRead, words: TitleWords) -> Group | None:
        for group in reversed(groups):
            nearest = group.hits[0]
            # what lies as near as a copy may lead a copy of itself by more: its own cosine is one of the two then
            if nearest.score - hit.score > (SCORE_WINDOW if nearest.score < SAME_PRODUCT else 1 - SAME_PRODUCT):
                return None  # those before it lie further off still
            if not like_title(group.words, words):
                continue  # nearly all go here, so this comes first
            least = self._least_cosine(group, product, words)
            if least is None or not _compatible(group.products[0], product):
                continue
            one, other = self._vector_of(nearest), self._vector_of(hit)
            if one is not None and other is not None and float(one @ other) >= least:
                return group
        return None

    def _least_cosine(self, group: Group, product: ProductRead, words: TitleWords) -> float | None:
        """How near the pictures of things with like titles must be for one product; None where their numbers differ."""
        first = group.products[0]
        if first.catalog_id == product.catalog_id:
            return self._same_picture
        if first.gtin and product.gtin and _gtin(first) != _gtin(product):
            return None
        return SAME_PRODUCT if same_title(group.words, words) else self._same_picture


def shown(group: Group) -> tuple[ProductRead, float, tuple[ProductRead, ...]]:
    """The offer that stands for the group, its cosine, and the others, cheapest in stock first. The nearest one stands
    for it, unless that is out of stock and another is not."""
    if len(group.hits) == 1:
        return group.products[0], group.score, ()
    place = next((i for i, product in enumerate(group.products) if in_stock(product)), 0)
    leader = group.products[place]
    others = [product for i, product in enumerate(group.products) if i != place]
    others.sort(key=lambda product: (not in_stock(product), product.currency != leader.currency, *price_of(product)))
    return leader, group.hits[place].score, tuple(others[:MOST_OFFERS])


def in_stock(product: ProductRead) -> bool:
    """Whether it can be ordered now or soon."""
    return product.availability != Availability.out_of_stock


def price_of(product: ProductRead) -> tuple[str, int]:
    """(currency, what is paid now): prices of several currencies are not compared."""
    sale = product.sale_price_micros
    return product.currency, product.price_micros if sale is None else sale


def _gtin(product: ProductRead) -> str:
    """As 14 digits; empty for none, and for numbers that mean something in one shop alone."""
    if not product.gtin:
        return ""
    digits = product.gtin.lstrip("0")
    short = len(product.gtin) == 8 and digits.startswith(IN_STORE[0])
    thirteen = digits.rjust(13, "0")
    return "" if not digits or short or thirteen.startswith(IN_STORE) else digits.rjust(14, "0")


def _same_gtin(group: Group | None, product: ProductRead, words: TitleWords) -> Group | None:
    if group is None or not _compatible(group.products[0], product):
        return None
    # a number that a shop has put on everything it sells names nothing
    elsewhere = group.products[0].catalog_id != product.catalog_id
    return group if elsewhere or like_title(group.words, words) else None


def _compatible(a: ProductRead, b: ProductRead) -> bool:
    """Nothing that is known tells them apart: brand, kind of thing, colour."""
    if a.brand and b.brand and a.brand.casefold() != b.brand.casefold():
        return False
    slots = slot_of(a.category or ""), slot_of(b.category or "")
    if slots[0] is not slots[1] and None not in slots:
        return False
    if not colours_agree(a, b):
        return False
    seen = agreement_of(colours_seen(a), colours_seen(b))
    return seen is None or seen >= LEAST_COLOURS
