"""Fills the product index from the stored vectors, which are the truth: at start where it lives in the process, on
`shoplight reindex`, and by a sweep where a shared one has lost something."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.catalog.across_tenants_repository import CatalogRowsAcrossTenants, Indexed
from api.catalog.directory import indexed_products
from api.catalog.models import Product
from api.catalog.schemas import Availability
from api.kit.db import Database
from api.search.index import IndexFilling, IndexMissing, IndexRow, KeptIndex, ProductIndex

log = logging.getLogger(__name__)
CHUNK = 500
FILTERED_SHARE = 0.15  # a product is found by the colours that it has at least this much of
CLOCKS_DIFFER = timedelta(minutes=2)
ALONE = "search.reindex"


@dataclass(frozen=True)
class Rebuilt:
    """`unusable` counts vectors of the right embedder but the wrong length: damage, not age."""

    products: int
    unusable: int


@dataclass(frozen=True)
class Repaired:
    """What a comparison found missing and too many."""

    added: int
    removed: int


def index_row(product: Product, vector: NDArray[np.float32], seen: Mapping[str, Any] | None = None) -> IndexRow:
    """What the index knows of a product with these looks (as stored). It costs its sale price where it has one."""
    on_sale = product.sale_price_micros is not None
    looks = seen or {"colours": (), "pattern": None}
    return IndexRow(
        product_id=product.id,
        vector=vector,
        brand=product.brand or None,
        category=product.category or None,
        price_micros=product.sale_price_micros if on_sale else product.price_micros,
        currency=product.currency,
        in_stock=product.availability == Availability.in_stock,
        audience=product.audience or None,
        colours=tuple(colour["name"] for colour in looks["colours"] if colour["share"] >= FILTERED_SHARE),
        pattern=looks["pattern"],
        stamp=stamp_of(product.updated_at),
    )


def stamp_of(updated_at: datetime) -> int:
    """In microseconds, as far as a database keeps them."""
    return int(updated_at.timestamp() * 1e6)


def rebuild_index(database: Database, index: IndexFilling, embedder_version: str, dim: int) -> Rebuilt:
    """Streams every product that this embedder has seen into the index. Vectors of other embedders cannot be compared
    and are left out; the catalog's sweep has those products looked at again."""
    products = unusable = 0
    for chunk in indexed_products(database, embedder_version):
        put = _put(index, chunk, dim)
        products += put
        unusable += len(chunk) - put
    return Rebuilt(products, unusable)


