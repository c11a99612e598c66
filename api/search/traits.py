"""What matching asks about a product again and again, taken out of it once: folding.py and ranking.py read it."""

from collections.abc import Mapping
from dataclasses import dataclass

from api.catalog.identifiers import global_gtin
from api.catalog.schemas import Availability, ProductRead
from api.search.index import category_key
from api.search.outfits import Slot, slot_of
from api.search.titles import (
    COLOUR_NAMES,
    GROUP_NAMES,
    MATERIAL_NAMES,
    PATTERN_NAMES,
    TitleWords,
    declared,
    words_of,
)

MOST_HELD = 50_000
BITS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Traits:
    """`group` is the feed's item group, `gtin` a number that the whole world knows (else empty), `seen` the colours
    measured on its picture. `word_bits` has a bit for each word of the title: a title that has all words of another has
    all of its bits."""

    catalog_id: str
    words: TitleWords
    word_bits: int
    numbers_key: int
    worn: bool
    gtin: str
    group: str
    brand: str
    category: str
    slot: Slot | None
    said: tuple[frozenset[str], ...]
    seen: Mapping[str, float]
    family: tuple[str, ...] | None
    in_stock: bool
    audience: str


_held: dict[str, tuple[ProductRead, Traits]] = {}


def traits_of(product: ProductRead) -> Traits:
    """From memory as long as the product is the same object, which the catalog's memory hands out for seconds."""
    found = _held.get(product.id)
    if found is not None and found[0] is product:
        return found[1]
    made = _made(product)
    if len(_held) >= MOST_HELD:
        _held.clear()
    _held[product.id] = product, made
    return made


def in_stock(product: ProductRead) -> bool:
    """Whether it can be ordered now or soon."""
    return product.availability != Availability.out_of_stock


def _made(product: ProductRead) -> Traits:
    category = product.category or ""
    slot = slot_of(category)
    worn = slot is not None or slot_of(product.title) is not None
    words = words_of(product.title, product.brand, worn=worn)
    group = next((value for name in GROUP_NAMES if (value := product.attributes.get(name))), "")
    bits = 0
    for word in words.words:
        bits |= 1 << (hash(word) % BITS)
    return Traits(
        catalog_id=product.catalog_id,
        words=words,
        word_bits=bits,
        numbers_key=hash(words.numbers),
        worn=worn,
        gtin=global_gtin(product.gtin),
        group=group,
        brand=(product.brand or "").casefold(),
        category=category_key(category),
        slot=slot,
        said=tuple(declared(product.attributes, names) for names in (COLOUR_NAMES, MATERIAL_NAMES, PATTERN_NAMES)),
        seen={colour.name: colour.share for colour in product.seen.colours} if product.seen else {},
        family=_family(product, words, group),
        in_stock=in_stock(product),
        audience=product.audience,
    )


def _family(product: ProductRead, words: TitleWords, group: str) -> tuple[str, ...] | None:
    """What all variants of one thing share: the feed's own group, else brand and title without colours; None for what
    is named in less than two words, which may be anything."""
    if group:
        return (product.catalog_id, group)
    if words.naming < 2:
        return None
    return ((product.brand or product.catalog_id).casefold(), *sorted(words.words), *words.numbers)
