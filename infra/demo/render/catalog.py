"""What the two demo brands sell: the record of a product and the feeds written from it. Needs no Blender."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS = [
    "id",
    "title",
    "description",
    "link",
    "image_link",
    "price",
    "sale_price",
    "availability",
    "brand",
    "product_type",
    "gtin",
    "gender",
    "color",
    "material",
    "condition",
]


@dataclass(frozen=True)
class Product:
    """One product: how it is modelled (`shape`, `params`, catalog view) and how it is sold."""

    id: str
    title: str
    description: str
    price: str
    product_type: str
    color: str
    material: str
    shape: str
    params: dict[str, object]
    view: tuple[float, float] = (-25, 12)
    sale_price: str = ""
    availability: str = "in_stock"
    gender: str = ""
    label: int = 12
    tags: frozenset[str] = field(default_factory=frozenset)


def gtin13(prefix: str, serial: int) -> str:
    """GTIN-13 with its check digit (GS1 General Specifications, 7.9); prefixes 20 to 29 never leave a company."""
    body = f"{prefix}{serial:0{12 - len(prefix)}d}"
    total = sum(int(digit) * (3 if i % 2 else 1) for i, digit in enumerate(body))
    return body + str(-total % 10)


def write_feed(path: Path, brand: str, prefix: str, products: list[Product]) -> None:
    """A Google Merchant CSV; `{BASE_URL}` is left for the one who seeds the demo."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        rows.writeheader()
        for serial, product in enumerate(products, start=1001):
            rows.writerow(
                {
                    "id": product.id,
                    "title": product.title,
                    "description": product.description,
                    "link": "{BASE_URL}/demo/shop/" + product.id,
                    "image_link": f"pictures/{product.id}.jpg",
                    "price": f"{product.price} EUR",
                    "sale_price": f"{product.sale_price} EUR" if product.sale_price else "",
                    "availability": product.availability,
                    "brand": brand,
                    "product_type": product.product_type,
                    "gtin": gtin13(prefix, serial * 37),
                    "gender": product.gender,
                    "color": product.color,
                    "material": product.material,
                    "condition": "new",
                }
            )
