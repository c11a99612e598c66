"""The rules of catalogs: a tenant's catalogs and products, and what other parts of the house ask of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session

from api.accounts.service import AccountService
from api.catalog.across_tenants_repository import CatalogRowsAcrossTenants
from api.catalog.checking import check_row
from api.catalog.directory import CatalogAcrossTenants, read_product
from api.catalog.feeds.archive import PictureMissing
from api.catalog.import_step import apply, picture_source, product_hash
from api.catalog.models import Catalog, Product
from api.catalog.pictures import Rendered, served_width
from api.catalog.repository import CatalogRepository, ImportRepository
from api.catalog.schemas import (
    CatalogCreate,
    CatalogRead,
    CatalogUpdate,
    IndexState,
    ProductCreate,
    ProductDetail,
    ProductIndexing,
    ProductUpdate,
)
from api.errors import Conflict, FieldError, NotFound, Unprocessable
from api.kit.blobs import BlobNotFound
from api.kit.ids import new_id
from api.kit.paging import Cursor
from api.ports import Ports

MAX_CATALOGS = 1000
NO_CATALOG = "There is no such catalog."
NO_PRODUCT = "There is no such product."

__all__ = ["CatalogAcrossTenants", "CatalogService", "ProductService", "product_picture", "product_url"]


class CatalogService:
    """One tenant's catalogs. `actor` is a user's or key's id, for the audit log."""

    def __init__(self, session: Session, tenant_id: str, actor: str, now: datetime) -> None:
        self._rows = CatalogRepository(session, tenant_id)
        self._everyone = CatalogRowsAcrossTenants(session)
        self._account = AccountService(session, tenant_id, actor, now)
        self._tenant_id = tenant_id
        self._now = now

    def create(self, data: CatalogCreate) -> CatalogRead:
        """A new, empty catalog."""
        self._account.take_turns()
        if len(self._rows.catalog_ids()) >= MAX_CATALOGS:
            raise Conflict(f"There are {MAX_CATALOGS} catalogs already; delete one first.", code="too_many_catalogs")
        catalog = Catalog(
            id=new_id("ctg"), tenant_id=self._tenant_id, name=data.name, listed=data.listed, created_at=self._now
        )
        self._rows.add(catalog)
        self._account.record("catalog.created", catalog.id)
        return self._read(catalog)

    def page(self, cursor: Cursor) -> Sequence[CatalogRead]:
        """The catalogs, oldest first, one more than the page holds."""
        return [self._read(row) for row in self._rows.catalogs(cursor.after, cursor.limit)]

    def get(self, catalog_id: str) -> CatalogRead:
        """One catalog."""
        return self._read(self._row(catalog_id))

    def update(self, catalog_id: str, data: CatalogUpdate) -> CatalogRead:
        """Change what is given."""
        catalog = self._row(catalog_id)
        if data.name is not None:
            catalog.name = data.name
        if data.listed is not None and data.listed != catalog.listed:
            catalog.listed = data.listed
            self._account.record("catalog.listed" if data.listed else "catalog.unlisted", catalog.id)
        return self._read(catalog)

    def delete(self, catalog_id: str) -> None:
        """End a catalog: nobody finds its products from now on; a worker clears them away."""
        self._row(catalog_id).deleted_at = self._now
        self._account.record("catalog.deleted", catalog_id)

    def index_states(self, catalog_id: str) -> dict[str, int]:
        """How many of the catalog's products are pending, indexed, failed, without a picture."""
        self._row(catalog_id)
        return self._rows.counts_by_state(catalog_id)

    def _row(self, catalog_id: str) -> Catalog:
        catalog = self._rows.catalog(catalog_id)
        if catalog is None:
            raise NotFound(NO_CATALOG, code="catalog_not_found")
        return catalog

    def _read(self, row: Catalog) -> CatalogRead:
        approved = row.listed and self._everyone.approved(self._tenant_id)
        listing = "listed" if approved else "awaiting_approval" if row.listed else "unlisted"
        return CatalogRead(id=row.id, name=row.name, listed=row.listed, listing=listing, created_at=row.created_at)


