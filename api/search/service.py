"""Finder: from vectors and products to matches, inside the catalogs that the caller may see. Thread-safe."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from api.catalog.schemas import ProductRead
from api.errors import Conflict, NotFound
from api.kit.metrics import MetricName, histogram
from api.search.exactness import ExactRule, agreement_of
from api.search.folding import Folding, Group, Key, shown
from api.search.index import Hit, IndexFilter, IndexUnavailable, ProductIndex, category_key
from api.search.match import UNKNOWN_LOOK, Look, Match, MatchType
from api.search.outfits import Slot, complementary, slot_of
from api.search.ranking import NO_PRODUCTS, ordered
from api.search.titles import same_title
from api.search.traits import in_stock, traits_of
from api.search.worn_together import WornTogether

# As many products at least are put in order, however few are asked for: the first of few is the first of many.
POOL = 32
# Asked for on top, a share and a few: offers are folded into one, and products that are gone from the catalog may still
# be in the index for a moment.
SPARE_SHARE, SPARE = 0.5, 8
# Where so many are folded that too few products are left, the index is asked again for more, a few times at most.
ROUNDS, MORE, MOST_HITS = 3, 4, 1024
BEHIND = -1.0  # the margin of what is not the nearest
TIE = 0.002  # of cosine: two products this close are told apart by neither picture
NO_FLOOR = -1.0  # what goes with a thing need not look like it
SEARCH_SECONDS = histogram(MetricName.index_search_seconds)


class Filters(TypedDict, total=False):
    """The optional part of an IndexFilter."""

    brand: frozenset[str]
    category: frozenset[str]
    price_min_micros: int | None
    price_max_micros: int | None
    currency: str | None
    in_stock: bool | None
    audience: frozenset[str]
    colour: frozenset[str]
    pattern: frozenset[str]
    exclude_product_ids: frozenset[str]


class Products(Protocol):
    """What is needed of the catalog; answered from memory when warm."""

    def products_by_ids(self, ids: Iterable[str]) -> Mapping[str, ProductRead]: ...

    def categories(self, catalog_ids: frozenset[str]) -> frozenset[str]: ...


class Finder:
    """`similar_floor` is the cosine under which nothing looks alike; `clicked` tells of a product in how many views
    which others were clicked, too."""

    def __init__(
        self,
        index: ProductIndex,
        products: Products,
        rule: ExactRule,
        similar_floor: float,
        worn: WornTogether,
        clicked: Callable[[str], Mapping[str, int]],
    ) -> None:
        self._index = index
        self._products = products
        self._rule = rule
        self._similar_floor = similar_floor
        self._worn = worn
        self._clicked = clicked
        self._folding = Folding(self._vectors, rule.same_picture, similar_floor)

    def match(
        self,
        vectors: NDArray[np.float32],
        *,
        catalog_ids: frozenset[str],
        k: int,
        looks: Sequence[Look] = (),
        wrong: Sequence[frozenset[str]] = (),
        **filters: Unpack[Filters],
    ) -> list[list[Match]]:
        """For each of `vectors` (n, dim) up to k matches in the catalogs, best first (ranking.py says what that is).
        `looks`, where given, say more of the objects; `wrong` names products that the caller will not have for them."""
        lines = self._found(vectors, max(k, POOL), IndexFilter(catalog_ids, **filters))
        narrowed = any(value not in (None, frozenset()) for value in filters.values())
        return [
            ordered(self._matches(line[: max(k, POOL)], look, narrowed, not_it), look, self._similar_floor, k, not_it)
            for line, look, not_it in zip(
                lines, looks or [UNKNOWN_LOOK] * len(lines), wrong or [NO_PRODUCTS] * len(lines), strict=True
            )
        ]

    def similar(
        self,
        product_id: str,
        *,
        visible: frozenset[str],
        catalog_ids: frozenset[str],
        k: int,
        **filters: Unpack[Filters],
    ) -> list[Match]:
        """Products of `catalog_ids` that look like this one of the `visible` catalogs, itself left out. The same
        product of other sellers is one exact match. Raises NotFound, and Conflict when it has no vector."""
        product, vector = self._seen(product_id, visible)
        filters["exclude_product_ids"] = filters.get("exclude_product_ids", frozenset()) | {product_id}
        own = Hit(product_id, product.catalog_id, 1.0)
        [line] = self._found(vector, max(k, POOL), IndexFilter(catalog_ids, **filters), own)
        matches = []
        for group in line:
            kind = MatchType.similar
            if group.hits[0] is own:
                kind = MatchType.exact
                group = Group(group.hits[1:], group.products[1:])  # noqa: PLW2901 - without the product asked about
            if group.hits:
                leader, score, offers = shown(group)
                matches.append(Match(leader, score, kind, offers))
        look = Look(tuple(traits_of(product).seen.items()), product.audience)
        return ordered(matches[: max(k, POOL)], look, self._similar_floor, k)

    def complements(
        self,
        product_id: str,
        *,
        visible: frozenset[str],
        catalog_ids: frozenset[str],
        k: int,
        **filters: Unpack[Filters],
    ) -> list[Match]:
        """Products that go with this one: of each group that complements its category (outfits.py) those first that
        are clicked together with it, then those that look like what is worn with it. The best of each group comes
        before any second one, so that a look is complete before it repeats itself; the most usual groups come first.
        `score` is the cosine to what is worn with it. Raises as `similar` does."""
        product, vector = self._seen(product_id, visible)
        if product.category is None:
            return []
        known = frozenset(map(category_key, self._products.categories(catalog_ids)))
        if wanted := filters.get("category"):
            known = frozenset(item for item in known if _is_below(item, wanted))
        own, clicked = slot_of(product.category), self._clicked(product_id)
        look, pool = Look(audience=product.audience), max(k, POOL)
        beside = self._worn.beside(vector[0], own)[None] if own else vector
        found: list[tuple[int, float, Match]] = []
        for name, group in complementary(category_key(product.category), known).items():
            filters["category"] = group
            usual = self._worn.share(own, Slot(name)) if own else 0.0
            [line] = self._found(beside, pool, IndexFilter(catalog_ids, **filters))
            groups = map(shown, line[:pool])
            fitting = [Match(leader, score, MatchType.complement, offers) for leader, score, offers in groups]
            best = ordered(fitting, look, NO_FLOOR)
            best.sort(key=lambda match: (not in_stock(match.product), -clicked.get(match.product.id, 0)))
            found += [(place, usual, item) for place, item in enumerate(best[:k])]
        found.sort(key=lambda one: (one[0], -one[1], -one[2].score))
        return [match for _, _, match in found[:k]]

    def _found(
        self, vectors: NDArray[np.float32], k: int, where: IndexFilter, own: Hit | None = None
    ) -> list[list[Group]]:
        """For each line k products, as far as there are as many, and possibly more; `own` goes first. The catalog has
        the last word on where a product lives: the index may lag behind it."""
        lines: list[list[Group]] = [[] for _ in vectors]
        waiting, count = list(range(len(lines))), min(round(k * (1 + SPARE_SHARE)) + SPARE, MOST_HITS)
        for _ in range(ROUNDS):
            asked = vectors if len(waiting) == len(lines) else vectors[waiting]
            with SEARCH_SECONDS.time():
                hits = self._index.search(asked, count, where)
            for place, groups in zip(waiting, self._groups(hits, own), strict=True):
                lines[place] = groups
            enough = k if own is None else k + 1
            ended = count >= MOST_HITS
            waiting = [
                place
                for place, line in zip(waiting, hits, strict=True)
                if len(line) >= count and len(lines[place]) < enough and not ended
            ]
            if not waiting:
                break
            count = min(count * MORE, MOST_HITS)
        return lines

    def _groups(self, lines: list[list[Hit]], own: Hit | None) -> list[list[Group]]:
        ids = {hit.product_id for line in lines for hit in line}
        products = self._products.products_by_ids(ids if own is None else ids | {own.product_id})
        live = [
            [hit for hit in line if (held := products.get(hit.product_id)) and held.catalog_id == hit.catalog_id]
            for line in lines
        ]
        if own is not None and own.product_id in products:
            live = [[own, *line] for line in live]
        return self._folding.groups(live, products)

    def _matches(
        self, groups: Sequence[Group], look: Look, narrowed: bool, wrong: frozenset[str] = NO_PRODUCTS
    ) -> list[Match]:
        """`narrowed`: a filter took rivals away, so a lead over what is left proves nothing."""
        tied = len(groups) > 1 and _tied(groups[0], groups[1])
        matches = []
        for place, group in enumerate(groups):
            leader, score, offers = shown(group)
            if tied and groups[0].score - score < TIE:
                exact = False
            elif place:
                exact = self._rule.is_exact(score, BEHIND, None)
            else:
                margin = group.score - groups[1].score if len(groups) > 1 and not narrowed else None
                agreement = agreement_of(look.colours, traits_of(leader).seen)
                exact = self._rule.is_exact(score, margin, agreement, look.asked)
            if wrong and any(hit.product_id in wrong for hit in group.hits):
                exact = False
            matches.append(Match(leader, score, MatchType.exact if exact else MatchType.similar, offers))
        return matches

    def _seen(self, product_id: str, catalog_ids: frozenset[str]) -> tuple[ProductRead, NDArray[np.float32]]:
        """The product and its vector as a line of one. NotFound also for what other tenants do not list."""
        product = self._products.products_by_ids([product_id]).get(product_id)
        if product is None or product.catalog_id not in catalog_ids:
            raise NotFound("There is no such product.", code="product_not_found")
        vector = self._index.vector(product.catalog_id, product_id)
        if vector is None:
            raise Conflict("The picture of this product is not indexed (yet).", code="not_indexed")
        return product, vector[None]

    def _vectors(self, keys: Sequence[Key]) -> Mapping[Key, NDArray[np.float32]]:
        try:
            return self._index.vectors(keys)
        except IndexUnavailable:  # it has just answered the search: rather an offer twice than no answer
            return {}


def _tied(first: Group, second: Group) -> bool:
    """Whether two products that their feeds tell apart lie equally near: then none of them is surely the one. What has
    one name (sizes that each have a number, say) is the same thing as far as a picture goes."""
    if first.score - second.score >= TIE:
        return False
    return not same_title(traits_of(first.products[0]).words, traits_of(second.products[0]).words)


def _is_below(category: str, wanted: frozenset[str]) -> bool:
    return any(f"{category} > ".startswith(f"{category_key(item)} > ") for item in wanted)
