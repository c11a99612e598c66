"""What catalogs take and answer."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from api.catalog.links import parse_link
from api.catalog.money import CURRENCIES
from api.catalog.plain_text import plain_text
from api.kit.clock import UtcTime
from api.vision.colours import NAMES as COLOUR_NAMES
from api.vision.pattern import Pattern


class Availability(StrEnum):
    """Google Merchant's values."""

    in_stock = "in_stock"
    out_of_stock = "out_of_stock"
    preorder = "preorder"
    backorder = "backorder"


class Audience(StrEnum):
    """For whom a product is made."""

    women = "women"
    men = "men"
    kids = "kids"
    unisex = "unisex"
    unknown = "unknown"


class ImportMode(StrEnum):
    """`full` removes products that the feed no longer has, `merge` keeps them."""

    full = "full"
    merge = "merge"


class ImportState(StrEnum):
    """The life of an import."""

    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"


class IndexState(StrEnum):
    """Whether a product can be found by its picture."""

    pending = "pending"
    indexed = "indexed"
    failed = "failed"
    no_picture = "no_picture"


@dataclass(frozen=True, slots=True)
class ProductCreate:
    """A product that passed every check, from a feed's row or a PUT. `image_link` is as the feed has it: a link, or a
    path inside its ZIP."""

    external_id: str
    title: str
    description: str
    brand: str
    category: str
    price_micros: int
    sale_price_micros: int | None
    currency: str
    url: str
    image_link: str
    availability: Availability
    audience: Audience
    gtin: str | None
    mpn: str
    attributes: dict[str, str] = field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        """By column name."""
        return asdict(self)


Micros = Annotated[int, Field(strict=True)]  # money is told as a whole number: neither true nor "5"
READ_ONLY = {"id", "catalog_id", "index", "seen", "created_at", "updated_at"}


class ProductUpdate(BaseModel):
    """A whole product, in the answer's names; `image_url` is where its picture is fetched from."""

    model_config = ConfigDict(extra="forbid")

    external_id: Annotated[str, Field(max_length=200)] | None = None
    title: str = Field(max_length=5000)
    description: str = Field(default="", max_length=64_000)
    brand: str | None = Field(default=None, max_length=1000)
    category: str | None = Field(default=None, max_length=2000)
    price_micros: Micros
    sale_price_micros: Micros | None = None
    currency: str = Field(max_length=3)
    url: str = Field(max_length=2000)
    image_url: str | None = Field(default=None, max_length=2000)
    availability: str = Field(default="in_stock", max_length=60)
    audience: str | None = Field(default=None, max_length=60)
    gtin: str | None = Field(default=None, max_length=30)
    mpn: str | None = Field(default=None, max_length=200)
    attributes: dict[str, str] = Field(default={}, max_length=100)

    @model_validator(mode="before")
    @classmethod
    def _drop_what_only_we_say(cls, data: Any) -> Any:
        """An answer of ours, changed and sent back, is a fine request."""
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if name not in READ_ONLY}


class SeenColour(BaseModel):
    """A colour by its name, and the part (0..1) of the object that has it."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description=f"One of {', '.join(COLOUR_NAMES)}.")
    share: float


class Seen(BaseModel):
    """What a product looks like on its picture; `attributes` is what its feed says."""

    model_config = ConfigDict(frozen=True)

    colours: tuple[SeenColour, ...] = Field(description="Largest share first; shares below 0.05 are left out.")
    pattern: Pattern
    sharpness: float = Field(description="Of the picture, 0 (blurred) to 1.")


class ProductRead(BaseModel):
    """A product in any answer (DESIGN.md)."""

    model_config = ConfigDict(frozen=True)

    id: str
    external_id: str
    catalog_id: str
    title: str
    brand: str | None
    category: str | None
    price_micros: int
    sale_price_micros: int | None
    currency: str
    url: str
    image_url: str | None
    availability: str
    audience: str
    attributes: dict[str, str]
    seen: Seen | None = Field(default=None, description="Measured on the picture; null until it was looked at.")
    # for folding one product of several sellers into one match; only the answer about the product itself tells it
    gtin: str | None = Field(default=None, exclude=True)


class ProductIndexing(BaseModel):
    """Whether a picture search finds the product, and if not, why."""

    state: IndexState
    error: str | None


class ProductDetail(ProductRead):
    """A product for those who may see all of it."""

    description: str
    gtin: str | None
    mpn: str | None
    index: ProductIndexing
    created_at: UtcTime
    updated_at: UtcTime


def _name(text: str) -> str:
    if not (name := plain_text(text)):
        raise ValueError("a name is needed")
    return name


def _currency(text: str) -> str:
    if text.upper() not in CURRENCIES:
        raise ValueError("this is no ISO 4217 currency")
    return text.upper()


CatalogName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_name)]
CurrencyCode = Annotated[str, Field(min_length=3, max_length=3), AfterValidator(_currency)]
Link = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(parse_link)]


class CatalogCreate(BaseModel):
    """A new catalog."""

    model_config = ConfigDict(extra="forbid")

    name: CatalogName
    listed: bool = False


class CatalogUpdate(BaseModel):
    """What may change; absent fields stay."""

    model_config = ConfigDict(extra="forbid")

    name: CatalogName | None = None
    listed: bool | None = None


class CatalogRead(BaseModel):
    """A catalog. `listing` says what `listed` has come to: it also takes the operator's approval."""

    id: str
    name: str
    listed: bool
    listing: Literal["listed", "awaiting_approval", "unlisted"]
    created_at: UtcTime


class ImportQuery(BaseModel):
    """Options of an import; an unknown one is refused: a misspelt `mode` would remove products."""

    model_config = ConfigDict(extra="forbid")

    mode: ImportMode = ImportMode.full
    shop_url: Link | None = Field(default=None, description="for Shopify exports, which hold no links")
    currency: CurrencyCode | None = Field(default=None, description="for Shopify exports, which name no currency")


class FeedAddress(BaseModel):
    """An import from the web."""

    model_config = ConfigDict(extra="forbid")

    feed_url: Link


class ImportCounts(BaseModel):
    """Rows of the feed; read = created + updated + unchanged + failed. `indexed` counts those that search finds."""

    read: int
    created: int
    updated: int
    unchanged: int
    removed: int
    failed: int
    indexed: int


class ImportErrorRead(BaseModel):
    """One thing about one row; `field` is the feed's name of the column, null for the row as a whole."""

    line: int | None
    field: str | None
    reason: str


class ImportRead(BaseModel):
    """An import: `errors` are its first ones, `errors_total` counts all of them."""

    id: str
    catalog_id: str
    state: ImportState
    mode: ImportMode
    format: str | None
    counts: ImportCounts
    errors: list[ImportErrorRead]
    errors_total: int
    warnings: list[str]
    created_at: UtcTime
    finished_at: UtcTime | None
