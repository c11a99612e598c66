"""The rows of one tenant's catalogs and products."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import or_
from sqlmodel import col, delete, func, select, update

from api.catalog.models import Catalog, Import, ImportFault, Product, ProductVector
from api.kit.db import TenantRepository
from api.vision.attributes import VERSION

UNFINISHED = ("queued", "running")


class CatalogRepository(TenantRepository):
    """One tenant's catalogs and products."""

    def add(self, row: Catalog | Product | Import) -> None:
        """Store a new row."""
        self.session.add(row)

    def catalog(self, catalog_id: str) -> Catalog | None:
        """A catalog that was not deleted."""
        query = select(Catalog).where(Catalog.id == catalog_id, Catalog.tenant_id == self.tenant_id)
        return self.session.exec(query.where(col(Catalog.deleted_at).is_(None))).one_or_none()

    def catalogs(self, after: str | None, limit: int) -> Sequence[Catalog]:
        """Catalogs, oldest first, one more than the page holds."""
        query = select(Catalog).where(Catalog.tenant_id == self.tenant_id, col(Catalog.deleted_at).is_(None))
        if after:
            query = query.where(Catalog.id > after)
        return self.session.exec(query.order_by(col(Catalog.id)).limit(limit + 1)).all()

    def catalog_ids(self) -> Sequence[str]:
        """All of the tenant's catalogs."""
        query = select(Catalog.id).where(Catalog.tenant_id == self.tenant_id, col(Catalog.deleted_at).is_(None))
        return self.session.exec(query).all()

    def product(self, product_id: str) -> Product | None:
        """A product that was not removed, to change: imports and other changes of it wait."""
        query = select(Product).where(Product.id == product_id, Product.tenant_id == self.tenant_id)
        return self.session.exec(query.where(col(Product.deleted_at).is_(None)).with_for_update()).one_or_none()

    def products(
        self, catalog_id: str | None, external_id: str | None, text: str | None, after: str | None, limit: int
    ) -> Sequence[tuple[Product, Mapping[str, Any] | None]]:
        """Products in the order of their ids with what was seen on their pictures, one more than the page holds."""
        query = (
            select(Product, ProductVector.seen)
            .join(Catalog, col(Catalog.id) == Product.catalog_id)
            .join(ProductVector, col(ProductVector.product_id) == Product.id, isouter=True)
            .where(Product.tenant_id == self.tenant_id)
            .where(col(Product.deleted_at).is_(None), col(Catalog.deleted_at).is_(None))
        )
        if catalog_id:
            query = query.where(Product.catalog_id == catalog_id)
        if external_id:
            query = query.where(Product.external_id == external_id)
        if text:
            pattern = f"%{_escaped(text)}%"
            columns = (Product.title, Product.brand, Product.external_id)
            fits = [col(column).ilike(pattern, escape="\\") for column in columns]
            query = query.where(or_(*fits))
        if after:
            query = query.where(Product.id > after)
        rows: Sequence[tuple[Product, Mapping[str, Any] | None]]
        rows = self.session.exec(query.order_by(col(Product.id)).limit(limit + 1)).all()
        return rows

    def seen(self, product_id: str) -> Mapping[str, Any] | None:
        """What was seen on a product's picture."""
        query = select(ProductVector.seen).where(ProductVector.product_id == product_id)
        return self.session.exec(query.where(ProductVector.tenant_id == self.tenant_id)).one_or_none()

    def counts_by_state(self, catalog_id: str) -> dict[str, int]:
        """How many products are in each index state."""
        query = select(Product.index_state, func.count()).where(
            Product.tenant_id == self.tenant_id, Product.catalog_id == catalog_id, col(Product.deleted_at).is_(None)
        )
        return dict(self.session.exec(query.group_by(Product.index_state)).all())

    def remove_products(self, product_ids: Sequence[str], at: datetime) -> int:
        """Mark as removed and drop the vectors; how many were there."""
        live = update(Product).where(col(Product.id).in_(product_ids), col(Product.deleted_at).is_(None))
        mine = live.where(col(Product.tenant_id) == self.tenant_id)
        gone = self.session.exec(mine.values(deleted_at=at, updated_at=at))
        vectors = delete(ProductVector).where(col(ProductVector.product_id).in_(product_ids))
        self.session.exec(vectors.where(col(ProductVector.tenant_id) == self.tenant_id))
        return int(gone.rowcount)

    def clear_away(self, catalog_id: str, limit: int) -> list[str]:
        """Delete rows and vectors of up to `limit` products of a deleted catalog; their ids."""
        query = select(Product.id).where(Product.tenant_id == self.tenant_id, Product.catalog_id == catalog_id)
        # held first: an indexer that is at one of them stores its vector before or not at all
        ids = list(self.session.exec(query.order_by(col(Product.id)).limit(limit).with_for_update()).all())
        self.session.exec(delete(ProductVector).where(col(ProductVector.product_id).in_(ids)))
        self.session.exec(delete(Product).where(col(Product.id).in_(ids), col(Product.tenant_id) == self.tenant_id))
        return ids

    def live_product_ids(self, catalog_id: str, limit: int, *, but_seen_by: str | None = None) -> Sequence[str]:
        """Ids of products that were not removed; `but_seen_by` leaves out those that this import saw."""
        query = select(Product.id).where(
            Product.tenant_id == self.tenant_id, Product.catalog_id == catalog_id, col(Product.deleted_at).is_(None)
        )
        if but_seen_by:
            query = query.where(or_(col(Product.seen_import_id).is_(None), col(Product.seen_import_id) != but_seen_by))
        return self.session.exec(query.limit(limit)).all()


