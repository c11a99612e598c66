"""Blocking work of endpoints off the event loop: few threads, a bounded queue, and a 503 once it is full."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from api.errors import Unavailable

T = TypeVar("T")


class BoundedExecutor:
    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = threads + waiting

    async def run(self, work: Callable[[], T]) -> T:
        """Runs `work` in a thread. Raises Unavailable at once when too much is waiting. Call it from one event loop."""
        if self._room == 0:
            raise Unavailable("Too many pictures are waiting to be looked at.", retry_after_s=2, code="busy")
        self._room -= 1
        future = self._threads.submit(copy_context().run, work)  # its log lines and spans are the request's
        loop = asyncio.get_running_loop()
        # The place is free when the work ends, not when its caller gives up: cancelled requests still hold a thread.
        future.add_done_callback(lambda _: _give_back(loop, self._free))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _free(self) -> None:
        self._room += 1


def _give_back(loop: asyncio.AbstractEventLoop, free: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(free)
    except RuntimeError:  # the loop is closed: nobody waits for a place any more
        free()
