"""Fills the product index from the stored vectors, which are the truth; at start and on `shoplight reindex`."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from api.catalog.directory import indexed_products
from api.catalog.models import Product
from api.catalog.schemas import Availability
from api.kit.db import Database
from api.search.index import IndexRow, ProductIndex


@dataclass(frozen=True)
class Rebuilt:
    """`unusable` counts vectors of the right embedder but the wrong length: damage, not age."""

    products: int
    unusable: int


def index_row(product: Product, vector: bytes) -> IndexRow:
    """What the index knows of a product. It costs its sale price where it has one."""
    on_sale = product.sale_price_micros is not None
    return IndexRow(
        product_id=product.id,
        vector=np.frombuffer(vector, "<f4"),
        brand=product.brand or None,
        category=product.category or None,
        price_micros=product.sale_price_micros if on_sale else product.price_micros,
        currency=product.currency,
        in_stock=product.availability == Availability.in_stock,
        audience=product.audience or None,
    )


def rebuild_index(database: Database, index: ProductIndex, embedder_version: str, dim: int) -> Rebuilt:
    """Streams every product that this embedder has seen into the index. Vectors of other embedders cannot be compared
    and are left out; the catalog's sweep has those products looked at again."""
    products = unusable = 0
    for chunk in indexed_products(database, embedder_version):
        rows: dict[str, list[IndexRow]] = defaultdict(list)
        for product, vector in chunk:
            row = index_row(product, vector)
            if row.vector.shape == (dim,) and np.isfinite(row.vector).all():
                rows[product.catalog_id].append(row)
            else:
                unusable += 1
        for catalog_id, found in rows.items():
            index.put(catalog_id, found)
            products += len(found)
    return Rebuilt(products, unusable)
