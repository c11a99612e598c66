"""The HTTP application: every domain's router under one roof, and the health of the whole."""

import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api import errors
from api.accounts.endpoints import router as accounts
from api.catalog.endpoints import router as catalogs
from api.catalog.picture_endpoints import router as pictures
from api.kit.idempotency import IdempotencyMiddleware
from api.ports import Ports
from api.search.endpoints import router as search
from api.settings import REPO_ROOT
from api.sites.endpoints import router as sites
from api.vision.endpoints import router as vision

log = logging.getLogger(__name__)
ROUTERS: Sequence[APIRouter] = (accounts, sites, catalogs, pictures, search, vision)


def create_app(ports: Ports) -> FastAPI:
    """The app on open ports; pages are mounted beside the API by the caller."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(title="Shoplight", version="1", lifespan=lifespan, docs_url="/docs", redoc_url=None)
    app.state.ports = ports
    errors.install(app)
    app.add_middleware(IdempotencyMiddleware, ports=ports)
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(_health())
    app.mount("/sdk", StaticFiles(directory=REPO_ROOT / "sdk" / "dist", check_dir=False), name="sdk")
    return app


def _health() -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process runs."""
        return {"status": "ok"}

    @router.get("/readyz")
    def readyz(request: Request, response: Response) -> dict[str, object]:
        """Every part answers; 503 names those that don't."""
        checks: dict[str, dict[str, object]] = {}
        for name, check in request.app.state.ports.health_checks().items():
            started = time.perf_counter()
            try:
                check()
                checks[name] = {"ok": True, "ms": round((time.perf_counter() - started) * 1000, 1)}
            except Exception as error:
                log.warning("not ready: %s", name, exc_info=True)
                checks[name] = {"ok": False, "reason": type(error).__name__}
        ready = all(check["ok"] for check in checks.values())
        response.status_code = 200 if ready else 503
        return {"status": "ready" if ready else "not ready", "checks": checks}

    @router.get("/metrics", include_in_schema=True)
    async def metrics() -> Response:
        """Prometheus text."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
