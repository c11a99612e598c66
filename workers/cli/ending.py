"""How a process ends: politely at the first SIGTERM or SIGINT, at once at the second or when it takes too long."""

import logging
import os
import signal
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)
WITHIN_S = 25.0  # orchestrators kill after 30


class Ending:
    """One a process, made in its main thread. `asked` is set by the first signal."""

    def __init__(self, drain_s: float = 0) -> None:
        self.asked = threading.Event()
        self._within_s = drain_s + WITHIN_S
        self._then: list[Callable[[], None]] = []
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, lambda *_: self._on_signal())

    def then(self, stop: Callable[[], None]) -> None:
        """Have `stop` called when the process is asked to end; now, if it has been already. It must return at once."""
        self._then.append(stop)
        if self.asked.is_set():
            stop()

    def ask(self) -> None:
        """End politely."""
        if self.asked.is_set():
            return
        self.asked.set()
        threading.Thread(target=self._hurry, name="ending", daemon=True).start()
        for stop in self._then:
            stop()

    def _on_signal(self) -> None:
        if self.asked.is_set():
            os._exit(1)
        self.ask()

    def _hurry(self) -> None:
        threading.Event().wait(self._within_s)
        log.error("stopping took more than %g s; what is not done yet is found again at the next start", self._within_s)
        os._exit(1)
