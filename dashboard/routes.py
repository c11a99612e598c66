"""Every page's router, for whoever puts the process together."""

from fastapi import APIRouter

from dashboard.demo.routes import router as demo


def routers() -> list[APIRouter]:
    """All of them."""
    return [demo]
