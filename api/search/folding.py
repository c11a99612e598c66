"""One product that several sellers offer is one match: its further offers are folded into it, with their prices.

Two candidates are one product when a number that the whole world knows says so and their pictures do not contradict it,
or when their pictures are near and their titles say the same; never against what the feeds say. Products of one catalog
are folded only for the same picture under the same name: their owner has reasons to list them apart. To fold two things
that merely look alike would hide one of them, so every doubt leaves them apart."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from api.catalog.schemas import ProductRead
from api.search.index import Hit
from api.search.titles import agree, longer_title, same_title
from api.search.traits import Traits, in_stock, traits_of

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
MOST_TRIED = 16  # groups that a hit may join, and offers of one that it is compared with: feeds may be made to hurt
Key = tuple[str, str]  # catalog, product
Vectors = Callable[[Sequence[Key]], Mapping[Key, NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class Group:
    """One product; `hits` are its offers, the nearest first."""

    hits: Sequence[Hit]
    products: Sequence[ProductRead]

    @property
    def score(self) -> float:
        """The cosine of its nearest offer."""
        return self.hits[0].score


class Folding:
    """`vectors_of` gives candidates' own vectors, those that it has; `same_picture` is the cosine of two copies of one
    picture, `alike` that under which two pictures show different things, whatever number stands beside them."""

    def __init__(self, vectors_of: Vectors, same_picture: float, alike: float) -> None:
        self._vectors_of = vectors_of
        self._same_picture = same_picture
        self._alike = alike

    def groups(self, lines: Sequence[Sequence[Hit]], products: Mapping[str, ProductRead]) -> list[list[Group]]:
        """For each line its products in the order of their nearest offers. Hits are best first and all in `products`.
        Vectors are asked for once, and only where two products of a line may be one."""
        traits = {hit.product_id: traits_of(products[hit.product_id]) for line in lines for hit in line}
        promising = [_promising(line, [traits[hit.product_id] for hit in line]) for line in lines]
        keys = {
            (line[at].catalog_id, line[at].product_id)
            for line, pairs in zip(lines, promising, strict=True)
            if pairs is not None
            for at in pairs.places
        }
        vectors = self._vectors_of(sorted(keys)) if keys else {}
        shared = _numbers_of_many(traits) if keys else set()
        found = []
        for line, pairs in zip(lines, promising, strict=True):
            places = [[at] for at in range(len(line))]
            if pairs is not None:
                near = pairs.near(line, vectors, min(SAME_PRODUCT, self._same_picture), self._alike)
                places = self._folded([traits[hit.product_id] for hit in line], near, shared)
            found.append(
                [Group([line[at] for at in of], [products[line[at].product_id] for at in of]) for of in places]
            )
        return found

    def _folded(self, traits: Sequence[Traits], near: "_Near", shared: set[Key]) -> list[list[int]]:
        """Each hit joins the first group whose nearest offer it is the same as, unless another of its offers forbids
        it: a seller who gives no number must not bring two numbers together."""

        def same(one: int, other: int) -> bool:
            least = self._least_cosine(traits[one], traits[other], shared)
            return least is not None and near.cosine(one, other) >= least

        led: dict[int, list[int]] = {}
        for place, own in enumerate(traits):
            for leader in near.before(place, led):
                if same(leader, place) and all(
                    same(other, place) if traits[other].catalog_id == own.catalog_id else _bearable(traits[other], own)
                    for other in led[leader][1 : 1 + MOST_TRIED]
                ):
                    led[leader].append(place)
                    break
            else:
                led[place] = [place]
        return list(led.values())

    def _least_cosine(self, a: Traits, b: Traits, shared: set[Key]) -> float | None:
        """How near the pictures of two products must be for one; None where what is said tells them apart."""
        if not _compatible(a, b):
            return None
        if a.catalog_id == b.catalog_id:
            return self._same_picture if _one_style(a, b) else None
        if a.gtin and b.gtin and not {(a.catalog_id, a.gtin), (b.catalog_id, b.gtin)} & shared:
            return self._alike if a.gtin == b.gtin else None
        if same_title(a.words, b.words):
            return SAME_PRODUCT if a.words.naming > 1 else self._same_picture
        return self._same_picture if longer_title(a.words, b.words) else None


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


def price_of(product: ProductRead) -> tuple[str, int]:
    """(currency, what is paid now): prices of several currencies are not compared."""
    sale = product.sale_price_micros
    return product.currency, product.price_micros if sale is None else sale


def _numbers_of_many(traits: Mapping[str, Traits]) -> set[Key]:
    """(catalog, GTIN) where a catalog has given one number to things with different names: it names none of them."""
    named: dict[Key, frozenset[str]] = {}
    found = set()
    for one in traits.values():
        if one.gtin and named.setdefault((one.catalog_id, one.gtin), one.words.words) != one.words.words:
            found.add((one.catalog_id, one.gtin))
    return found


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Which hits of a line are worth a closer look, the nearer first: (n, n) each; `numbers` is empty for none."""

    titles: NDArray[np.bool_]
    numbers: NDArray[np.bool_]
    places: list[int]

    def near(
        self, line: Sequence[Hit], vectors: Mapping[Key, NDArray[np.float32]], titled: float, numbered: float
    ) -> "_Near":
        """Those whose pictures are near enough for what they have in common."""
        held = [at for at in self.places if (line[at].catalog_id, line[at].product_id) in vectors]
        if not held:
            return _Near({}, NONE, np.zeros((0, 0), np.float32))
        stacked = np.stack([vectors[line[at].catalog_id, line[at].product_id] for at in held])
        cosines, within = stacked @ stacked.T, np.ix_(held, held)
        enough = self.titles[within] & (cosines >= titled)
        if self.numbers.size:
            enough |= self.numbers[within] & (cosines >= numbered)
        return _Near({at: n for n, at in enumerate(held)}, enough, cosines)


