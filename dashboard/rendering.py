"""Pages from templates: one Jinja2 environment, autoescaped, with the few formats that pages share."""

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

HERE = Path(__file__).resolve().parent
MICROS = 1_000_000

templates = Jinja2Templates(directory=HERE / "templates")


def money(micros: int | None, currency: str | None) -> str:
    """`19900000, EUR` -> `19.90 EUR`; an unknown amount is a dash."""
    return "–" if micros is None else f"{micros / MICROS:,.2f} {currency or ''}".strip()


templates.env.filters["money"] = money


def render(request: Request, template: str, status_code: int = 200, **context: Any) -> HTMLResponse:
    """A page."""
    return templates.TemplateResponse(request, template, context, status_code=status_code)
