"""Products and vectors for tests of matching that need no index, no store and no model."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from api.catalog.schemas import ProductRead, Seen, SeenColour
from api.search.folding import Folding, Group, Key
from api.search.index import Hit
from api.search.match import Match, MatchType
from api.vision.pattern import Pattern

DIM = 8


def product(name: str, *, catalog: str = "ctg_a", colours: str = "", **fields: object) -> ProductRead:
    """In stock, 10 EUR, without a brand. `colours` are the names seen on its picture, in equal shares."""
    names = colours.split()
    seen = Seen(
        colours=tuple(SeenColour(name=one, share=1 / len(names)) for one in names), pattern=Pattern.plain, sharpness=1.0
    )
    filled: dict[str, object] = {
        "id": f"prd_{name}", "external_id": name, "catalog_id": catalog, "title": name, "brand": None, "category": None,
        "price_micros": 10_000_000, "sale_price_micros": None, "currency": "EUR", "url": "https://shop.example/",
        "image_url": None, "availability": "in_stock", "audience": "unknown", "attributes": {},
        "seen": seen if names else None,
    }  # fmt: skip
    return ProductRead.model_validate(filled | fields)


def match(item: ProductRead, score: float, kind: MatchType = MatchType.similar) -> Match:
    return Match(item, score, kind)


def near(cosine: float, axis: int = 1) -> NDArray[np.float32]:
    """A unit vector with this cosine to the first axis."""
    vector = np.zeros(DIM, np.float32)
    vector[0], vector[axis] = cosine, np.sqrt(1 - cosine**2)
    return vector


def folded(*offers: tuple[ProductRead, float], vectors: Mapping[str, NDArray[np.float32]] | None = None) -> list[Group]:
    """The groups of these products with their scores, nearest first. Without `vectors` all pictures are the same."""
    held = {item.id: item for item, _ in offers}
    hits = [Hit(item.id, item.catalog_id, score) for item, score in offers]

    def vectors_of(keys: Sequence[Key]) -> Mapping[Key, NDArray[np.float32]]:
        return {key: near(1.0) if vectors is None else vectors[held[key[1]].external_id] for key in keys}

    [found] = Folding(vectors_of, same_picture=0.98, alike=0.4).groups([hits], held)
    return found


def names(groups: list[Group]) -> list[list[str]]:
    return [[item.external_id for item in group.products] for group in groups]
