"""Every page's router, for whoever puts the process together, and what pages need of the application."""

from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles

from dashboard.accounts.routes import router as accounts
from dashboard.brand.routes import router as brand
from dashboard.demo.routes import router as demo
from dashboard.developer.routes import router as developer
from dashboard.files import router as files
from dashboard.operator.routes import router as operator
from dashboard.problems import show_problems_as_pages
from dashboard.publisher.routes import router as publisher
from dashboard.reference import router as reference
from dashboard.rendering import HERE
from dashboard.security import SignInFirst, redirect_to_sign_in

ROUTERS: tuple[APIRouter, ...] = (accounts, brand, publisher, developer, operator, files, reference, demo)


def mount(app: FastAPI) -> None:
    """Add all pages, their static files, and the way to the sign-in page."""
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.add_exception_handler(SignInFirst, redirect_to_sign_in)
    show_problems_as_pages(app)
