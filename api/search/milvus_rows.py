"""How products look inside Milvus, and how filters are asked for: numbers alone.

Each text is held as a digest of its comparing form. So no text of a feed or a request ever becomes part of an
expression, the longest brand fits, and Milvus compares integers instead of strings.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from api.search.index import IndexFilter, IndexRow, category_key

NO_TEXT = 0
NO_PRICE = -1
MAX_COLOURS = 64
MAX_DEPTH = 500  # of a category's path; titles of categories have 300 characters at most
PLAIN_ID = re.compile(r"[A-Za-z0-9_.:-]{1,200}")


@lru_cache(maxsize=100_000)
def digest(text: str) -> int:
    """63 bits and never 0. Two texts of a million share one with a chance of one in ten million."""
    found = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
    return found >> 1 or 1


def key_of(catalog_id: str, product_id: str) -> str | None:
    """The primary key; None for what no product of ours can be called."""
    plain = PLAIN_ID.fullmatch(catalog_id) and PLAIN_ID.fullmatch(product_id)
    return f"{catalog_id}/{product_id}" if plain else None


def ids_of(key: str) -> tuple[str, str]:
    """(catalog id, product id) of a primary key."""
    catalog_id, _, product_id = key.partition("/")
    return catalog_id, product_id


def entity(key: str, catalog_id: str, row: IndexRow) -> dict[str, Any]:
    """A product as it is stored."""
    return {
        "key": key,
        "catalog": digest(catalog_id),
        "brand": _folded(row.brand),
        "categories": [digest(path) for path in _paths(row.category)],
        "price": NO_PRICE if row.price_micros is None else row.price_micros,
        "currency": _folded(row.currency),
        "audience": _folded(row.audience),
        "pattern": _folded(row.pattern),
        "colours": sorted({_folded(colour) for colour in row.colours})[:MAX_COLOURS],
        "in_stock": row.in_stock,
        "vector": row.vector,
    }


def keys_expression(keys: Iterable[str]) -> str:
    """These rows, by keys that `key_of` made: there is nothing in them to escape."""
    return "key in [" + ",".join(f'"{key}"' for key in keys) + "]"


@lru_cache(maxsize=256)
def catalogs_expression(catalog_ids: frozenset[str]) -> str:
    """All products of these catalogs, of which there is at least one."""
    return _one_of("catalog", map(digest, catalog_ids))


def expression(where: IndexFilter) -> str:
    """A filter without its exclusions."""
    tests = [catalogs_expression(where.catalog_ids)]
    if where.brand:
        tests.append(_one_of("brand", map(_folded, where.brand)))
    if where.category:
        wanted = sorted({digest(category_key(item)) for item in where.category})
        tests.append(f"array_contains_any(categories, {wanted})")
    if where.price_min_micros is not None:
        tests.append(f"price >= {max(where.price_min_micros, 0)}")
    if where.price_max_micros is not None:
        tests.append(f"price <= {where.price_max_micros} and price > {NO_PRICE}")
    if where.currency is not None:
        tests.append(f"currency == {_folded(where.currency)}")
    if where.audience:
        tests.append(_one_of("audience", map(_folded, where.audience)))
    if where.pattern:
        tests.append(_one_of("pattern", map(_folded, where.pattern)))
    if where.colour:
        tests.append(f"array_contains_any(colours, {sorted({_folded(item) for item in where.colour})})")
    if where.in_stock is not None:
        tests.append(f"in_stock == {str(where.in_stock).lower()}")
    return " and ".join(tests)


def _folded(text: str | None) -> int:
    return NO_TEXT if text is None else digest(text.casefold())


def _paths(category: str | None) -> list[str]:
    """The category and everything above it, so that what lies below a category is found by equality."""
    if category is None:
        return []
    parts = category_key(category).split(" > ")
    return [" > ".join(parts[: depth + 1]) for depth in range(min(len(parts), MAX_DEPTH))]


def _one_of(field: str, values: Iterable[int]) -> str:
    return f"{field} in {sorted(set(values))}"
