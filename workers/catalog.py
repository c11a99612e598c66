"""Tasks of catalogs: imports, products whose pictures wait, and the sweep that finds what lost hints had told."""

from api.catalog import imports
from api.ports import Ports
from workers.celery_app import task


@task("catalog.run_import")
def run_import(ports: Ports, import_id: str) -> None:
    """Do what is left of an import."""
    imports.run_import(ports, import_id)


@task("catalog.index_products")
def index_products(ports: Ports, catalog_id: str) -> None:
    """Make a catalog's waiting products searchable."""
    imports.index_products(ports, catalog_id)


@task("catalog.sweep")
def sweep(ports: Ports) -> None:
    """Hint again at what waits."""
    imports.sweep(ports)
