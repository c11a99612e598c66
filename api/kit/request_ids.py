"""Which request or task the current piece of work belongs to, for every line of the log that it writes."""

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "X-Request-Id"
CARRIED = "shoplight_request_id"  # in the headers of a task
# what a proxy may send: its own id in the usual alphabets, never something that breaks a line of the log
_SANE = re.compile(r"[A-Za-z0-9._:-]{8,64}")

request_id: ContextVar[str] = ContextVar("request_id", default="")
task_name: ContextVar[str] = ContextVar("task_name", default="")


def given_or_new(header: str) -> str:
    """The id that came with a request if it is sane, else one of our own."""
    return header if _SANE.fullmatch(header) else f"req_{secrets.token_hex(10)}"


def carrier() -> dict[str, str]:
    """The current request's id for a message's headers."""
    current = request_id.get()
    return {CARRIED: current} if current else {}


@contextmanager
def within_task(name: str, headers: Mapping[str, str]) -> Iterator[None]:
    """Work on a task that a request asked for; threads of a pool take one after another."""
    task, request = task_name.set(name), request_id.set(headers.get(CARRIED, ""))
    try:
        yield
    finally:
        task_name.reset(task)
        request_id.reset(request)
