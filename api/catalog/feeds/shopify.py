"""Shopify's product CSV: the rows of one Handle (variants, further pictures) become one product row with the names the
other feeds use. Currency and shop address are not in the file: the import's options give them, else the pictures' host
(shops serve them from their own address; exports often name Shopify's CDN instead) and Shopify's own default, USD."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from api.catalog.feeds.rows import BadRow, FeedRow, RowError
from api.catalog.money import AmountError, parse_amount

_MAX_ROWS_A_HANDLE = 2500
DEFAULT_CURRENCY = "USD"
_CDN = "cdn.shopify.com"
# column names of the classic export and of today's
_HANDLE = ("handle", "url_handle")
_NAMES: dict[str, tuple[str, ...]] = {
    "title": ("title",),
    "description": ("body_(html)", "description"),
    "brand": ("vendor",),
    "product_type": ("type", "product_category", "google_shopping_/_google_product_category"),
    "gtin": ("variant_barcode", "barcode"),
    "mpn": ("google_shopping_/_mpn",),
    "gender": ("google_shopping_/_gender",),
    "age_group": ("google_shopping_/_age_group",),
    "image_link": ("image_src", "product_image_url", "variant_image", "variant_image_url"),
    "link": ("link", "url", "online_store_url"),
    "tags": ("tags",),
    "sku": ("variant_sku", "sku"),
    "currency": ("currency",),
}
_PRICE = ("variant_price", "price")
_COMPARE_AT = ("variant_compare_at_price", "compare_at_price")
_QUANTITY = ("variant_inventory_qty", "inventory_quantity")
_POLICY = ("variant_inventory_policy", "continue_selling_when_out_of_stock")
_TRACKER = ("variant_inventory_tracker", "inventory_tracker")


def is_shopify(header: Iterable[str]) -> bool:
    """Whether these columns are a Shopify export's."""
    names = set(header)
    return bool(names & set(_HANDLE)) and bool(names & {*_PRICE, "variant_sku", "body_(html)", "vendor"})


@dataclass
class _Group:
    """The rows of one handle."""

    handle: str
    line: int
    rows: list[dict[str, str]] = field(default_factory=list)


class ShopifyRows:
    """Iterates over products; `unpublished` counts drafts and archived ones, which are left out."""

    def __init__(self, rows: Iterable[FeedRow | BadRow], *, shop_url: str | None, currency: str | None) -> None:
        self._rows = rows
        self._shop_url = shop_url.rstrip("/") if shop_url else None
        self._currency = currency
        self.unpublished = 0
        self.assumed_currency = False

    def __iter__(self) -> Iterator[FeedRow | BadRow]:
        group: _Group | None = None
        for row in self._rows:
            if isinstance(row, BadRow):
                yield BadRow(row.error, {"id": _first(row.values, _HANDLE)})
                continue
            handle = _first(row.values, _HANDLE)
            if group and handle in {"", group.handle}:
                if len(group.rows) < _MAX_ROWS_A_HANDLE:
                    group.rows.append(row.values)
                continue
            if group:
                yield from self._product(group)
            group = _Group(handle, row.line, [row.values])
        if group:
            yield from self._product(group)

    def _product(self, group: _Group) -> Iterator[FeedRow | BadRow]:
        head = group.rows[0]
        if head.get("status", "").strip().lower() in {"draft", "archived"} or _said_no(head):
            self.unpublished += 1
            return
        values = {name: _first_of_rows(group.rows, columns) for name, columns in _NAMES.items()}
        values["id"] = group.handle
        values["currency"] = values["currency"] or self._currency or ""
        if not values["currency"]:
            values["currency"], self.assumed_currency = DEFAULT_CURRENCY, True
        shop = self._shop_url or _host_of(values["image_link"])
        if not values["link"] and shop and group.handle:
            values["link"] = f"{shop}/products/{quote(group.handle)}"
        variants = [row for row in group.rows if _first(row, _PRICE)]
        values |= _options(group.rows)
        try:
            values |= _prices(variants)
        except AmountError as error:
            yield BadRow(RowError(group.line, "variant_price", str(error)), values)
            return
        values["availability"] = "in_stock" if any(map(_in_stock, variants)) else "out_of_stock"
        yield FeedRow(group.line, values, can_have_link=bool(values["link"]))


def _host_of(image_link: str) -> str | None:
    try:
        parts = urlsplit(image_link)
    except ValueError:
        return None
    own = parts.scheme in {"http", "https"} and parts.netloc and parts.hostname != _CDN
    return f"{parts.scheme}://{parts.netloc}" if own else None


def _said_no(head: dict[str, str]) -> bool:
    return _first(head, ("published", "published_on_online_store")).lower() == "false"


def _first(row: dict[str, str], columns: tuple[str, ...]) -> str:
    return next((text for name in columns if (text := row.get(name, "").strip())), "")


def _first_of_rows(rows: list[dict[str, str]], columns: tuple[str, ...]) -> str:
    return next((text for row in rows if (text := _first(row, columns))), "")


def _prices(variants: list[dict[str, str]]) -> dict[str, str]:
    """The cheapest variant's price; its compare-at price, when higher, is the regular one."""
    if not variants:
        return {"price": ""}
    cheapest = min(variants, key=lambda row: parse_amount(_first(row, _PRICE), None))
    price, regular = _first(cheapest, _PRICE), _first(cheapest, _COMPARE_AT)
    if regular and parse_amount(regular, None) > parse_amount(price, None):
        return {"price": regular, "sale_price": price}
    return {"price": price}


def _in_stock(variant: dict[str, str]) -> bool:
    quantity = _first(variant, _QUANTITY)
    if _first(variant, _POLICY).lower() in {"continue", "true"} or not quantity:
        return True
    tracked = _first(variant, _TRACKER) or not any(name in variant for name in _TRACKER)
    return not tracked or not quantity.lstrip("+-").isdigit() or int(quantity[:12]) > 0


def _options(rows: list[dict[str, str]]) -> dict[str, str]:
    """`Option1 Name` Color with the variants' values becomes the attribute color `Red, Blue`."""
    found: dict[str, str] = {}
    for number in (1, 2, 3):
        name = _first(rows[0], (f"option{number}_name",))
        if not name or name.lower() == "title":
            continue
        seen = dict.fromkeys(_first(row, (f"option{number}_value",)) for row in rows)
        found[f"attributes.{name}"] = ", ".join(value for value in seen if value)[:1000]
    return found
