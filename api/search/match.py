"""One product found for a picture, a part of one, or another product."""

from dataclasses import dataclass
from enum import StrEnum

from api.catalog.schemas import ProductRead


class MatchType(StrEnum):
    exact = "exact"  # this product
    similar = "similar"  # looks like it
    complement = "complement"  # goes with it


@dataclass(frozen=True, slots=True)
class Match:
    """`score` is the cosine of the two vectors."""

    product: ProductRead
    score: float
    match_type: MatchType
