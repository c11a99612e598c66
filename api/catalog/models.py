"""Tables of catalogs: products and their vectors, imports and what was wrong in them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from api.kit.db import UtcDateTime


class Catalog(SQLModel, table=True):
    """A set of products that is imported, listed and searched as one."""

    __tablename__ = "catalogs"

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenants.id", index=True)
    name: str = Field(max_length=200)
    listed: bool = False
    created_at: datetime = Field(sa_type=UtcDateTime)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Product(SQLModel, table=True):
    """One product. A removed one keeps its row, so that it comes back with its id when the feed has it again, and
    reports of its past stay readable."""

    __tablename__ = "products"
    __table_args__ = (
        UniqueConstraint("catalog_id", "external_id"),
        Index("ix_products_index_state", "catalog_id", "index_state"),
        Index("ix_products_tenant", "tenant_id", "id"),
        # what changed in the last seconds: every process that serves asks again and again
        Index("ix_products_updated", "updated_at"),
    )

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenants.id")
    catalog_id: str = Field(foreign_key="catalogs.id")
    external_id: str = Field(max_length=200)
    title: str = Field(max_length=500)
    description: str
    brand: str = Field(max_length=300)
    category: str = Field(max_length=300)
    price_micros: int = Field(sa_type=BigInteger)
    sale_price_micros: int | None = Field(default=None, sa_type=BigInteger)
    currency: str = Field(max_length=3)
    url: str
    image_link: str
    availability: str = Field(max_length=20)
    audience: str = Field(max_length=20)
    gtin: str | None = Field(default=None, max_length=14)
    mpn: str = Field(max_length=300)
    attributes: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    # what the row of the feed said, to tell an unchanged row without comparing columns
    row_hash: str = Field(max_length=32)
    index_state: str = Field(max_length=20)
    index_error: str | None = None
    # where the picture is to come from (a link, or a ZIP's entry with its checksum), and where the one held came from
    picture_source: str | None = None
    picture_from: str | None = None
    picture_key: str | None = Field(default=None, max_length=200)
    feed_line: int | None = None
    seen_import_id: str | None = Field(default=None, max_length=40)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ProductVector(SQLModel, table=True):
    """A product's embedding, float32 little-endian: the truth that every index is rebuilt from; and what else was seen
    on its picture (vision/attributes.py), None where it was looked at before that was noted."""

    __tablename__ = "product_vectors"

    product_id: str = Field(primary_key=True, foreign_key="products.id")
    tenant_id: str = Field(foreign_key="tenants.id")
    catalog_id: str = Field(foreign_key="catalogs.id", index=True)
    embedder_version: str = Field(max_length=100)
    vector: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    seen: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))


class Import(SQLModel, table=True):
    """One feed on its way into a catalog. Its row says how far it got, so that another process can go on."""

    __tablename__ = "imports"
    __table_args__ = (Index("ix_imports_catalog", "catalog_id", "id"), Index("ix_imports_state", "state"))

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenants.id")
    catalog_id: str = Field(foreign_key="catalogs.id")
    state: str = Field(max_length=20)
    mode: str = Field(max_length=20)
    # checking, landing, removing, indexing: the step that is under way or comes next
    step: str = Field(default="checking", max_length=20)
    format: str | None = Field(default=None, max_length=20)
    feed_url: str | None = None
    feed_key: str | None = Field(default=None, max_length=200)
    shop_url: str | None = None
    currency: str | None = Field(default=None, max_length=3)
    rows_read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0
    indexed: int = 0
    errors_total: int = 0
    warnings: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    attempts: int = 0
    lease: str | None = Field(default=None, max_length=40)
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ImportFault(SQLModel, table=True):
    """One thing wrong with one row of a feed; the first thousand of an import are kept."""

    __tablename__ = "import_errors"

    # every import may add a thousand; SQLite counts up INTEGER alone, which holds 64 bits there
    id: int | None = Field(
        default=None, sa_column=Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    )
    tenant_id: str = Field(foreign_key="tenants.id")
    import_id: str = Field(foreign_key="imports.id", index=True)
    line: int | None = None
    field: str | None = Field(default=None, max_length=100)
    reason: str
