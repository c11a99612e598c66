"""A catalog of many products for the benchmarks: rows, and vectors of no picture (what it shows costs no time)."""

import numpy as np

from api.catalog.models import Catalog, Product, ProductVector
from api.ports import Ports

CATALOG, BRANDS, AT_ONCE = "ctg_bench", 10, 5000


def fill(ports: Ports, tenant_id: str, products: int) -> None:
    """Each of `BRANDS` brands has as many; `Brand 3` is a filter that leaves a tenth."""
    numbers, now, dim = np.random.default_rng(11), ports.clock.now(), ports.eyes.dim
    version, owned = ports.eyes.embedder_version, {"tenant_id": tenant_id, "catalog_id": CATALOG}
    with ports.database.write() as session:
        session.add(Catalog(id=CATALOG, tenant_id=tenant_id, name="Bench", listed=False, created_at=now))
        session.flush()
        for start in range(0, products, AT_ONCE):
            some = range(start, min(start + AT_ONCE, products))
            vectors = numbers.standard_normal((len(some), dim)).astype("<f4")
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            rows = [
                Product(
                    id=f"prd_{n:06}", external_id=str(n), title=f"Product {n}", description="", category="",
                    brand=f"Brand {n % BRANDS}", price_micros=10_000_000, currency="EUR", mpn="", row_hash="",
                    url=f"https://shop.example/{n}", image_link=f"https://shop.example/{n}.jpg", index_state="indexed",
                    availability="in_stock", audience="unknown", created_at=now, updated_at=now, **owned,
                )
                for n in some
            ]  # fmt: skip
            held = [
                ProductVector(product_id=row.id, embedder_version=version, vector=line.tobytes(), **owned)
                for row, line in zip(rows, vectors, strict=True)
            ]
            session.bulk_save_objects(rows)
            session.bulk_save_objects(held)