@dataclass(frozen=True, slots=True)
class _Near:
    """Of the hits whose vectors are known, by their number: which may be one, and all their cosines."""

    numbers: dict[int, int]
    enough: NDArray[np.bool_]
    cosines: NDArray[np.float32]

    def before(self, place: int, led: Iterable[int]) -> list[int]:
        """The first of the groups `led` that a hit may join."""
        own = self.numbers.get(place)
        if own is None:
            return []
        column = self.enough[:, own].tolist()
        among = (one for one in led if (at := self.numbers.get(one)) is not None and column[at])
        return list(islice(among, MOST_TRIED))

    def cosine(self, one: int, other: int) -> float:
        """-1 where one of them is not known."""
        a, b = self.numbers.get(one), self.numbers.get(other)
        return -1.0 if a is None or b is None else float(self.cosines[a, b])


def _promising(line: Sequence[Hit], traits: Sequence[Traits]) -> _Pairs | None:
    """Told from numbers alone: equal GTINs, or scores close together and one title's words among the other's. Nearly
    always there are none."""
    count = len(line)
    scores = np.fromiter((hit.score for hit in line), np.float32, count)
    bits = np.fromiter((one.word_bits for one in traits), np.uint64, count)
    numbers = np.fromiter((one.numbers_key for one in traits), np.int64, count)
    within = (bits[:, None] & ~bits) == 0
    same_numbers = _equal(numbers)
    if any(one.group for one in traits):
        styles = np.fromiter((hash(one.group) if one.group else 0 for one in traits), np.int64, count)
        same_numbers |= _equal(styles) & (styles != 0)
    # what lies as near as a copy may lead a copy of itself by more: its own cosine is one of the two then
    window = np.where(scores < SAME_PRODUCT, np.float32(SCORE_WINDOW), np.float32(1 - SAME_PRODUCT))
    later = LATER[:count, :count] if count <= len(LATER) else _later(count)
    titles = (within | within.T) & (bits != 0) & same_numbers & (scores[:, None] - scores <= window[:, None]) & later
    same = NONE
    if any(one.gtin for one in traits):
        gtins = np.fromiter((hash(one.gtin) if one.gtin else 0 for one in traits), np.int64, count)
        same = _equal(gtins) & (gtins != 0) & later
    elif not titles.any():
        return None
    pairs = titles if same is NONE else titles | same
    places = np.flatnonzero(pairs.any(axis=0) | pairs.any(axis=1)).tolist()
    return _Pairs(titles, same, places) if places else None


def _later(count: int) -> NDArray[np.bool_]:
    return np.tri(count, k=-1, dtype=np.bool_).T


NONE: NDArray[np.bool_] = np.zeros((0, 0), np.bool_)
LATER = _later(256)  # more hits of a line than this are rare


def _equal(numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray(numbers[:, None] == numbers, np.bool_)


def _bearable(a: Traits, b: Traits) -> bool:
    """Whether offers of two sellers may stand beside each other in a group that a third leads."""
    return (not a.gtin or not b.gtin or a.gtin == b.gtin) and _compatible(a, b)


def _one_style(a: Traits, b: Traits) -> bool:
    """Two rows of one catalog that its owner names alike. Only sizes of a garment that stand in one item group may have
    other numbers, in their titles as beside them."""
    if a.category != b.category or a.group != b.group:
        return False
    if not a.words.words or a.words.words != b.words.words or a.words.colours != b.words.colours:
        return False
    numbers = a.words.numbers == b.words.numbers and (not a.gtin or not b.gtin or a.gtin == b.gtin)
    return numbers or bool(a.worn and b.worn and a.group)


def _compatible(a: Traits, b: Traits) -> bool:
    """Nothing that is known tells them apart: brand, kind of thing, colour, material, pattern."""
    if a.brand and b.brand and a.brand != b.brand:
        return False
    if a.slot is not b.slot and None not in (a.slot, b.slot):
        return False
    if not all(map(agree, a.said, b.said)):
        return False
    if not a.seen or not b.seen:
        return True
    return sum(min(share, b.seen.get(name, 0.0)) for name, share in a.seen.items()) >= LEAST_COLOURS
