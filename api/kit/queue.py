"""Handing work to the workers by name. A queue is only a hint: the rows say what is to do, and sweeps find what a
lost message would have told. So it is bounded, never waited for, and may be thrown away at any time."""

import logging
import threading
import time
from typing import Any, Protocol

from celery import Celery
from kombu.exceptions import ChannelError
from kombu.messaging import Producer
from opentelemetry.trace import SpanKind

from api.kit import request_ids, tracing
from api.kit.metrics import MetricName, counter

log = logging.getLogger(__name__)
QUEUE, SWEEPS = "shoplight", "shoplight.sweeps"
# a request pays for an absent broker once, this long at most; then nobody asks for a while
CONNECT_S, ANSWER_S, PAUSE_S = 0.5, 0.9, 5.0
MOST_WAITING = 10_000  # rows wait more cheaply in the database than their hints do in the broker
LOOK_EVERY_S = 1.0
UNSENT = counter(MetricName.queue_unsent)


class TaskQueue(Protocol):
    """Where hints go."""

    def send(self, name: str, **kwargs: Any) -> None:
        """Ask for task `name` soon. Never raises for an absent broker: a sweep will find the row."""
        ...


class QueueUnavailable(Exception):
    """The broker does not answer."""


def transport_options(broker_url: str, visibility_timeout_s: int) -> dict[str, Any]:
    """How to talk to the broker: each call bounded, none repeated behind our back."""
    if not broker_url.startswith(("redis:", "rediss:")):
        return {"polling_interval": 0.02}  # how soon a worker in this process sees a hint; the default is a second
    return {
        "visibility_timeout": visibility_timeout_s,
        "socket_connect_timeout": CONNECT_S,
        "socket_timeout": ANSWER_S,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "max_retries": 0,
        # what vanished workers held is looked for every few seconds, and all of it; kombu's own way is 10 every 100 s
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_restore_limit": 1000,
    }


class CeleryQueue:
    """Hints through a Celery broker, the in-memory one included. Threads may share it."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._away_until = 0.0
        self._looked_at, self._waiting = 0.0, 0

    def send(self, name: str, **kwargs: Any) -> None:
        """Ask for task `name` soon."""
        self.offer(name, kwargs)

    def offer(self, name: str, kwargs: dict[str, Any], *, expires_s: float | None = None) -> bool:
        """Ask for a task that nobody needs after `expires_s`; False when the broker did not take it."""
        if time.monotonic() < self._away_until:
            UNSENT.inc()
            return False
        try:
            with self._app.producer_or_acquire() as producer:
                if time.monotonic() < self._away_until:  # it went while we waited for a connection
                    raise QueueUnavailable
                if expires_s is None and self._full(producer):
                    raise QueueUnavailable
                with tracing.span(f"send {name}", kind=SpanKind.PRODUCER):
                    headers = {**tracing.carrier(), **request_ids.carrier()}
                    self._app.send_task(
                        name, kwargs=kwargs, retry=False, producer=producer, expires=expires_s, headers=headers
                    )
        except QueueUnavailable:
            UNSENT.inc()
            return False
        except Exception as error:  # noqa: BLE001 - whatever the trouble is, the row is stored and will be swept up
            UNSENT.inc()
            self._pause(name, error)
            return False
        return True

    def waiting(self) -> int:
        """Hints that no worker has taken yet. Raises QueueUnavailable."""
        try:
            with self._app.producer_or_acquire() as producer:
                return _length(producer)
        except Exception as error:
            raise QueueUnavailable(str(error)) from error

    def check(self) -> None:
        """Raises QueueUnavailable when the broker does not answer."""
        self.waiting()

    def _full(self, producer: Producer) -> bool:
        now = time.monotonic()
        if now - self._looked_at > LOOK_EVERY_S:
            self._looked_at = now
            was, self._waiting = self._waiting, _length(producer)
            if was <= MOST_WAITING < self._waiting:
                log.warning("%d hints wait for workers; further ones are left to the sweeps", self._waiting)
        return self._waiting > MOST_WAITING

    def _pause(self, name: str, error: Exception) -> None:
        with self._lock:
            told = time.monotonic() < self._away_until
            self._away_until = time.monotonic() + PAUSE_S
        if not told:
            reason = f"{type(error).__name__}: {error}"
            log.warning("the broker did not take %s (%s); a sweep will find what it told of", name, reason[:300])


def _length(producer: Producer) -> int:
    try:
        return int(producer.channel.queue_declare(queue=QUEUE, passive=True).message_count)
    except ChannelError:  # nothing was ever sent, or the last hint was taken
        return 0
