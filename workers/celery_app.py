"""The Celery application and the tasks' base. What runs the tasks is in celery_worker.py.

A task is a plain function that takes the open ports first; what it owns beyond that lives in its domain's service."""

import logging
import time
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from celery import Celery, current_task
from kombu.entity import Queue

from api.kit import request_ids, tracing
from api.kit.metrics import MetricName, histogram
from api.kit.queue import QUEUE, SWEEPS, CeleryQueue, transport_options
from api.ports import Ports
from api.settings import QueueSettings, Settings

log = logging.getLogger(__name__)
P = ParamSpec("P")
TASK_SECONDS = histogram(MetricName.task_seconds, ["task", "outcome"])
# name -> seconds between sweeps: what a lost hint would have told is found again by these
BEAT = {
    "catalog.sweep": 10.0,
    "media.sweep": 10.0,
    "media.clear_away": 3600.0,
    "billing.sweep": 60.0,
    "search.sweep": 10.0,
    "search.compare": 300.0,
    "search.coclicks": 3600.0,
    "feedback.sweep": 600.0,
}

app = Celery("shoplight")
_open: dict[str, Ports] = {}


def configure(settings: Settings) -> CeleryQueue:
    """Point the application at its broker; returns the queue that sends to it."""
    app.conf.update(configuration(settings.queue))
    return CeleryQueue(app)


def configuration(settings: QueueSettings) -> dict[str, Any]:
    """Celery's settings out of ours."""
    return {
        "broker_url": settings.broker_url,
        "broker_transport_options": transport_options(settings.broker_url, settings.visibility_timeout_s),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a worker waits for its broker as long as it takes
        "broker_pool_acquire_timeout": 1.0,
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        # a broker that was away has forgotten what was running: nothing is owed to it
        "worker_enable_prefetch_count_reduction": False,
        "worker_enable_remote_control": False,
        "worker_hijack_root_logger": False,
        "task_default_queue": QUEUE,
        # sweeps wait in a line of their own: they must not stand behind the backlog that they look after
        "task_queues": [Queue(name, routing_key=name) for name in (QUEUE, SWEEPS)],  # type: ignore[no-untyped-call]
        "task_routes": {name: {"queue": SWEEPS} for name in BEAT},
        "timezone": "UTC",
    }


def use(ports: Ports) -> None:
    """Give the tasks of this process their ports."""
    _open["ports"] = ports


def task(name: str) -> Callable[[Callable[Concatenate[Ports, P], None]], Callable[Concatenate[Ports, P], None]]:
    """Register a function as the task `name`. It is measured, and what it raises is logged with its arguments: the
    row that asked for it stays unfinished and a sweep tries again."""

    def register(function: Callable[Concatenate[Ports, P], None]) -> Callable[Concatenate[Ports, P], None]:
        def run(*args: Any, **kwargs: Any) -> None:
            started = time.perf_counter()
            outcome = "failed"
            try:
                headers = _headers()
                with request_ids.within_task(name, headers), tracing.continued(headers, name):
                    function(_open["ports"], *args, **kwargs)
                outcome = "done"
            except Exception:
                log.exception("task %s %s", name, kwargs)
                raise
            finally:
                TASK_SECONDS.labels(name, outcome).observe(time.perf_counter() - started)

        app.task(run, name=name)
        return function

    return register


def _headers() -> dict[str, str]:
    """What the sender left in the message: its trace, and the id of the request."""
    request = current_task.request if current_task else None
    sent = {name: getattr(request, name, None) for name in ("traceparent", "tracestate", request_ids.CARRIED)}
    return {name: value for name, value in sent.items() if isinstance(value, str)}
