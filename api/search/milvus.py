"""The product index on a Milvus server, shared by every process. Rows are milvus_rows.py's, the connection
milvus_server.py's, the life of collections milvus_collections.py's."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.search.index import Hit, IndexFilter, IndexRow, IndexUnavailable
from api.search.milvus_collections import Collections
from api.search.milvus_rows import catalogs_expression, entity, expression, ids_of, key_of, keys_expression
from api.search.milvus_server import MilvusServer
from api.settings import IndexSettings

LAYOUT = 2  # of the rows; another one gets collections of its own, filled by the first process that misses them
CALL_BYTES = 4 * 1024**2  # a message to Milvus may have 64 MiB, one of its own log 5
ROW_BYTES = 700  # beside the vector
KEYS = 1000  # in one expression
MOST = 16_384  # hits that Milvus gives a vector
EF = 128
ROUNDED = 6  # digits: Milvus's sums of the same numbers differ in the seventh


class MilvusIndex:
    """A ProductIndex. Nothing is asked of the server before the first call.

    Consistency: Bounded, and for ten seconds after a write of this process "at least as new as that write". So a
    process sees its own writes at once (its next search waits up to one time tick, 200 ms, for them), others' after a
    tick or two, and nothing is ever answered from more than five seconds ago; Strong would cost each search 170 ms.

    The alias exists only while a whole index stands behind it: only `replacement` makes one. Where it is missing (a
    fresh or emptied server) every call raises IndexMissing instead of finding nothing, until it was rebuilt.

    `space` names what made the vectors: those of another embedder compare with nothing and live elsewhere."""

    durable = True

    def __init__(self, settings: IndexSettings, dim: int, space: str = "") -> None:
        self.dim = dim
        kind = hashlib.blake2b(f"{LAYOUT}/{dim}/{space}".encode(), digest_size=4).hexdigest()
        self._server = MilvusServer(settings)
        self._collections = Collections(self._server, settings, f"{settings.collection}_{kind}", dim)
        self._approximate = settings.kind != "flat"
        self._rows_a_call = max(1, CALL_BYTES // (4 * dim + ROW_BYTES))

    def put(self, catalog_id: str, rows: Sequence[IndexRow]) -> None:
        # not upsert: with a partition key, Milvus 2.3.5 puts the new row where searches of its catalog do not look
        entities = self._entities(catalog_id, rows)
        for start in range(0, len(entities), self._rows_a_call):
            chunk = entities[start : start + self._rows_a_call]
            self._delete(keys_expression(item["key"] for item in chunk))
            self._insert(self._collections.alias, chunk)
        self._server.wrote()

    def remove(self, catalog_id: str, product_ids: Sequence[str]) -> None:
        keys = [key for product_id in product_ids if (key := key_of(catalog_id, product_id))]
        for start in range(0, len(keys), KEYS):
            self._delete(keys_expression(keys[start : start + KEYS]))
        if keys:
            self._server.wrote()

    def drop_catalog(self, catalog_id: str) -> None:
        self._delete(catalogs_expression(frozenset({catalog_id})))
        self._server.wrote()

    def clear(self) -> None:
        with self.replacement():
            pass

    @contextmanager
    def replacement(self) -> Iterator["_Filling"]:
        name = self._collections.create()
        try:
            filling = _Filling(self, name)
            yield filling
            self._collections.put_in_service(name, filling.rows)
        except BaseException:
            with suppress(IndexUnavailable):
                self._collections.drop(name)
            raise
        self._server.wrote()

    def search(self, vectors: NDArray[np.float32], k: int, where: IndexFilter) -> list[list[Hit]]:
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise ValueError(f"query vectors must be (n, {self.dim})")
        if not where.catalog_ids or not len(vectors) or k < 1:
            return [[] for _ in vectors]
        # what is excluded is asked for on top and left out here: a list of ids would be looked through for each row
        limit = min(k + len(where.exclude_product_ids), MOST)
        lines = self._read(
            "search",
            data=list(vectors.astype(np.float32, copy=False)),
            anns_field="vector",
            filter=expression(where),
            limit=limit,
            search_params={"metric_type": "IP", "params": {"ef": max(EF, 2 * limit)} if self._approximate else {}},
        )
        return [_hits(line, where)[:k] for line in lines]

    def vector(self, catalog_id: str, product_id: str) -> NDArray[np.float32] | None:
        return self.vectors([(catalog_id, product_id)]).get((catalog_id, product_id))

    def vectors(self, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], NDArray[np.float32]]:
        found = {}
        for start in range(0, len(wanted), KEYS):
            chunk = wanted[start : start + KEYS]
            keys = [key for catalog_id, product_id in chunk if (key := key_of(catalog_id, product_id))]
            if not keys:
                continue
            catalogs = catalogs_expression(frozenset(catalog_id for catalog_id, _ in chunk))
            asked = f"{catalogs} and {keys_expression(keys)}"
            for row in self._read("query", filter=asked, output_fields=["key", "vector"]):
                found[ids_of(row["key"])] = np.asarray(row["vector"], np.float32)
        return found

    def count(self, catalog_id: str) -> int:
        return self.total(frozenset({catalog_id}))

    def total(self, catalog_ids: frozenset[str]) -> int:
        if not catalog_ids:
            return 0
        found = self._read("query", filter=catalogs_expression(catalog_ids), output_fields=["count(*)"])
        return int(found[0]["count(*)"])

    def product_ids(self, catalog_id: str) -> list[str]:
        found: list[str] = []
        within, after = catalogs_expression(frozenset({catalog_id})), ""
        while True:  # Milvus answers a bounded query in the order of keys
            asked = f'{within} and key > "{after}"' if after else within
            keys = sorted(item["key"] for item in self._read("query", filter=asked, output_fields=["key"], limit=MOST))
            found += [ids_of(key)[1] for key in keys]
            if len(keys) < MOST:
                return found
            after = keys[-1]

    def check(self) -> None:
        self._collections.check()
        self._read("query", filter="in_stock == true", output_fields=["count(*)"])

    def destroy(self) -> None:
        """Take the collections and the alias off the server, for good."""
        self._collections.destroy()

    def close(self) -> None:
        self._server.close()

    def _entities(self, catalog_id: str, rows: Sequence[IndexRow]) -> list[dict[str, Any]]:
        """By key: of a product that comes twice the last one counts. Raises ValueError before anything is written."""
        found = {}
        for row in rows:
            if row.vector.shape != (self.dim,) or not np.isfinite(row.vector).all():
                raise ValueError(f"the vector of {row.product_id} is not {self.dim} finite numbers")
            key = key_of(catalog_id, row.product_id)
            if key is None:
                raise ValueError(f"{catalog_id}, {row.product_id} are no ids of ours")
            found[key] = entity(key, catalog_id, row)
        return list(found.values())

    def _insert(self, name: str, entities: list[dict[str, Any]]) -> None:
        self._server.call(lambda client, seconds: client.insert(name, entities, timeout=seconds))

    def _delete(self, which: str) -> None:
        alias = self._collections.alias
        self._server.call(lambda client, seconds: client.delete(alias, filter=which, timeout=seconds))

    def _read(self, what: str, **asked: Any) -> Any:
        freshness = self._server.consistency()
        return self._server.call(
            lambda client, seconds: getattr(client, what)(
                self._collections.alias, timeout=seconds, **freshness, **asked
            )
        )


class _Filling:
    """A collection that nobody searches yet: its rows need no look for older ones of theirs."""

    def __init__(self, index: MilvusIndex, name: str) -> None:
        self._index = index
        self._name = name
        self.rows = 0

    def put(self, catalog_id: str, rows: Sequence[IndexRow]) -> None:
        index = self._index
        entities = index._entities(catalog_id, rows)  # noqa: SLF001 - two halves of one thing
        for start in range(0, len(entities), index._rows_a_call):  # noqa: SLF001
            index._insert(self._name, entities[start : start + index._rows_a_call])  # noqa: SLF001
        self.rows += len(entities)


def _hits(line: Any, where: IndexFilter) -> list[Hit]:
    hits = [Hit(ids_of(item["id"])[1], ids_of(item["id"])[0], float(item["distance"])) for item in line]
    allowed = [
        hit
        for hit in hits
        if hit.product_id not in where.exclude_product_ids
        # the digest of a catalog is unique but for a miracle; tenants are kept apart without one
        and hit.catalog_id in where.catalog_ids
    ]
    return sorted(allowed, key=lambda hit: (-round(hit.score, ROUNDED), hit.product_id))
