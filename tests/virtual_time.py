"""An event loop whose time goes on by itself when nobody has anything to do: what is about seconds takes none, and is
exact on any machine. For code that waits for nothing but timers."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Sleepless(selectors.DefaultSelector):
    """Does not wait for the next timer: it is that late already."""

    now_s = 1000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if not found and timeout:
            self.now_s += timeout
        return found


def in_virtual_time(scenario: Callable[[Callable[[], float]], Coroutine[Any, Any, T]]) -> T:
    """Runs it; it is given a clock of seconds."""
    selector = _Sleepless()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now_s  # type: ignore[method-assign]
    try:
        return loop.run_until_complete(scenario(loop.time))
    finally:
        loop.close()
