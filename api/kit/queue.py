"""Handing work to the workers by name. A queue is only a hint: the rows say what is to do, and sweeps find what a
lost message would have told."""

import logging
from typing import Any, Protocol

from celery import Celery

log = logging.getLogger(__name__)


class TaskQueue(Protocol):
    """Where hints go."""

    def send(self, name: str, **kwargs: Any) -> None:
        """Ask for task `name` soon. Never raises for an absent broker: a sweep will find the row."""
        ...


class CeleryQueue:
    """Hints through a Celery broker, the in-memory one included."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def send(self, name: str, **kwargs: Any) -> None:
        """Ask for task `name` soon."""
        try:
            self._app.send_task(name, kwargs=kwargs, retry=False)
        except Exception:  # whatever the broker's trouble is, the row is stored and will be swept up
            log.warning("the broker did not take %s; a sweep will", name, exc_info=True)
