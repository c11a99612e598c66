"""Finder: from vectors and products to matches, inside the catalogs that the caller may see. Thread-safe."""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from api.catalog.schemas import ProductRead
from api.errors import Conflict, NotFound
from api.kit.metrics import MetricName, histogram
from api.search.index import Hit, IndexFilter, ProductIndex, category_key
from api.search.match import Match, MatchType
from api.search.outfits import complementary

# Asked for on top of k: products that are gone from the catalog may still be in the index for a moment.
SPARE = 8
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
    exclude_product_ids: frozenset[str]


class Products(Protocol):
    """What is needed of the catalog; answered from memory when warm."""

    def products_by_ids(self, ids: Iterable[str]) -> Mapping[str, ProductRead]: ...

    def categories(self, catalog_ids: frozenset[str]) -> frozenset[str]: ...


class Finder:
    def __init__(self, index: ProductIndex, products: Products, exact_threshold: float) -> None:
        self._index = index
        self._products = products
        self._exact_threshold = exact_threshold

    def match(
        self, vectors: NDArray[np.float32], *, catalog_ids: frozenset[str], k: int, **filters: Unpack[Filters]
    ) -> list[list[Match]]:
        """For each of `vectors` (n, dim) up to k matches in the catalogs, best first."""
        with SEARCH_SECONDS.time():
            hits = self._index.search(vectors, k + SPARE, IndexFilter(catalog_ids, **filters))
        products = self._products.products_by_ids({hit.product_id for line in hits for hit in line})
        return [self._matches(line, products)[:k] for line in hits]

    def similar(
        self,
        product_id: str,
        *,
        visible: frozenset[str],
        catalog_ids: frozenset[str],
        k: int,
        **filters: Unpack[Filters],
    ) -> list[Match]:
        """Products of `catalog_ids` that look like this one of the `visible` catalogs, itself left out.
        Raises NotFound, and Conflict when it has no vector."""
        _, vector = self._seen(product_id, visible)
        filters["exclude_product_ids"] = filters.get("exclude_product_ids", frozenset()) | {product_id}
        return self.match(vector, catalog_ids=catalog_ids, k=k, **filters)[0]

    def complements(
        self,
        product_id: str,
        *,
        visible: frozenset[str],
        catalog_ids: frozenset[str],
        k: int,
        **filters: Unpack[Filters],
    ) -> list[Match]:
        """Products that go with this one: of the groups that complement its category (outfits.py) the visually closest,
        the best of each group first, so that a look is complete before it repeats itself. Raises as `similar` does."""
        product, vector = self._seen(product_id, visible)
        if product.category is None:
            return []
        known = frozenset(map(category_key, self._products.categories(catalog_ids)))
        if wanted := filters.get("category"):
            known = frozenset(item for item in known if _is_below(item, wanted))
        found: list[tuple[int, Match]] = []
        for group in complementary(category_key(product.category), known).values():
            filters["category"] = group
            line = self.match(vector, catalog_ids=catalog_ids, k=k, **filters)[0]
            found += [(place, Match(item.product, item.score, MatchType.complement)) for place, item in enumerate(line)]
        found.sort(key=lambda pair: (pair[0], -pair[1].score))
        return [match for _, match in found[:k]]

    def _seen(self, product_id: str, catalog_ids: frozenset[str]) -> tuple[ProductRead, NDArray[np.float32]]:
        """The product and its vector as a line of one. NotFound also for what other tenants do not list."""
        product = self._products.products_by_ids([product_id]).get(product_id)
        if product is None or product.catalog_id not in catalog_ids:
            raise NotFound("There is no such product.", code="product_not_found")
        vector = self._index.vector(product.catalog_id, product_id)
        if vector is None:
            raise Conflict("The picture of this product is not indexed (yet).", code="not_indexed")
        return product, vector[None]

    def _matches(self, hits: list[Hit], products: Mapping[str, ProductRead]) -> list[Match]:
        return [
            Match(products[hit.product_id], hit.score, self._type(hit.score))
            for hit in hits
            # The catalog has the last word on where a product lives: the index may lag behind it.
            if hit.product_id in products and products[hit.product_id].catalog_id == hit.catalog_id
        ]

    def _type(self, score: float) -> MatchType:
        return MatchType.exact if score >= self._exact_threshold else MatchType.similar


def _is_below(category: str, wanted: frozenset[str]) -> bool:
    return any(f"{category} > ".startswith(f"{category_key(item)} > ") for item in wanted)
