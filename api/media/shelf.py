"""The products that tags draw on: of listed catalogs, with the brand that pays, ready to be written into answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.catalog.directory import CatalogAcrossTenants
from api.catalog.schemas import Availability, ProductRead

PICTURE_WIDTH = 640
MAX_READY = 100_000


@dataclass(frozen=True, slots=True)
class Shelved:
    """A product as answers show it. `fields` are shared between answers: copy, never change."""

    product: ProductRead
    brand_id: str
    fields: dict[str, Any]


class Shelf:
    """From memory when warm: `is_warm` says so for a set of products, `warm_up` (from a thread) makes it so."""

    def __init__(self, catalogs: CatalogAcrossTenants, base_url: str) -> None:
        self._catalogs = catalogs
        self._base_url = base_url
        self._owners: dict[str, str] = {}
        self._ready: dict[str, Shelved] = {}

    def listed(self) -> frozenset[str]:
        """The public catalogs."""
        return self._catalogs.listed_catalog_ids()

    def searchable(self, tenant_id: str) -> frozenset[str]:
        """A tenant's own catalogs and the public ones."""
        return self._catalogs.searchable_catalog_ids(tenant_id)

    def is_warm(self, product_ids: Sequence[str]) -> bool:
        """Whether `on_tags` issues no SQL for these."""
        found = self._catalogs.peek_products(product_ids) if self._catalogs.is_warm() else None
        return found is not None and all(product.catalog_id in self._owners for product in found.values())

    def warm_up(self, product_ids: Sequence[str]) -> None:
        """Read what `on_tags` needs."""
        self.listed()
        for product in self._catalogs.products_by_ids(product_ids).values():
            self._owner(product.catalog_id)

    def on_tags(self, product_ids: Sequence[str]) -> dict[str, Shelved]:
        """Those that may stand on a page's tags now: they exist, can be bought, and their catalog is listed."""
        listed = self.listed()
        return {
            product_id: shelved
            for product_id, shelved in self.within(listed, product_ids).items()
            if shelved.product.availability != Availability.out_of_stock
        }

    def within(self, catalog_ids: frozenset[str], product_ids: Sequence[str]) -> dict[str, Shelved]:
        """Those that exist in these catalogs."""
        products = self._catalogs.peek_products(product_ids)
        if products is None:
            products = self._catalogs.products_by_ids(product_ids)
        return {
            product_id: self._shelved(product)
            for product_id, product in products.items()
            if product.catalog_id in catalog_ids
        }

    def _shelved(self, product: ProductRead) -> Shelved:
        ready = self._ready.get(product.id)
        if ready is None or ready.product is not product:
            fields = product.model_dump(mode="json", exclude={"seen"})  # pages have no use for it, only its bytes
            if product.image_url:
                # from our host: a page needs no other origin, and a shopper's address reaches no brand
                fields["image_url"] = f"{self._base_url}/i/{product.id}/{PICTURE_WIDTH}"
            if len(self._ready) >= MAX_READY:
                self._ready.clear()
            ready = self._ready[product.id] = Shelved(product, self._owner(product.catalog_id), fields)
        return ready

    def _owner(self, catalog_id: str) -> str:
        owner = self._owners.get(catalog_id)
        if owner is None:
            owner = self._owners[catalog_id] = self._catalogs.owner_of(catalog_id) or ""
        return owner
