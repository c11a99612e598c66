"""Whether a process can do its work: every part tried at once, each within a time-out, and why one does not answer.

A part that is `needed` takes the process out of service; without any other it goes on, degraded, and says so with a
200: servers that all processes share would else take every process out at the same moment.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, Literal

from api.kit.metrics import MetricName, gauge
from api.kit.scrubbing import scrubbed

log = logging.getLogger(__name__)
TIMEOUT_S = 2.0
KEEP_S = 1.0
MAX_REASON_CHARS = 240
Check = Callable[[], object]
Status = Literal["ready", "degraded", "not ready", "stopping"]

READY = gauge(MetricName.ready, ["part"])
_ADVICE = re.compile(r"\s*\(Background on this error at: \S+\)")  # SQLAlchemy's


@dataclass(frozen=True)
class Part:
    """How one part was found. `reason` is empty when it answered."""

    needed: bool
    ms: float
    reason: str = ""

    @property
    def ok(self) -> bool:
        """It answered."""
        return not self.reason

    def as_json(self) -> dict[str, Any]:
        """For `/readyz`."""
        found = {"ok": self.ok, "needed": self.needed, "ms": round(self.ms, 1)}
        return found if self.ok else {**found, "reason": self.reason}


@dataclass(frozen=True)
class Report:
    """The whole process at one moment."""

    status: Status
    parts: Mapping[str, Part]

    @property
    def serves(self) -> bool:
        """Whether to send work here."""
        return self.status in {"ready", "degraded"}


class Readiness:
    """Tries the parts when asked, at most once a second. Callable from any thread."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        needed: Collection[str],
        *,
        hide: Collection[str] = (),
        timeout_s: float = TIMEOUT_S,
        keep_s: float = KEEP_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = dict(checks)
        self._needed = frozenset(needed)
        self._hide = sorted(hide, key=len, reverse=True)
        self._timeout_s = timeout_s
        self._keep_s = keep_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._running: dict[str, Future[float]] = {}
        self._kept: tuple[float, Report] | None = None
        self._said: dict[str, bool] = {}
        self._stopping = False

    def stop(self) -> None:
        """From now on the process takes no new work."""
        self._stopping = True

    def report(self) -> Report:
        """How things stand; takes at most the time-out."""
        with self._lock:
            if self._kept is None or self._monotonic() - self._kept[0] > self._keep_s:
                parts = self._tried()
                self._tell(parts)
                self._kept = self._monotonic(), Report(_status(parts), parts)
            found = self._kept[1]
        return Report("stopping", found.parts) if self._stopping else found

    def _tried(self) -> dict[str, Part]:
        # one thread a part at a time: a server that swallows everything must not collect threads here
        for name, check in self._checks.items():
            if name not in self._running or self._running[name].done():
                self._running[name] = _started(name, check)
        wait(self._running.values(), timeout=self._timeout_s)
        return {name: self._part(name, attempt) for name, attempt in self._running.items()}

    def _part(self, name: str, attempt: "Future[float]") -> Part:
        needed = name in self._needed
        if not attempt.done():
            return Part(needed, self._timeout_s * 1000, f"no answer within {self._timeout_s:g} s")
        error = attempt.exception()
        if error is not None:
            return Part(needed, 0, reason_of(error, self._hide))
        return Part(needed, attempt.result() * 1000)

    def _tell(self, parts: Mapping[str, Part]) -> None:
        """Log what changed, not what was asked."""
        for name, part in parts.items():
            READY.labels(name).set(part.ok)
            if not part.ok and self._said.get(name, True):
                log.warning("%s: %s (%s)", name, part.reason, "not ready" if part.needed else "degraded")
            elif part.ok and not self._said.get(name, True):
                log.info("%s answers again", name)
            self._said[name] = part.ok


def reason_of(error: BaseException, hide: Collection[str] = ()) -> str:
    """An exception as one short line without secrets: its type, what it says, and a broken certificate underneath."""
    chain = list(_chain(error))
    text = _ADVICE.sub("", next((str(item) for item in chain if str(item)), ""))
    certificate = next((str(item) for item in chain if "certificate" in str(item).lower()), "")
    if certificate and "certificate" not in text.lower():
        text = f"{text}: {certificate}"
    if text.rstrip().endswith("certificate verify failed"):  # all that libpq says
        text += ": it has expired, is not valid yet, is another host's, or its authority is not trusted"
    text = " ".join(text.split())
    text = scrubbed(text, hide)
    text = text if len(text) <= MAX_REASON_CHARS else f"{text[: MAX_REASON_CHARS - 1]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and what led to it."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _started(name: str, check: Check) -> "Future[float]":
    attempt: Future[float] = Future()

    def run() -> None:
        started = time.perf_counter()
        try:
            check()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is this part's answer
            attempt.set_exception(error)
        else:
            attempt.set_result(time.perf_counter() - started)

    # a daemon: a check that hangs must not keep the process from ending
    threading.Thread(target=run, name=f"check-{name}", daemon=True).start()
    return attempt


def _status(parts: Mapping[str, Part]) -> Status:
    if all(part.ok for part in parts.values()):
        return "ready"
    return "degraded" if all(part.ok for part in parts.values() if part.needed) else "not ready"
