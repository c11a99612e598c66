"""Pages from templates: one Jinja2 environment, autoescaped, with the few formats that pages share."""

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

from dashboard.security import CONTENT_SECURITY_POLICY, WITH_FOREIGN_MEDIA

HERE = Path(__file__).resolve().parent
MICROS = 1_000_000
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}

templates = Jinja2Templates(directory=HERE / "templates")


def money(micros: int | None, currency: str | None = "") -> str:
    """`19900000, EUR` -> `19.90 EUR`; an unknown amount is a dash."""
    return "–" if micros is None else f"{micros / MICROS:,.2f} {currency or ''}".strip()


def percent(share: float | None) -> str:
    """`0.0312` -> `3.12 %`; without impressions there is no rate, so a dash."""
    return "–" if share is None else f"{share * 100:.2f} %"


def count(number: int) -> str:
    """`12345` -> `12,345`."""
    return f"{number:,}"


templates.env.filters.update(money=money, percent=percent, count=count)


def render(
    request: Request, template: str, status_code: int = 200, *, foreign_media: bool = False, **context: Any
) -> HTMLResponse:
    """A page. Signed-in pages pass `viewer`; they are never kept by caches. `foreign_media`: it shows a publisher's."""
    headers = {**HEADERS, **({"Cache-Control": "no-store"} if "viewer" in context else {})}
    if foreign_media:
        headers["Content-Security-Policy"] = WITH_FOREIGN_MEDIA
    return templates.TemplateResponse(request, template, context, status_code=status_code, headers=headers)
