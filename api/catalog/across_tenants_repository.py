"""What must look at all tenants' catalogs: public ones, work that waits, the rows that indexes are rebuilt from."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select, update

from api.accounts.models import Tenant
from api.catalog.models import Catalog, Import, Product, ProductVector
from api.vision.attributes import VERSION

# one that waits is still found by its last picture; one that failed has none to be found by
SEARCHABLE_STATES = ("indexed", "pending")
Indexed = tuple[Product, bytes, Mapping[str, Any] | None]


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

    def products_as_seen(self, product_ids: Sequence[str]) -> Sequence[tuple[Product, Mapping[str, Any] | None]]:
        """The same with what was seen on their pictures."""
        query = (
            select(Product, ProductVector.seen)
            .join(Catalog, col(Catalog.id) == Product.catalog_id)
            .join(ProductVector, col(ProductVector.product_id) == Product.id, isouter=True)
            .where(col(Product.id).in_(product_ids))
            .where(col(Product.deleted_at).is_(None), col(Catalog.deleted_at).is_(None))
        )
        rows: Sequence[tuple[Product, Mapping[str, Any] | None]] = self.session.exec(query).all()
        return rows

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

    def indexed(self, embedder_version: str, after: str, limit: int) -> Sequence[Indexed]:
        """Products with a vector of this embedder, in the order of their ids."""
        query = _indexed(embedder_version).where(Product.id > after).order_by(col(Product.id)).limit(limit)
        rows: Sequence[Indexed] = self.session.exec(query).all()
        return rows

    def indexed_of(self, embedder_version: str, product_ids: Sequence[str]) -> Sequence[Indexed]:
        """Those of these products that an index should hold."""
        query = _indexed(embedder_version).where(col(Product.id).in_(product_ids))
        rows: Sequence[Indexed] = self.session.exec(query).all()
        return rows

    def waiting_of(self, product_ids: Sequence[str]) -> Sequence[str]:
        """Those of these products that wait to be looked at."""
        query = select(Product.id).where(col(Product.id).in_(product_ids), Product.index_state == "pending")
        return self.session.exec(query.where(col(Product.deleted_at).is_(None))).all()

    def indexed_ids(self, embedder_version: str, catalog_id: str) -> Sequence[str]:
        """The ids of a catalog that an index should hold."""
        query = _indexed(embedder_version).with_only_columns(col(Product.id)).where(Product.catalog_id == catalog_id)
        return [product_id for (product_id,) in self.session.exec(query)]

    def indexed_stamps(self, embedder_version: str, catalog_id: str) -> Sequence[tuple[str, datetime]]:
        """The same with when each product was last changed."""
        query = _indexed(embedder_version).with_only_columns(col(Product.id), col(Product.updated_at))
        rows: Sequence[tuple[str, datetime]] = self.session.exec(query.where(Product.catalog_id == catalog_id)).all()
        return rows

    def unsettled(self, since: datetime | None) -> Sequence[tuple[str, str]]:
        """(catalog, product) of what waits to be looked at; with `since`, of what changed or left from then on."""
        which = Product.index_state == "pending" if since is None else col(Product.updated_at) >= since
        return self.session.exec(select(Product.catalog_id, Product.id).where(which)).all()

    def changed_since(self, since: datetime, limit: int) -> Sequence[tuple[str, datetime]]:
        """(product, when) of what was created, changed or removed from then on, the newest if there are more."""
        newest = col(Product.updated_at).desc()
        query = select(Product.id, Product.updated_at).where(col(Product.updated_at) >= since).order_by(newest)
        return self.session.exec(query.limit(limit)).all()

    def deleted_since(self, since: datetime) -> Sequence[str]:
        """Catalogs that were deleted from then on."""
        return self.session.exec(select(Catalog.id).where(col(Catalog.deleted_at) >= since)).all()

    def index_counts(self, catalog_id: str | None = None) -> dict[str, tuple[int, int]]:
        """By live catalog how many products an index must hold at least, and may hold at most: one that waits may or
        may not have an earlier vector."""
        indexed = func.sum(case((col(Product.index_state) == "indexed", 1), else_=0))
        waits = func.sum(case((col(Product.index_state) == "pending", 1), else_=0))
        held = and_(col(Product.catalog_id) == Catalog.id, col(Product.deleted_at).is_(None))
        query = select(Catalog.id, func.coalesce(indexed, 0), func.coalesce(waits, 0)).join(Product, held, isouter=True)
        query = query.where(col(Catalog.deleted_at).is_(None)).group_by(col(Catalog.id))
        if catalog_id is not None:
            query = query.where(Catalog.id == catalog_id)
        return {name: (int(least), int(least) + int(more)) for name, least, more in self.session.exec(query).all()}

    def categories(self, catalog_ids: Sequence[str]) -> Sequence[tuple[str, str]]:
        """The distinct (catalog, category) of products that are not removed."""
        query = select(Product.catalog_id, Product.category).where(col(Product.catalog_id).in_(catalog_ids))
        named = query.where(col(Product.deleted_at).is_(None), Product.category != "")
        return self.session.exec(named.distinct()).all()

    def yet_unseen(self, embedder_version: str) -> int:
        """How many products have a vector, but none of this embedder yet: an index cannot hold them."""
        live = and_(col(Product.deleted_at).is_(None), col(Product.index_state).in_(SEARCHABLE_STATES))
        query = (
            select(func.count())
            .select_from(ProductVector)
            .join(Product, and_(col(Product.id) == ProductVector.product_id, live))
            .join(Catalog, and_(col(Catalog.id) == Product.catalog_id, col(Catalog.deleted_at).is_(None)))
            .where(col(ProductVector.embedder_version) != embedder_version)
        )
        return self.session.exec(query).one()

    def seen_by_other_eyes(self, embedder_version: str) -> int:
        """Send products whose vector another embedder made, or whose looks were not noted (this way), back to be looked
        at; how many."""
        unseen = or_(col(ProductVector.seen).is_(None), col(ProductVector.seen)["version"].as_integer() != VERSION)
        stale = select(ProductVector.product_id).where(
            or_(col(ProductVector.embedder_version) != embedder_version, unseen)
        )
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
        query = select(Import.id).where(_idle(now), ~_must_wait()).order_by(col(Import.id)).limit(100)
        return self.session.exec(query).all()

    def claim(self, import_id: str, lease: str, now: datetime, until: datetime) -> Import | None:
        """Take an import for this process; None when it is not to be had now."""
        values: dict[str, Any] = {"state": "running", "lease": lease, "lease_until": until}
        values["attempts"] = Import.attempts + 1
        # one claim of a catalog at a time: two that look at once would each miss that the other begins
        catalog = select(Import.catalog_id).where(Import.id == import_id).scalar_subquery()
        turn = select(Catalog.id).where(Catalog.id == catalog).with_for_update(key_share=True)
        self.session.exec(turn).all()
        query = update(Import).where(col(Import.id) == import_id, _idle(now), ~_must_wait())
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


def _indexed(embedder_version: str) -> Any:
    """Products with their vectors and what was seen, as an index holds them."""
    return (
        select(Product, ProductVector.vector, ProductVector.seen)
        .join(ProductVector, col(ProductVector.product_id) == Product.id)
        .join(Catalog, col(Catalog.id) == Product.catalog_id)
        .where(ProductVector.embedder_version == embedder_version)
        .where(col(Product.deleted_at).is_(None), col(Catalog.deleted_at).is_(None))
        .where(col(Product.index_state).in_(SEARCHABLE_STATES))
    )


def _idle(now: datetime) -> Any:
    lapsed = and_(col(Import.state) == "running", col(Import.lease_until) < now)
    return or_(col(Import.state) == "queued", lapsed)


def _must_wait() -> Any:
    """One import of a catalog at a time, in the order in which they were asked for. Machines' clocks differ and a
    transaction may take long, so an older one can turn up while a younger one runs already: it waits for its end."""
    other = aliased(Import)
    elder = and_(col(other.state) == "queued", col(Import.state) == "queued", col(other.id) < col(Import.id))
    return (
        select(other.id)
        .where(col(other.catalog_id) == col(Import.catalog_id), col(other.id) != col(Import.id))
        .where(or_(col(other.state) == "running", elder))
        .exists()
    )
