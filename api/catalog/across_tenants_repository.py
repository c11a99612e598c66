"""What must look at all tenants' catalogs: public ones, work that waits, the rows that indexes are rebuilt from."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select, update

from api.accounts.models import Tenant
from api.catalog.models import Catalog, Import, Product, ProductVector


class CatalogRowsAcrossTenants:
    """Reads over all catalogs, for caches that then answer within a scope."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def products(self, product_ids: Sequence[str]) -> Sequence[Product]:
        """Products that are not removed, of catalogs that are not deleted."""
        query = (
            select(Product)
            .join(Catalog, col(Catalog.id) == Product.catalog_id)
            .where(col(Product.id).in_(product_ids))
            .where(col(Product.deleted_at).is_(None), col(Catalog.deleted_at).is_(None))
        )
        return self.session.exec(query).all()

    def public_catalogs(self) -> Sequence[str]:
        """Catalogs that are listed, of brands with the operator's approval."""
        query = (
            select(Catalog.id)
            .join(Tenant, col(Tenant.id) == Catalog.tenant_id)
            .where(col(Catalog.listed), col(Tenant.listing_approved), col(Catalog.deleted_at).is_(None))
        )
        return self.session.exec(query).all()

    def owner(self, catalog_id: str) -> str | None:
        """The tenant of a catalog, deleted ones included."""
        return self.session.exec(select(Catalog.tenant_id).where(Catalog.id == catalog_id)).one_or_none()

    def live(self, catalog_id: str) -> bool:
        """Whether the catalog exists and was not deleted."""
        query = select(Catalog.id).where(Catalog.id == catalog_id, col(Catalog.deleted_at).is_(None))
        return self.session.exec(query).one_or_none() is not None

    def approved(self, tenant_id: str) -> bool:
        """Whether the operator lets this tenant's catalogs be listed."""
        return bool(self.session.exec(select(Tenant.listing_approved).where(Tenant.id == tenant_id)).one_or_none())

    def indexed(self, embedder_version: str, after: str, limit: int) -> Sequence[tuple[Product, bytes]]:
        """Products with a vector of this embedder, in the order of their ids."""
        query = (
            select(Product, ProductVector.vector)
            .join(ProductVector, col(ProductVector.product_id) == Product.id)
            .join(Catalog, col(Catalog.id) == Product.catalog_id)
            .where(ProductVector.embedder_version == embedder_version, Product.id > after)
            .where(col(Product.deleted_at).is_(None), col(Catalog.deleted_at).is_(None))
            # one that waits is still found by its last picture; one that failed has none to be found by
            .where(col(Product.index_state).in_(("indexed", "pending")))
        )
        return self.session.exec(query.order_by(col(Product.id)).limit(limit)).all()

    def seen_by_other_embedders(self, embedder_version: str) -> int:
        """Send products whose vector another embedder made back to be looked at; how many."""
        stale = select(ProductVector.product_id).where(ProductVector.embedder_version != embedder_version)
        query = update(Product).where(col(Product.id).in_(stale), col(Product.index_state) == "indexed")
        return int(self.session.exec(query.values(index_state="pending")).rowcount)


class ImportsAcrossTenants:
    """Work that waits, whoever's it is."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, import_id: str) -> Import | None:
        """One import."""
        return self.session.get(Import, import_id)

    def claimable(self, now: datetime) -> Sequence[str]:
        """Imports that nobody works on and whose turn it is: the oldest unfinished one of each catalog."""
        query = select(Import.id).where(_idle(now), ~_has_elder()).order_by(col(Import.id)).limit(100)
        return self.session.exec(query).all()

    def claim(self, import_id: str, lease: str, now: datetime, until: datetime) -> Import | None:
        """Take an import for this process; None when it is not to be had now."""
        values: dict[str, Any] = {"state": "running", "lease": lease, "lease_until": until}
        values["attempts"] = Import.attempts + 1
        query = update(Import).where(col(Import.id) == import_id, _idle(now), ~_has_elder())
        if not self.session.exec(query.values(**values)).rowcount:
            return None
        return self.session.get(Import, import_id, populate_existing=True)

    def next_of(self, catalog_id: str) -> str | None:
        """The oldest import of a catalog that waits."""
        query = select(Import.id).where(Import.catalog_id == catalog_id, Import.state == "queued")
        return self.session.exec(query.order_by(col(Import.id)).limit(1)).one_or_none()

    def catalogs_with_pending(self, limit: int) -> Sequence[str]:
        """Catalogs with products to look at and no import that will do it."""
        busy = select(Import.catalog_id).where(col(Import.state).in_(("queued", "running")))
        waits = select(Product.id).where(
            Product.catalog_id == Catalog.id, Product.index_state == "pending", col(Product.deleted_at).is_(None)
        )
        # one look into the index of (catalog, state) for each catalog, however many products it has
        query = select(Catalog.id).where(
            waits.exists(), col(Catalog.deleted_at).is_(None), col(Catalog.id).not_in(busy)
        )
        return self.session.exec(query.limit(limit)).all()

    def deleted_catalogs_with_products(self, limit: int) -> Sequence[str]:
        """Catalogs that were deleted and still hold products."""
        held = select(Product.id).where(Product.catalog_id == Catalog.id)
        query = select(Catalog.id).where(col(Catalog.deleted_at).is_not(None), held.exists())
        return self.session.exec(query.limit(limit)).all()


def _idle(now: datetime) -> Any:
    lapsed = and_(col(Import.state) == "running", col(Import.lease_until) < now)
    return or_(col(Import.state) == "queued", lapsed)


def _has_elder() -> Any:
    """One import of a catalog at a time, in the order in which they were asked for."""
    elder = aliased(Import)
    return (
        select(elder.id)
        .where(col(elder.catalog_id) == col(Import.catalog_id), col(elder.id) < col(Import.id))
        .where(col(elder.state).in_(("queued", "running")))
        .exists()
    )
