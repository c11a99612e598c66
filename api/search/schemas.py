"""What the search calls take and answer."""

import math
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from api.catalog.schemas import ProductRead
from api.search.match import Match, MatchType
from api.search.service import Filters
from api.vision.colours import NAMES
from api.vision.pattern import Pattern
from api.vision.picture import WHOLE, Box
from api.vision.schemas import AttributesRead, BoxRead, ImageRead, MinScore

MAX_VALUES = 50
MOST_OBJECTS = 20
EDGE = 1e-6  # boxes that we answered may be off by the last digit when they come back
Word = Annotated[str, Field(min_length=1, max_length=500)]
Words = Annotated[list[Word], Field(max_length=MAX_VALUES)]
Micros = Annotated[int, Field(ge=0, le=10**15)]


def _colour_name(text: str) -> str:
    if (name := text.casefold()) not in NAMES:
        raise ValueError(f"one of {', '.join(NAMES)}")
    return name


ColourName = Annotated[str, Field(max_length=40), AfterValidator(_colour_name)]


def _box_of(text: str) -> Box:
    try:
        x, y, w, h = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError("give four numbers: x,y,w,h") from error
    inside = x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= 1 + EDGE and y + h <= 1 + EDGE
    if not (all(map(math.isfinite, (x, y, w, h))) and inside):
        raise ValueError("the box must lie inside the picture (0..1) and have an area")
    return Box(x, y, min(w, 1 - x), min(h, 1 - y))


def _checked_box(text: str) -> str:
    _box_of(text)
    return text


class FilterQuery(BaseModel):
    """Which products may match. Names repeat for several values; an unknown name is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=20, ge=1, le=100, description="Most matches of an object.")
    catalog_ids: Words = Field(default=[], description="Only these catalogs; else your own and all listed ones.")
    brand: Words = Field(default=[], description="Any of these brands, in any case.")
    category: Words = Field(default=[], description="Any of these or below one: `Shoes` finds `Shoes > Boots`.")
    price_min_micros: Micros | None = Field(default=None, description="Of what is paid now: a sale price counts.")
    price_max_micros: Micros | None = None
    currency: str | None = Field(default=None, pattern="^[A-Za-z]{3}$", description="Only prices in this currency.")
    in_stock: bool | None = Field(default=None, description="true: only what is in stock; false: only what is not.")
    audience: Words = Field(default=[], description="Any of these audiences.")
    colour: Annotated[list[ColourName], Field(max_length=MAX_VALUES)] = Field(
        default=[], description="Of any of these colours, as seen on the product's picture (a share of 0.15 at least)."
    )
    pattern: Annotated[list[Pattern], Field(max_length=MAX_VALUES)] = Field(
        default=[], description="Of any of these patterns, as seen on the product's picture."
    )

    @field_validator("price_max_micros")
    @classmethod
    def _prices_in_order(cls, high: int | None, info: ValidationInfo) -> int | None:
        low = info.data.get("price_min_micros")
        if low is not None and high is not None and low > high:
            raise ValueError("price_min_micros is above price_max_micros")
        return high

    def filters(self) -> Filters:
        return Filters(
            brand=frozenset(self.brand),
            category=frozenset(self.category),
            price_min_micros=self.price_min_micros,
            price_max_micros=self.price_max_micros,
            currency=self.currency,
            in_stock=self.in_stock,
            audience=frozenset(self.audience),
            colour=frozenset(self.colour),
            pattern=frozenset(self.pattern),
        )


class SearchQuery(FilterQuery):
    """Options of a picture search."""

    detect: bool = Field(default=True, description="false: the whole picture is the one object.")
    box: Annotated[str, Field(max_length=200), AfterValidator(_checked_box)] | None = Field(
        default=None, description="x,y,w,h in parts of the picture: this place is the one object."
    )
    min_score: MinScore = 0.25

    def place(self) -> Box | None:
        """The one place to search for; None when objects are to be detected."""
        if self.box is not None:
            return _box_of(self.box)
        return None if self.detect else WHOLE


class OfferRead(BaseModel):
    """One further offer of a match."""

    product: ProductRead


class MatchRead(BaseModel):
    """`score` is the cosine of the two pictures' vectors; the order follows it but for the documented rules."""

    product: ProductRead
    score: float
    match_type: MatchType
    offers: list[OfferRead] = Field(description="The same product of other sellers, cheapest in stock first.")

    @classmethod
    def of(cls, match: Match) -> "MatchRead":
        offers = [OfferRead(product=product) for product in match.offers]
        return cls(product=match.product, score=match.score, match_type=match.match_type, offers=offers)


class MatchesAnswer(BaseModel):
    matches: list[MatchRead]


class ObjectRead(BaseModel):
    """A product seen on the picture. `label` and `score` are null when the caller named the place, and for the whole of
    a picture that shows one thing large or nothing that the detector knows."""

    label: str | None
    score: float | None
    box: BoxRead
    attributes: AttributesRead
    matches: list[MatchRead]
    token: str = Field(description="Names the object in `POST /v1/search/feedback`, for a week.")


class SearchAnswer(BaseModel):
    query_id: str
    image: ImageRead
    objects: list[ObjectRead] = Field(description="Those that look most like a product first.")
