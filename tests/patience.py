"""Waiting for what comes about by itself. A deadline here ends a test that hangs; how slow a machine may be it does not
say, so that no test fails for a neighbour's load."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
HANGS_S = 120.0


def until(found: Callable[[], T], what: str = "it did not come about", pause_s: float = 0.02) -> T:
    """The first truthy answer."""
    gives_up_at = time.monotonic() + HANGS_S
    while not (answer := found()):
        assert time.monotonic() < gives_up_at, f"{what} within {HANGS_S:g} s"
        time.sleep(pause_s)
    return answer


def seen_within(seconds: float, found: Callable[[], T], what: str = "it does not show", pause_s: float = 0.1) -> T:
    """The first truthy answer. Who asks later than `seconds` from now must get it; how long a busy machine takes over
    an answer does not count."""
    began = time.monotonic()
    while True:
        asked_after_s = time.monotonic() - began
        if answer := found():
            return answer
        assert asked_after_s < seconds, f"{what} to who asks after {asked_after_s:.1f} s; {seconds:g} s are promised"
        time.sleep(pause_s)
