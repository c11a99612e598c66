"""Slows guessing of passwords: a few failures an address and a caller, then a wait. In memory, a process."""

import threading
import time
from collections import OrderedDict

from api.errors import TooManyRequests

FAILURES, WINDOW_S, MAX_KEPT = 10, 900.0, 100_000


class SignInThrottle:
    """Counts failures by e-mail address and by caller; a success forgets them. Thread-safe."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, *names: str) -> None:
        """Raises TooManyRequests with the seconds to wait."""
        now = time.monotonic()
        with self._lock:
            known = [self._failures[name] for name in names if name in self._failures]
        wait = max((int(since + WINDOW_S - now) for since, count in known if count >= FAILURES), default=0)
        if wait > 0:
            minutes = -(-wait // 60)
            raise TooManyRequests(
                f"Too many wrong passwords; try again in {minutes} minutes.",
                code="too_many_failures",
                headers={"Retry-After": str(wait)},
            )

    def failed(self, *names: str) -> None:
        """One more wrong password."""
        now = time.monotonic()
        with self._lock:
            for name in names:
                since, count = self._failures.get(name, (now, 0))
                fresh = now - since > WINDOW_S
                self._failures[name] = (now, 1) if fresh else (since, count + 1)
                self._failures.move_to_end(name)
            while len(self._failures) > MAX_KEPT:
                self._failures.popitem(last=False)

    def succeeded(self, *names: str) -> None:
        """Forget the failures."""
        with self._lock:
            for name in names:
                self._failures.pop(name, None)
