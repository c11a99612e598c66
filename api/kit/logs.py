"""The log: one line of text or one JSON object an event, on standard error, with the request, task and trace it is of.

Secrets in addresses are taken out here, whoever logs them; what repeats without end is counted instead of written.
"""

import json
import logging
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TextIO

from opentelemetry import trace

from api.kit import request_ids
from api.kit.metrics import MetricName, counter
from api.kit.scrubbing import scrubbed
from api.settings import TelemetrySettings

ACCESS = "shoplight.access"
BURST, EVERY_S = 5, 10.0
_QUIET = ("httpx2", "httpcore2", "celery", "kombu", "alembic", "kafka", "botocore", "boto3", "urllib3", "pymilvus")
_SUPPRESSED = counter(MetricName.logs_suppressed, ["logger"])


def configure(settings: TelemetrySettings, stream: TextIO | None = None) -> None:
    """Set up the log of this process. Later calls replace what the earlier ones set."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    handler.addFilter(Repeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # kombu says at each connection that the in-memory broker has no host name
    logging.getLogger("kombu.connection").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # its "error" is the log of its coming and going
    # a line a request is for machines to read
    logging.getLogger(ACCESS).setLevel(logging.INFO if settings.log_format == "json" else logging.WARNING)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record with its context; what was passed as `extra={"fields": {…}}` stands beside it."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": scrubbed(record.getMessage()),
        }
        context = {"request_id": request_ids.request_id.get(), "task": request_ids.task_name.get()}
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            context["trace_id"] = trace.format_trace_id(span.trace_id)
        line |= {name: value for name, value in context.items() if value}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = scrubbed(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """For people."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, message, and the request or task in brackets."""
        of = " ".join(filter(None, (request_ids.request_id.get(), request_ids.task_name.get())))
        text = f"{_time(record)} {record.levelname} {record.name}: {scrubbed(record.getMessage())}"
        text = f"{text} [{of}]" if of else text
        return f"{text}\n{scrubbed(self.formatException(record.exc_info))}" if record.exc_info else text


class Repeats(logging.Filter):
    """Lets a warning through five times in ten seconds; the next one after that says how many were left out. A server
    that is away makes thousands a second, all of them the same."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write it."""
        if record.levelno < logging.WARNING:
            return True
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        key = (record.name, str(record.msg)[:200], kind)
        now = time.monotonic()
        with self._lock:
            since, count = self._seen.get(key, (now, 0))
            if now - since > EVERY_S:
                left_out = max(0, count - BURST)
                since, count = now, 0
                if left_out:
                    record.msg, record.args = f"{record.getMessage()} (and {left_out} more like it)", ()
            self._seen[key] = (since, count + 1)
            if len(self._seen) > 1000:
                self._seen.clear()
        if count < BURST:
            return True
        _SUPPRESSED.labels(record.name).inc()
        return False


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