class ProductService:
    """One tenant's products, and other tenants' as far as they are public."""

    def __init__(self, session: Session, tenant_id: str, ports: Ports) -> None:
        self._rows = CatalogRepository(session, tenant_id)
        self._imports = ImportRepository(session, tenant_id)
        self._everyone = CatalogRowsAcrossTenants(session)
        self._tenant_id = tenant_id
        self._ports = ports

    def get(self, product_id: str) -> ProductDetail:
        """A product of one's own, or of a listed catalog."""
        found = self._everyone.products_as_seen([product_id])
        if not found or not self._may_see(found[0][0]):
            raise NotFound(NO_PRODUCT, code="product_not_found")
        return self._read(*found[0])

    def page(
        self, catalog_id: str | None, external_id: str | None, text: str | None, cursor: Cursor
    ) -> Sequence[ProductDetail]:
        """One's own products, one more than the page holds."""
        if catalog_id is not None and self._rows.catalog(catalog_id) is None:
            raise NotFound(NO_CATALOG, code="catalog_not_found", pointer="?catalog_id")
        rows = self._rows.products(catalog_id, external_id, text, cursor.after, cursor.limit)
        return [self._read(row, seen) for row, seen in rows]

    def replace(self, product_id: str, data: ProductUpdate) -> ProductDetail:
        """Put a whole product in the place of the old one, by the rules of a feed's row."""
        row = self._row(product_id)
        seen = self._rows.seen(row.id)
        product = _checked(data, row, self._read(row, seen).image_url)
        try:
            # a picture that came in a ZIP stays the one we have
            same = product.image_link == row.image_link
            source = row.picture_source if same else picture_source(product.image_link, None, None)
        except PictureMissing:
            source = None
        if (row_hash := product_hash(product.columns(), source)) != row.row_hash or row.index_state == "failed":
            apply(row, row_hash, product, source, self._ports.clock.now())
        return self._read(row, seen)

    def remove(self, product_id: str) -> str:
        """Remove a product; the id of its catalog, whose index entry must go too."""
        row = self._row(product_id)
        self._rows.remove_products([row.id], self._ports.clock.now())
        return row.catalog_id

    def _row(self, product_id: str) -> Product:
        row = self._rows.product(product_id)
        if row is None or self._rows.catalog(row.catalog_id) is None:
            raise NotFound(NO_PRODUCT, code="product_not_found")
        return row

    def _may_see(self, row: Product) -> bool:
        return row.tenant_id == self._tenant_id or row.catalog_id in self._ports.catalogs.listed_catalog_ids()

    def _read(self, row: Product, seen: Mapping[str, Any] | None) -> ProductDetail:
        mine = row.tenant_id == self._tenant_id
        return ProductDetail(
            **read_product(row, self._ports.settings.base_url, seen).model_dump(),
            description=row.description,
            gtin=row.gtin,
            mpn=row.mpn or None,
            index=ProductIndexing(state=IndexState(row.index_state), error=row.index_error if mine else None),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


def _checked(data: ProductUpdate, row: Product, image_url: str | None) -> ProductCreate:
    if data.external_id not in {None, row.external_id}:
        raise Unprocessable("A product keeps its external_id; import another one instead.", pointer="#/external_id")
    values = {
        name: "" if value is None else str(value)
        for name, value in data.model_dump(exclude={"attributes", "external_id"}).items()
    }
    values["external_id"] = row.external_id
    if data.image_url is not None and data.image_url == image_url:
        values["image_url"] = row.image_link  # what we answered ourselves
    values |= {f"attributes.{name}": value for name, value in data.attributes.items()}
    checked = check_row(values)
    if checked.product is None or checked.faults:
        errors = [FieldError(f"#/{fault.field}", f"{fault.field} {fault.reason}") for fault in checked.faults]
        raise Unprocessable("; ".join(error.detail for error in errors[:3]), errors=errors)
    return checked.product


def product_url(ports: Ports, product_id: str) -> str | None:
    """Where a shopper goes for a product; None when it is gone."""
    product = ports.catalogs.products_by_ids([product_id]).get(product_id)
    return product.url if product else None


def product_picture(ports: Ports, tenant_id: str | None, product_id: str, width: int, kind: str = "jpeg") -> Rendered:
    """A product's picture: public catalogs' for everybody, else for its tenant. Raises NotFound, PictureError."""
    view = ports.pictures.view(product_id)
    if view is None or (view.tenant_id != tenant_id and view.catalog_id not in ports.catalogs.listed_catalog_ids()):
        raise NotFound("There is no such picture.", code="picture_not_found")
    try:
        return ports.pictures.render(ports.eyes, view, served_width(width), kind)
    except BlobNotFound as error:
        raise NotFound("There is no such picture.", code="picture_not_found") from error
