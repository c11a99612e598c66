"""One product found for a picture, a part of one, or another product."""

from dataclasses import dataclass
from enum import StrEnum

from api.catalog.schemas import ProductRead
from api.search.exactness import Asked
from api.vision.attributes import Attributes


class MatchType(StrEnum):
    exact = "exact"  # this product
    similar = "similar"  # looks like it
    complement = "complement"  # goes with it


@dataclass(frozen=True, slots=True)
class Match:
    """`score` is the cosine of the two vectors; `offers` are the same product of other sellers, cheapest in stock
    first."""

    product: ProductRead
    score: float
    match_type: MatchType
    offers: tuple[ProductRead, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of the object searched for beside its vector; an empty part is not known and decides nothing.
    `colours` are (name, share), `label` is the detector's; `asked` says how it came to be looked at."""

    colours: tuple[tuple[str, float], ...] = ()
    audience: str | None = None
    label: str | None = None
    asked: Asked = Asked.whole

    @classmethod
    def of(cls, seen: Attributes, label: str | None, asked: Asked) -> "Look":
        """Of an object that was looked at."""
        return cls(tuple((colour.name, colour.share) for colour in seen.colours), label=label, asked=asked)


UNKNOWN_LOOK = Look()