class Rebuilder:
    """The same on open stores, for an index that others use meanwhile. `alone` on the database where it matters."""

    def __init__(self, database: Database, index: ProductIndex, embedder_version: str, dim: int) -> None:
        self._database = database
        self._index = index
        self._version = embedder_version
        self._dim = dim

    def at_start(self, now: datetime) -> Rebuilt | None:
        """Fill an index that has nothing yet; None where a shared one serves already. Raises IndexUnavailable."""
        try:
            self._index.check()
        except IndexMissing:
            return self.reindex(now)
        if self._index.durable:
            return None
        if isinstance(self._index, KeptIndex) and self._index.catalog_ids():
            return self._renewed(self._index)
        return rebuild_index(self._database, self._index, self._version, self._dim)

    def reindex(self, now: datetime) -> Rebuilt | None:
        """Build the index anew beside the old one, then put it in its place; what changed meanwhile is put once more.
        None when another process is at it."""
        with self._database.alone(ALONE) as alone:
            if not alone:
                return None
            since = now - CLOCKS_DIFFER
            with self._database.read() as session:
                waiting = CatalogRowsAcrossTenants(session).unsettled(None)
            with self._index.replacement() as fresh:
                done = rebuild_index(self._database, fresh, self._version, self._dim)
            self._catch_up(waiting, since)
        return done

    def refill(self, now: datetime) -> Rebuilt | None:
        """Build the index where there is none at all; None where there is one. Raises IndexUnavailable."""
        try:
            self._index.check()
        except IndexMissing:
            done = self.reindex(now)
            if done:
                log.warning("there was no product index; it holds %d products now", done.products)
            return done
        return None

    def compare(self) -> Repaired | None:
        """Compare every catalog's count with its rows and mend what differs. None when another process is at it.
        Raises IndexUnavailable."""
        with self._database.alone(ALONE) as alone:
            return self._compare() if alone else None

    def _catch_up(self, waiting: Sequence[tuple[str, str]], since: datetime) -> None:
        """Whatever may have been put or removed while the new index was filled: what waited to be indexed when that
        began, and what changed since."""
        with self._database.read() as session:
            rows = CatalogRowsAcrossTenants(session)
            touched, dropped = rows.unsettled(since), rows.deleted_since(since)
        for catalog_id in dropped:
            self._index.drop_catalog(catalog_id)
        by_catalog: dict[str, list[str]] = defaultdict(list)
        for catalog_id, product_id in {*waiting, *touched}:
            by_catalog[catalog_id].append(product_id)
        for catalog_id, product_ids in by_catalog.items():
            self._settle(catalog_id, product_ids)

    def _compare(self) -> Repaired:
        added = removed = 0
        with self._database.read() as session:
            expected = CatalogRowsAcrossTenants(session).index_counts()
        for catalog_id, (least, most) in expected.items():
            if least <= self._index.count(catalog_id) <= most or self._agrees(catalog_id):
                continue
            more, fewer = self._mend(catalog_id)
            added, removed = added + more, removed + fewer
        return Repaired(added, removed)

    def _renewed(self, kept: KeptIndex) -> Rebuilt:
        """Bring rows that were kept since an earlier start up to date: every one is compared by its stamp."""
        with self._database.read() as session:
            live = CatalogRowsAcrossTenants(session).index_counts()
        for catalog_id in set(kept.catalog_ids()).difference(live):
            kept.drop_catalog(catalog_id)
        held = 0
        for catalog_id in live:
            with self._database.read() as session:
                wanted = CatalogRowsAcrossTenants(session).indexed_stamps(self._version, catalog_id)
            stamps = kept.stamps(catalog_id)
            changed = [product_id for product_id, at in wanted if stamps.pop(product_id, None) != stamp_of(at)]
            if changed or stamps:
                log.info("catalog %s: %d rows of the index are read anew, %d go", catalog_id, len(changed), len(stamps))
            self._index.remove(catalog_id, list(stamps))
            self._settle(catalog_id, changed)
            held += kept.count(catalog_id)
        return Rebuilt(held, 0)

    def _agrees(self, catalog_id: str) -> bool:
        """A second look: an import moves both counts while the first one goes round."""
        held = self._index.count(catalog_id)
        with self._database.read() as session:
            least, most = CatalogRowsAcrossTenants(session).index_counts(catalog_id).get(catalog_id, (held, held))
        return least <= held <= most

    def _mend(self, catalog_id: str) -> tuple[int, int]:
        held = set(self._index.product_ids(catalog_id))
        with self._database.read() as session:
            wanted = set(CatalogRowsAcrossTenants(session).indexed_ids(self._version, catalog_id))
        missing, strays = sorted(wanted - held), sorted(held - wanted)
        if not missing and not strays:
            # it counts some twice that two workers put at the same moment: put once more they are there once
            missing = sorted(wanted)
        if missing or strays:
            log.warning("catalog %s: the index lacked %d and had %d too many", catalog_id, len(missing), len(strays))
        self._settle(catalog_id, [*missing, *strays])
        return len(missing), len(strays)

    def _settle(self, catalog_id: str, product_ids: Sequence[str]) -> None:
        """Put those that the stored rows know, remove the others."""
        for start in range(0, len(product_ids), CHUNK):
            asked = product_ids[start : start + CHUNK]
            with self._database.read() as session:
                rows = CatalogRowsAcrossTenants(session).indexed_of(self._version, asked)
                waiting = CatalogRowsAcrossTenants(session).waiting_of(asked)
            _put(self._index, rows, self._dim)
            # what waits may just have been put by whoever looks at it
            gone = set(asked).difference((product.id for product, *_ in rows), waiting)
            if gone:
                self._index.remove(catalog_id, sorted(gone))


def _put(index: IndexFilling, chunk: Iterable[Indexed], dim: int) -> int:
    """How many could be put."""
    rows: dict[str, list[IndexRow]] = defaultdict(list)
    for product, vector, seen in chunk:
        if (
            len(vector) == 4 * dim
            and np.isfinite((row := index_row(product, np.frombuffer(vector, "<f4"), seen)).vector).all()
        ):
            rows[product.catalog_id].append(row)
    for catalog_id, found in rows.items():
        index.put(catalog_id, found)
    return sum(map(len, rows.values()))