class ImportRepository(TenantRepository):
    """One tenant's imports, and the products that they touch."""

    def get(self, import_id: str) -> Import | None:
        """One import."""
        query = select(Import).where(Import.id == import_id, Import.tenant_id == self.tenant_id)
        return self.session.exec(query).one_or_none()

    def page(self, catalog_id: str, after: str | None, limit: int) -> Sequence[Import]:
        """A catalog's imports, newest first, one more than the page holds."""
        query = select(Import).where(Import.tenant_id == self.tenant_id, Import.catalog_id == catalog_id)
        if after:
            query = query.where(Import.id < after)
        return self.session.exec(query.order_by(col(Import.id).desc()).limit(limit + 1)).all()

    def faults(self, import_id: str, limit: int) -> Sequence[ImportFault]:
        """The first things wrong, in the order in which they were met."""
        query = select(ImportFault).where(ImportFault.tenant_id == self.tenant_id, ImportFault.import_id == import_id)
        return self.session.exec(query.order_by(col(ImportFault.id)).limit(limit)).all()

    def take_turns(self, catalog_id: str) -> None:
        """Whoever asks for a turn of the same catalog waits until this transaction ends."""
        mine = select(Catalog.id).where(Catalog.id == catalog_id, Catalog.tenant_id == self.tenant_id)
        self.session.exec(mine.with_for_update(key_share=True)).all()

    def unfinished(self, catalog_id: str) -> int:
        """How many imports of the catalog wait or run."""
        query = select(func.count()).select_from(Import)
        return self.session.exec(
            query.where(
                Import.tenant_id == self.tenant_id, Import.catalog_id == catalog_id, col(Import.state).in_(UNFINISHED)
            )
        ).one()

    def keep_lease(self, import_id: str, lease: str, until: datetime) -> bool:
        """Renew the lease; False when another process has taken the import over."""
        mine = update(Import).where(col(Import.id) == import_id, col(Import.tenant_id) == self.tenant_id)
        held = mine.where(col(Import.lease) == lease, col(Import.state) == "running")
        return bool(self.session.exec(held.values(lease_until=until)).rowcount)

    def advance(self, import_id: str, changes: dict[str, Any], adds: dict[str, int]) -> None:
        """Set columns of the import and add to its counts."""
        values = changes | {name: getattr(Import, name) + number for name, number in adds.items() if number}
        if values:
            mine = update(Import).where(col(Import.id) == import_id, col(Import.tenant_id) == self.tenant_id)
            self.session.exec(mine.values(**values))

    def add_faults(self, faults: Sequence[ImportFault]) -> None:
        """Store what was wrong."""
        self.session.add_all(faults)

    def products_by_external_id(self, catalog_id: str, external_ids: Sequence[str]) -> dict[str, Product]:
        """Products of the catalog by the brand's id, removed ones included, to change: a PUT of one of them comes
        wholly before or after."""
        query = select(Product).where(
            Product.tenant_id == self.tenant_id,
            Product.catalog_id == catalog_id,
            col(Product.external_id).in_(external_ids),
        )
        rows = self.session.exec(query.order_by(col(Product.id)).with_for_update()).all()
        return {row.external_id: row for row in rows}

    def pending(self, catalog_id: str, limit: int) -> Sequence[Product]:
        """Products whose picture waits to be seen."""
        query = select(Product).where(
            Product.tenant_id == self.tenant_id,
            Product.catalog_id == catalog_id,
            Product.index_state == "pending",
            col(Product.deleted_at).is_(None),
        )
        return self.session.exec(query.order_by(col(Product.id)).limit(limit)).all()

    def vectors(self, product_ids: Sequence[str], embedder_version: str) -> dict[str, tuple[bytes, Mapping[str, Any]]]:
        """Stored vectors of one embedder, with what else was seen; those without it are to be looked at anew."""
        query = select(ProductVector.product_id, ProductVector.vector, ProductVector.seen).where(
            ProductVector.tenant_id == self.tenant_id,
            col(ProductVector.product_id).in_(product_ids),
            ProductVector.embedder_version == embedder_version,
        )
        rows = self.session.exec(query).all()
        return {product_id: (vector, seen) for product_id, vector, seen in rows if seen and seen["version"] == VERSION}

    def settle(self, product: Product, state: str, error: str | None, picture: tuple[str, str] | None) -> bool:
        """The outcome of looking at a product's picture, unless the product changed or left meanwhile. `picture` is
        (source, blob key)."""
        values: dict[str, Any] = {"index_state": state, "index_error": error}
        if picture:
            values |= {"picture_from": picture[0], "picture_key": picture[1]}
        same = update(Product).where(
            col(Product.id) == product.id,
            col(Product.tenant_id) == self.tenant_id,
            col(Product.row_hash) == product.row_hash,
            col(Product.index_state) == "pending",
            col(Product.deleted_at).is_(None),
        )
        return bool(self.session.exec(same.values(**values)).rowcount)

    def store_vector(self, vector: ProductVector) -> None:
        """Add or replace a product's vector."""
        self.session.merge(vector)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
