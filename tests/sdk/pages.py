"""Pages of a publisher and answers of the stub that the tests of the script share."""

from typing import Any

from playwright.sync_api import Page

from tests.sdk.stub import Host

WIDTH, HEIGHT = 600, 400
BOX = {"x": 0.7, "y": 0.2, "w": 0.2, "h": 0.3}

# A browser that keeps nothing; whoever tries is remembered in window.touched.
CLOSED_STORAGE = """
const blocked = (name) => ({
  get() { window.touched = name; throw new DOMException("blocked", "SecurityError") },
  set() { window.touched = name },
});
for (const name of ["localStorage", "sessionStorage", "indexedDB", "caches"])
  Object.defineProperty(window, name, blocked(name));
Object.defineProperty(Document.prototype, "cookie", blocked("cookie"));
"""


def product(**changes: object) -> dict[str, Any]:
    return {
        "id": "prd_1",
        "external_id": "X1",
        "catalog_id": "ctg_1",
        "title": "Linen shirt",
        "brand": "Nordhem",
        "category": "top",
        "price_micros": 59_900_000,
        "sale_price_micros": 44_900_000,
        "currency": "EUR",
        "url": "https://shop.example/x1",
        "image_url": "https://brand.example/x1.jpg",
        "availability": "in_stock",
        "audience": None,
        "attributes": {},
        "match_type": "exact",
        "score": 0.93,
        **changes,
    }


def tag(nonce: int, number: int = 1, **changes: object) -> dict[str, Any]:
    return {
        "id": f"tag_{number}",
        "label": "top",
        "box": BOX,
        "products": [product(id=f"prd_{number}")],
        "token": f"token-{nonce}-{number}",
        "sponsored": False,
        **changes,
    }


def one_tag(_media: dict[str, Any], nonce: int) -> dict[str, Any]:
    return {"status": "ready", "tags": [tag(nonce)]}


def html(host: Host, body: str, *, attributes: str = "", head: str = "", html_attributes: str = 'lang="en"') -> str:
    """A publisher's page around ``body``, with the script embedded as the README says."""
    return (
        f"<!doctype html><html {html_attributes}><head><meta charset=utf-8><title>Page</title>{head}"
        f'<script async src="{host.api}/sdk/shoplight.js" data-key="pk_test" {attributes}></script>'
        f"</head><body>{body}</body></html>"
    )


def visit(page: Page, host: Host, body: str, path: str = "/page", **options: str) -> None:
    host.pages[path] = html(host, body, **options)
    page.goto(host.site + path)
