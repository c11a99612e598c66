"""`/healthz`, `/readyz` and `/metrics`: the same in every process, whatever else it serves."""

import asyncio
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.events.migrations import require_schema
from api.events.store import EventStore
from api.kit.migrations import schema_problem
from api.kit.queue import CeleryQueue
from api.kit.readiness import Check, Readiness
from api.moving.service import moving_problem

if TYPE_CHECKING:
    from api.ports import Ports  # it opens everything, this package's own needs included

# without these an API process can answer nobody. All else it can do without for a while: the spool takes events while
# Kafka is away, tags come from memory, searches and reports say 503 by themselves. If it said "not ready" then, every
# process would be taken out at the same moment, and nothing be left of the house
NEEDED = frozenset({"database", "event_log"})
HEALTH = frozenset({"/healthz", "/readyz", "/metrics"})


class NotUsable(Exception):
    """A part answers, but not as this process needs it."""


def readiness_of(ports: "Ports", needed: Collection[str] = NEEDED, **more: Check) -> Readiness:
    """Of a process with all ports open, and what else it lives on."""
    return Readiness({**checks_of(ports), **more}, needed, hide=ports.settings.secret_values())


def checks_of(ports: "Ports") -> dict[str, Check]:
    """What is tried; each raises when its part cannot serve."""
    checks: dict[str, Check] = {
        "database": _all_of(
            ports.database.check,
            once(lambda: _refuse(schema_problem(ports.database))),
            lambda: _refuse(moving_problem(ports.database)),  # a house may be moved away beneath a process that runs
        ),
        "event_log": ports.event_log.check,
        "event_store": store_checks(ports.event_store),
        "index": ports.index.check,
        "blobs": ports.blobs.check,
    }
    status = getattr(ports.event_log, "status", None)
    if status is not None:
        checks["kafka"] = lambda: _refuse(status())
    kept = getattr(ports.index, "status", None)  # one in the process, whose files may not be usable
    if kept is not None:
        checks["index"] = _all_of(ports.index.check, lambda: _refuse(kept()))
    if isinstance(ports.queue, CeleryQueue):
        checks["broker"] = ports.queue.check
    return checks


def once(check: Check) -> Check:
    """A check that is passed for good once it is passed: a schema that fits goes on fitting."""
    passed = threading.Event()

    def run() -> None:
        if not passed.is_set():
            check()
            passed.set()

    return run


def store_checks(store: EventStore) -> Check:
    """The event store answers, and has the schema of this release."""
    return _all_of(lambda: store.select("SELECT 1 AS one"), once(lambda: require_schema(store)))


def _all_of(*checks: Check) -> Check:
    def run() -> None:
        for check in checks:
            check()

    return run


def _refuse(problem: str | None) -> None:
    if problem:
        raise NotUsable(problem)


def health_router(readiness: Readiness) -> APIRouter:
    """The three routes of one process."""
    router = APIRouter(tags=["health"])
    # a thread of its own: those of the pool may all be waiting for the very server that is asked after
    asking = ThreadPoolExecutor(1, thread_name_prefix="readyz")

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process runs."""
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz(response: Response) -> dict[str, Any]:
        """`ready`; or `degraded`: send work, though the parts named are away; or 503, `not ready` or `stopping`."""
        report = await asyncio.get_running_loop().run_in_executor(asking, readiness.report)
        response.status_code = 200 if report.serves else 503
        return {"status": report.status, "checks": {name: part.as_json() for name, part in report.parts.items()}}

    @router.get("/metrics", include_in_schema=True)
    async def metrics() -> Response:
        """Prometheus text."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
