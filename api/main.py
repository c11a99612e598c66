"""The HTTP application: every domain's router under one roof, and the health of the whole."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from api import errors
from api.accounts.endpoints import router as accounts
from api.ads.endpoints import router as ads
from api.billing.endpoints import router as billing
from api.catalog.endpoints import router as catalogs
from api.catalog.picture_endpoints import router as pictures
from api.events.endpoints import router as events
from api.events.redirect import router as clicks
from api.kit.body_limit import BodyLimit, LimitOf
from api.kit.body_timeout import BodyTimeout
from api.kit.clean_urls import CleanUrls
from api.kit.idempotency import IdempotencyMiddleware
from api.kit.observing import Observed
from api.kit.overload import InFlightLimit
from api.kit.readiness import Readiness
from api.kit.sdk_delivery import ReadableAnswers, SdkFiles
from api.media.endpoints import router as media
from api.media.feedback_endpoints import router as feedback
from api.media.tag_endpoints import router as tags
from api.media.video_endpoints import router as videos
from api.operations.endpoints import router as operations
from api.operations.health import HEALTH, health_router, readiness_of
from api.ports import Ports
from api.reports.endpoints import router as reports
from api.search.endpoints import router as search
from api.search.feedback_endpoints import router as search_feedback
from api.settings import REPO_ROOT, Settings
from api.sites.endpoints import router as sites
from api.vision.endpoints import router as vision

MAX_BODY = 1024**2
SDK_CALLS = ("/v1/tags", "/v1/events", "/v1/feedback")
ROUTERS: Sequence[APIRouter] = (
    accounts,
    sites,
    catalogs,
    pictures,
    vision,
    search,
    search_feedback,
    media,
    tags,
    feedback,
    videos,
    ads,
    events,
    clicks,
    reports,
    billing,
    operations,
)


def create_app(ports: Ports, readiness: Readiness | None = None) -> FastAPI:
    """The app on open ports; pages are mounted beside the API by the caller, who may bring a readiness of its own."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(title="Shoplight", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.ports = ports
    app.state.readiness = readiness or readiness_of(ports)
    errors.install(app)
    app.add_middleware(IdempotencyMiddleware, ports=ports)
    app.add_middleware(BodyLimit, limit_of=_limits(ports.settings))
    app.add_middleware(BodyTimeout, seconds=ports.settings.http.body_timeout_s)
    app.add_middleware(InFlightLimit, most=ports.settings.http.max_in_flight, exempt=HEALTH)
    app.add_middleware(ReadableAnswers, paths=SDK_CALLS)
    app.add_middleware(CleanUrls)
    app.add_middleware(Observed, quiet=HEALTH)
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(health_router(app.state.readiness))
    app.mount("/sdk", SdkFiles(directory=REPO_ROOT / "sdk" / "dist"), name="sdk")
    return app


def _limits(settings: Settings) -> LimitOf:
    """The most bytes of a body by path; the domains bound their own uploads more closely, and say it by field."""
    fetch = settings.fetch
    # whole paths: `/v1/products/imports` names a product, whose body would be read into memory before anybody is asked
    uploads = (
        (re.compile(r"/(v1|brand)/catalogs/[^/]+/imports"), fetch.max_feed_bytes),
        (re.compile(r"/v1/videos"), fetch.max_video_bytes),
        (re.compile(r"/v1/(detect|search)|/developer/search"), fetch.max_picture_bytes),
    )

    def limit_of(path: str) -> int:
        return next((most for paths, most in uploads if paths.fullmatch(path)), MAX_BODY) + MAX_BODY

    return limit_of
