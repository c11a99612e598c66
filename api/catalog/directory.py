"""What every hot path asks about catalogs, answered from memory when warm: products by id, which catalogs a caller may
search, whose they are. Built without a tenant because tags and search cross tenants; each answer names its scope."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from api.catalog.across_tenants_repository import SEARCHABLE_STATES, CatalogRowsAcrossTenants, Indexed
from api.catalog.models import Product
from api.catalog.repository import CatalogRepository
from api.catalog.schemas import ProductRead, Seen
from api.kit.cache import FreshCache
from api.kit.db import Database

# unlisting must work within 5 s in every process; a changed product shows at once in the process of the change, within
# seconds in others that serve (`freshness`), within a minute at the latest. Each refresh is a query, so a search over
# many products must not start one for each every few seconds.
LISTING_REFRESH_S, LISTING_EXPIRE_S = 1.5, 4.0
PRODUCT_REFRESH_S, PRODUCT_EXPIRE_S = 20.0, 60.0
# a category more or less changes no answer much, and to find them all the products of a catalog are gone through
CATEGORY_REFRESH_S, CATEGORY_EXPIRE_S = 60.0, 3600.0
_SQL_IDS = 500


def read_product(row: Product, base_url: str, seen: Mapping[str, Any] | None = None) -> ProductRead:
    """The product as answers show it, with what was `seen` on its picture (as stored). A picture that came in a ZIP has
    our own address."""
    linked = row.image_link.startswith(("http://", "https://"))
    return ProductRead(
        id=row.id,
        external_id=row.external_id,
        catalog_id=row.catalog_id,
        title=row.title,
        brand=row.brand or None,
        category=row.category or None,
        price_micros=row.price_micros,
        sale_price_micros=row.sale_price_micros,
        currency=row.currency,
        url=row.url,
        image_url=row.image_link if linked else f"{base_url}/i/{row.id}/640" if row.image_link else None,
        availability=row.availability,
        audience=row.audience,
        attributes=row.attributes,
        seen=Seen.model_validate(seen) if seen and row.index_state in SEARCHABLE_STATES else None,
        gtin=row.gtin,
    )


class CatalogAcrossTenants:
    """Cached lookups. Removed products and deleted catalogs are not found."""

    def __init__(self, database: Database, base_url: str) -> None:
        self._database = database
        self._base_url = base_url
        self._batch = threading.local()
        self._category_batch = threading.local()
        self._products: FreshCache[str, ProductRead | None] = FreshCache(
            self._load_product, refresh_after_s=PRODUCT_REFRESH_S, expire_after_s=PRODUCT_EXPIRE_S
        )
        self._own: FreshCache[str, frozenset[str]] = FreshCache(
            self._load_own, refresh_after_s=LISTING_REFRESH_S, expire_after_s=LISTING_EXPIRE_S
        )
        self._public: FreshCache[str, frozenset[str]] = FreshCache(
            self._load_public, refresh_after_s=LISTING_REFRESH_S, expire_after_s=LISTING_EXPIRE_S
        )
        self._owners: FreshCache[str, str | None] = FreshCache(
            self._load_owner, refresh_after_s=3600, expire_after_s=7200
        )
        self._categories: FreshCache[str, frozenset[str]] = FreshCache(
            self._load_categories, refresh_after_s=CATEGORY_REFRESH_S, expire_after_s=CATEGORY_EXPIRE_S
        )

    def products_by_ids(self, product_ids: Iterable[str]) -> dict[str, ProductRead]:
        """Those that exist, by id. Cold ids cost one query together; warm ones none."""
        peeked = {product_id: self._products.peek(product_id) for product_id in product_ids}
        found = {product_id: product for product_id, (_, product) in peeked.items()}
        cold = [product_id for product_id, (warm, _) in peeked.items() if not warm]
        if cold:
            self._batch.rows = dict.fromkeys(cold) | self._query(cold)
            try:
                found |= {product_id: self._products.get(product_id) for product_id in cold}
            finally:
                self._batch.rows = {}
        return {product_id: product for product_id, product in found.items() if product is not None}

    def peek_products(self, product_ids: Sequence[str]) -> dict[str, ProductRead] | None:
        """The same from memory alone; None when a query would be needed (then ask from a thread)."""
        found = {product_id: self._products.peek(product_id) for product_id in product_ids}
        if not all(warm for warm, _ in found.values()):
            return None
        return {product_id: product for product_id, (_, product) in found.items() if product is not None}

    def categories(self, catalog_ids: frozenset[str]) -> frozenset[str]:
        """The distinct categories of these catalogs' products, as their feeds write them; possibly some gone ones.
        Cold catalogs cost one query together."""
        cold = [catalog_id for catalog_id in catalog_ids if not self._categories.peek(catalog_id)[0]]
        self._category_batch.rows = self._query_categories(cold)
        try:
            return frozenset().union(*map(self._categories.get, catalog_ids))
        finally:
            self._category_batch.rows = {}

    def searchable_catalog_ids(self, tenant_id: str) -> frozenset[str]:
        """A tenant's own catalogs and the public ones."""
        return self._own.get(tenant_id) | self.listed_catalog_ids()

    def listed_catalog_ids(self) -> frozenset[str]:
        """The public catalogs: listed, and approved by the operator. Tags draw on these alone."""
        return self._public.get("")

    def is_warm(self, tenant_id: str | None = None) -> bool:
        """Whether the catalog ids above are answered from memory; otherwise ask from a thread."""
        return self._public.peek("")[0] and (tenant_id is None or self._own.peek(tenant_id)[0])

    def owner_of(self, catalog_id: str) -> str | None:
        """The tenant whose catalog it is: the brand that pays for its products' clicks."""
        return self._owners.get(catalog_id)

    def forget(self, product_ids: Iterable[str] | None = None) -> None:
        """After a change in this process: drop some products, or everything."""
        if product_ids is None:
            for cache in (self._products, self._own, self._public, self._categories):
                cache.clear()
            return
        for product_id in product_ids:
            self._products.drop(product_id)

    def renew(self, product_ids: Iterable[str]) -> None:
        """After a change in another process: read anew what is held of these, so that no caller has to."""
        ids = list(product_ids)
        for start in range(0, len(ids), _SQL_IDS):
            # all are dropped, also those not held: one that is being loaded just now may be the old one
            held = [product_id for product_id in ids[start : start + _SQL_IDS] if self._products.drop(product_id)]
            self.products_by_ids(held)

    def _query(self, product_ids: Sequence[str]) -> dict[str, ProductRead]:
        found: dict[str, ProductRead] = {}
        for start in range(0, len(product_ids), _SQL_IDS):
            with self._database.read() as session:
                rows = CatalogRowsAcrossTenants(session).products_as_seen(product_ids[start : start + _SQL_IDS])
            found |= {row.id: read_product(row, self._base_url, seen) for row, seen in rows}
        return found

    def _load_product(self, product_id: str) -> ProductRead | None:
        batch: dict[str, ProductRead | None] = getattr(self._batch, "rows", {})
        return batch[product_id] if product_id in batch else self._query([product_id]).get(product_id)

    def _query_categories(self, catalog_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {catalog_id: set() for catalog_id in catalog_ids}
        for start in range(0, len(catalog_ids), _SQL_IDS):
            with self._database.read() as session:
                rows = CatalogRowsAcrossTenants(session).categories(catalog_ids[start : start + _SQL_IDS])
            for catalog_id, category in rows:
                found[catalog_id].add(category)
        return {catalog_id: frozenset(categories) for catalog_id, categories in found.items()}

    def _load_categories(self, catalog_id: str) -> frozenset[str]:
        batch: dict[str, frozenset[str]] = getattr(self._category_batch, "rows", {})
        return batch[catalog_id] if catalog_id in batch else self._query_categories([catalog_id])[catalog_id]

    def _load_own(self, tenant_id: str) -> frozenset[str]:
        with self._database.read() as session:
            return frozenset(CatalogRepository(session, tenant_id).catalog_ids())

    def _load_public(self, _: str) -> frozenset[str]:
        with self._database.read() as session:
            return frozenset(CatalogRowsAcrossTenants(session).public_catalogs())

    def _load_owner(self, catalog_id: str) -> str | None:
        with self._database.read() as session:
            return CatalogRowsAcrossTenants(session).owner(catalog_id)


def yet_unseen(database: Database, embedder_version: str) -> int:
    """How many products have a vector of another embedder only, so that searches do not find them. Counts rows: for a
    house that starts, not for a probe."""
    with database.read() as session:
        return CatalogRowsAcrossTenants(session).yet_unseen(embedder_version)


def indexed_products(database: Database, embedder_version: str, chunk: int = 1000) -> Iterator[list[Indexed]]:
    """Every product with its stored vector and what was seen on its picture, in chunks: what an index comes from."""
    after = ""
    while True:
        with database.read() as session:
            rows = list(CatalogRowsAcrossTenants(session).indexed(embedder_version, after, chunk))
        if not rows:
            return
        yield rows
        after = rows[-1][0].id
