"""Catalogs, imports and products over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool

from api.accounts.auth import Principal, requires
from api.accounts.scopes import Scope
from api.catalog.imports import ImportService
from api.catalog.indexing import withdraw
from api.catalog.schemas import (
    CatalogCreate,
    CatalogRead,
    CatalogUpdate,
    ImportQuery,
    ImportRead,
    ProductDetail,
    ProductUpdate,
)
from api.catalog.service import CatalogService, ProductService
from api.catalog.upload import BODY_DESCRIPTION, take_feed
from api.kit.db import ReadSession, WriteSession
from api.kit.paging import CursorParams, Page, page_of
from api.ports import Ports, PortsDep

router = APIRouter(prefix="/v1", tags=["catalog"])
Reader = Annotated[Principal, Depends(requires(Scope.catalog_read))]
Writer = Annotated[Principal, Depends(requires(Scope.catalog_write))]
Text = Annotated[str | None, Query(min_length=1, max_length=200)]


@router.post("/catalogs", status_code=201)
def create_catalog(body: CatalogCreate, caller: Writer, session: WriteSession, ports: PortsDep) -> CatalogRead:
    """Add a catalog. `listed` asks for its products to be shown on publishers' pages."""
    catalog = CatalogService(session, caller.tenant_id, caller.actor, ports.clock.now()).create(body)
    session.commit()
    ports.catalogs.forget()
    return catalog


@router.get("/catalogs")
def list_catalogs(caller: Reader, session: ReadSession, ports: PortsDep, cursor: CursorParams) -> Page[CatalogRead]:
    """Your catalogs, oldest first."""
    rows = CatalogService(session, caller.tenant_id, caller.actor, ports.clock.now()).page(cursor)
    return page_of(rows, cursor.limit, lambda row: row.id)


@router.get("/catalogs/{catalog_id}")
def read_catalog(catalog_id: str, caller: Reader, session: ReadSession, ports: PortsDep) -> CatalogRead:
    """One catalog."""
    return CatalogService(session, caller.tenant_id, caller.actor, ports.clock.now()).get(catalog_id)


@router.patch("/catalogs/{catalog_id}")
def update_catalog(
    catalog_id: str, body: CatalogUpdate, caller: Writer, session: WriteSession, ports: PortsDep
) -> CatalogRead:
    """Rename, list or unlist; unlisting works within 5 s."""
    catalog = CatalogService(session, caller.tenant_id, caller.actor, ports.clock.now()).update(catalog_id, body)
    session.commit()
    ports.catalogs.forget()
    return catalog


@router.delete("/catalogs/{catalog_id}", status_code=204)
def delete_catalog(catalog_id: str, caller: Writer, session: WriteSession, ports: PortsDep) -> None:
    """End a catalog with all its products."""
    CatalogService(session, caller.tenant_id, caller.actor, ports.clock.now()).delete(catalog_id)
    session.commit()
    ports.catalogs.forget()
    withdraw(ports, catalog_id)
    ports.queue.send("catalog.index_products", catalog_id=catalog_id)


@router.post("/catalogs/{catalog_id}/imports", status_code=202, openapi_extra=BODY_DESCRIPTION)
async def create_import(
    catalog_id: str,
    request: Request,
    caller: Writer,
    ports: PortsDep,
    options: Annotated[ImportQuery, Query()],
) -> ImportRead:
    """Import a feed (CSV, TSV, JSONL, Shopify CSV, Google Merchant XML, or a ZIP of one with pictures)."""
    await run_in_threadpool(_check_import, ports, caller, catalog_id)
    feed_key, feed_url = await take_feed(request, ports)

    def store() -> ImportRead:
        with ports.database.write() as session:
            service = ImportService(session, caller.tenant_id, caller.actor, ports.clock.now())
            return service.create(catalog_id, feed_key=feed_key, feed_url=feed_url, **options.model_dump())

    job = await run_in_threadpool(store)
    await run_in_threadpool(ports.queue.send, "catalog.run_import", import_id=job.id)
    return job


def _check_import(ports: Ports, caller: Principal, catalog_id: str) -> None:
    with ports.database.read() as session:
        ImportService(session, caller.tenant_id, caller.actor, ports.clock.now()).check(catalog_id)


@router.get("/catalogs/{catalog_id}/imports")
def list_imports(
    catalog_id: str, caller: Reader, session: ReadSession, ports: PortsDep, cursor: CursorParams
) -> Page[ImportRead]:
    """A catalog's imports, newest first, each with its first errors."""
    rows = ImportService(session, caller.tenant_id, caller.actor, ports.clock.now()).page(catalog_id, cursor)
    return page_of(rows, cursor.limit, lambda row: row.id)


@router.get("/imports/{import_id}")
def read_import(import_id: str, caller: Reader, session: ReadSession, ports: PortsDep) -> ImportRead:
    """One import: how far it is, and what was wrong with which row."""
    return ImportService(session, caller.tenant_id, caller.actor, ports.clock.now()).get(import_id)


@router.get("/products")
def list_products(
    caller: Reader,
    session: ReadSession,
    ports: PortsDep,
    cursor: CursorParams,
    catalog_id: Text = None,
    external_id: Text = None,
    q: Text = None,
) -> Page[ProductDetail]:
    """Your products; `q` looks into title, brand and your own ids."""
    rows = ProductService(session, caller.tenant_id, ports).page(catalog_id, external_id, q, cursor)
    return page_of(rows, cursor.limit, lambda row: row.id)


@router.get("/products/{product_id}")
def read_product(product_id: str, caller: Reader, session: ReadSession, ports: PortsDep) -> ProductDetail:
    """A product of yours, or of a listed catalog, and its index state."""
    return ProductService(session, caller.tenant_id, ports).get(product_id)


@router.put("/products/{product_id}")
def replace_product(
    product_id: str, body: ProductUpdate, caller: Writer, session: WriteSession, ports: PortsDep
) -> ProductDetail:
    """Replace a product by the rules of a feed's row; its picture is looked at anew where it changed."""
    product = ProductService(session, caller.tenant_id, ports).replace(product_id, body)
    session.commit()
    ports.catalogs.forget([product.id])
    if product.index.state == "pending":
        ports.queue.send("catalog.index_products", catalog_id=product.catalog_id)
    elif product.index.state != "indexed":
        withdraw(ports, product.catalog_id, [product.id])
    return product


@router.delete("/products/{product_id}", status_code=204)
def delete_product(product_id: str, caller: Writer, session: WriteSession, ports: PortsDep) -> None:
    """Remove a product; search finds it no more from now on."""
    catalog_id = ProductService(session, caller.tenant_id, ports).remove(product_id)
    session.commit()
    ports.catalogs.forget([product_id])
    ports.pictures.forget([product_id])
    withdraw(ports, catalog_id, [product_id])
