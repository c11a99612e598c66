"""From a row of texts to a product that may be sold, or to the reasons why not. The one place that knows the names
which feeds use. What a shopper cannot do without refuses the row; the rest is put right or left out."""

from collections.abc import Mapping
from dataclasses import dataclass

from api.catalog.audience import audience_of
from api.catalog.identifiers import parse_gtin
from api.catalog.links import LinkError, parse_link
from api.catalog.money import MAX_MICROS, AmountError, currency_of, parse_price
from api.catalog.plain_text import plain_text
from api.catalog.schemas import Audience, Availability, ProductCreate
from api.kit.names import storable

MAX_ID = 200
MAX_TITLE = 500
MAX_SHORT = 300
MAX_DESCRIPTION = 5000
MAX_ATTRIBUTES, MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTE = 40, 60, 1000

# ours -> theirs; the first that is filled counts, the first of all is the name used in errors
NAMES: dict[str, tuple[str, ...]] = {
    "external_id": ("id", "external_id", "offer_id", "sku", "product_id"),
    "title": ("title", "name"),
    "description": ("description",),
    "brand": ("brand", "vendor"),
    "category": ("product_type", "category", "google_product_category"),
    "price": ("price",),
    "price_micros": ("price_micros",),
    "sale_price": ("sale_price",),
    "sale_price_micros": ("sale_price_micros",),
    "currency": ("currency", "price_currency"),
    "url": ("link", "url", "product_url"),
    "image_link": ("image_link", "image_url", "image"),
    "availability": ("availability",),
    "audience": ("audience",),
    "gender": ("gender",),
    "age_group": ("age_group",),
    "gtin": ("gtin", "ean", "upc", "barcode"),
    "mpn": ("mpn",),
}
_KNOWN = frozenset(name for names in NAMES.values() for name in names)
_YES = ("instock", "available", "yes", "true", "1", "limitedavailability", "onlineonly")
_NO = ("outofstock", "soldout", "unavailable", "no", "false", "0", "discontinued")
_AVAILABILITY = {
    **dict.fromkeys(_YES, Availability.in_stock),
    **dict.fromkeys(_NO, Availability.out_of_stock),
    "preorder": Availability.preorder,
    "backorder": Availability.backorder,
    "availablefororder": Availability.backorder,
}
_AUDIENCE = {
    **dict.fromkeys(("women", "woman", "female", "ladies", "lady", "f", "w"), Audience.women),
    **dict.fromkeys(("men", "man", "male", "gentlemen", "m"), Audience.men),
    **dict.fromkeys(("kids", "kid", "children", "child", "girls", "girl", "boys", "boy", "baby"), Audience.kids),
    "unisex": Audience.unisex,
}
_YOUNG = {"newborn", "infant", "toddler", "kids", "children"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One field's trouble, in the feed's own name of the field."""

    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """`product` is None when the row is refused; `faults` may also tell what was left out of one that is taken."""

    product: ProductCreate | None
    faults: list[Fault]


def external_id_of(values: Mapping[str, str]) -> str:
    """The brand's id of a row, even of one that is refused; empty when it has none."""
    return plain_text(_pick(values, "external_id")[1][: MAX_ID * 4])[:MAX_ID]


def check_row(values: Mapping[str, str], *, needs_link: bool = True) -> Checked:
    """Check one row against every rule; all its faults are told at once. Without a link, where that is excused, `url`
    is empty, and nobody must be shown the product."""
    fatal: list[Fault] = []
    remarks: list[Fault] = []
    external_id = _text(values, "external_id", MAX_ID, fatal, required=True)
    title = _text(values, "title", MAX_TITLE, fatal, required=True)
    price, sale, currency = _prices(values, fatal)
    url = _url(values, fatal, remarks, needs_link=needs_link)
    image = _image(values, fatal)
    availability = _availability(values, fatal)
    gtin = _gtin(values, remarks)
    if fatal:
        return Checked(None, fatal)
    category = plain_text(_pick(values, "category")[1])[:MAX_SHORT]
    product = ProductCreate(
        external_id=external_id,
        title=title,
        description=plain_text(_pick(values, "description")[1])[:MAX_DESCRIPTION],
        brand=plain_text(_pick(values, "brand")[1])[:MAX_SHORT],
        category=category,
        price_micros=price,
        sale_price_micros=sale,
        currency=currency,
        url=url,
        image_link=image,
        availability=availability,
        audience=audience_of(_audience(values), title, category),
        gtin=gtin,
        mpn=plain_text(_pick(values, "mpn")[1])[:MAX_SHORT],
        attributes=_attributes(values),
    )
    return Checked(product, remarks)


def _pick(values: Mapping[str, str], ours: str) -> tuple[str, str]:
    """(the feed's name, text) of the first filled column; the name stays the feed's even when it is empty."""
    names = NAMES[ours]
    for name in names:
        if text := values.get(name, "").strip():
            return name, text
    return next((name for name in names if name in values), names[0]), ""


def _text(values: Mapping[str, str], ours: str, limit: int, faults: list[Fault], *, required: bool) -> str:
    name, raw = _pick(values, ours)
    text = plain_text(raw)
    if required and not text:
        faults.append(Fault(name, "is missing"))
    elif len(text) > limit:
        faults.append(Fault(name, f"is longer than {limit} characters"))
    return text


def _prices(values: Mapping[str, str], faults: list[Fault]) -> tuple[int, int | None, str]:
    hint = _pick(values, "currency")[1] or None
    price = _price(values, "price", hint, faults)
    if price is None:
        return 0, None, ""
    micros, currency = price
    if not (_pick(values, "sale_price")[1] or _pick(values, "sale_price_micros")[1]):
        return micros, None, currency
    sale = _price(values, "sale_price", currency, faults)
    if sale is not None and sale[0] > micros:
        name = _pick(values, "sale_price")[0] if _pick(values, "sale_price")[1] else "sale_price_micros"
        faults.append(Fault(name, "is higher than the price"))
    # equal prices are no sale
    return micros, sale[0] if sale is not None and sale[0] < micros else None, currency


def _price(values: Mapping[str, str], ours: str, hint: str | None, faults: list[Fault]) -> tuple[int, str] | None:
    name, text = _pick(values, ours)
    micros_name, micros = _pick(values, f"{ours}_micros")
    try:
        if text or not micros:
            return parse_price(text, hint)
        name = micros_name
        if not (micros.isascii() and micros.lstrip("-").isdigit() and len(micros) < 20):
            raise AmountError("must be a whole number of micros")
        if not 0 < int(micros) <= MAX_MICROS:
            raise AmountError("must be above 0" if int(micros) <= 0 else "is too high to be a price")
        return int(micros), currency_of("", hint)
    except AmountError as error:
        currency_column = _pick(values, "currency")[0]
        at_fault = currency_column if "currency" in str(error) and hint and ours == "price" else name
        faults.append(Fault(at_fault, str(error)))
        return None


def _url(values: Mapping[str, str], faults: list[Fault], remarks: list[Fault], *, needs_link: bool) -> str:
    name, text = _pick(values, "url")
    if not text and not needs_link:
        remarks.append(Fault(name, "is unknown: import with shop_url=https://…; until then the product is not shown"))
        return ""
    try:
        return parse_link(text)
    except LinkError as error:
        faults.append(Fault(name, str(error)))
        return ""


def _image(values: Mapping[str, str], faults: list[Fault]) -> str:
    """A link, or a path for the pictures of a ZIP: anything with a scheme or host must be a real link."""
    name, text = _pick(values, "image_link")
    text = text.split(",http")[0].strip()  # some shops write several links into one cell
    if text != storable(text):
        faults.append(Fault(name, "has characters that no path or link holds"))
        return ""
    if not text or not (":" in text.split("/")[0] or text.startswith("//")):
        if len(text) <= MAX_ATTRIBUTE:
            return text
        faults.append(Fault(name, f"is longer than {MAX_ATTRIBUTE} characters"))
        return ""
    try:
        return parse_link(f"https:{text}" if text.startswith("//") else text)
    except LinkError as error:
        faults.append(Fault(name, str(error)))
        return ""


def _availability(values: Mapping[str, str], faults: list[Fault]) -> Availability:
    name, text = _pick(values, "availability")
    if not text:
        return Availability.in_stock
    word = "".join(mark for mark in text.lower().rpartition("/")[2] if mark.isalnum())
    if word not in _AVAILABILITY:
        faults.append(Fault(name, f"{text[:40]!r} is none of in_stock, out_of_stock, preorder, backorder"))
    return _AVAILABILITY.get(word, Availability.out_of_stock)


def _audience(values: Mapping[str, str]) -> Audience:
    said = _pick(values, "audience")[1].lower() or _pick(values, "gender")[1].lower()
    if _pick(values, "age_group")[1].lower() in _YOUNG:
        return Audience.kids
    return _AUDIENCE.get(said, Audience.unknown)


def _gtin(values: Mapping[str, str], remarks: list[Fault]) -> str | None:
    name, text = _pick(values, "gtin")
    gtin = parse_gtin(text) if text else None
    if text and gtin is None:
        remarks.append(Fault(name, f"{text[:40]!r} is no valid GTIN; the product was taken without it"))
    return gtin


def _attributes(values: Mapping[str, str]) -> dict[str, str]:
    """Whatever else the feed has, as far as it is short enough to keep."""
    found: dict[str, str] = {}
    for raw, value in values.items():
        name = plain_text(raw.removeprefix("attributes."))[:MAX_ATTRIBUTE_NAME]
        if raw in _KNOWN or not name or not value.strip() or len(value) > MAX_ATTRIBUTE:
            continue
        if len(found) >= MAX_ATTRIBUTES:
            break
        if text := plain_text(value):
            found.setdefault(name.lower().replace(" ", "_"), text)
    return found
