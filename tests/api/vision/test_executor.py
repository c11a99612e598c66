"""Blocking work beside the event loop: bounded, and the loop stays free."""

import asyncio
import threading
import time

import pytest

from api.errors import Unavailable
from api.vision.executor import BoundedExecutor


def test_a_full_queue_is_refused_at_once_and_room_comes_back() -> None:
    async def scenario() -> None:
        executor, release = BoundedExecutor("test", threads=1, waiting=1), threading.Event()
        busy = [asyncio.create_task(executor.run(lambda: release.wait(5))) for _ in range(2)]
        await asyncio.sleep(0.05)
        started = time.monotonic()
        with pytest.raises(Unavailable) as refused:
            await executor.run(lambda: None)
        assert time.monotonic() - started < 0.1
        assert int(refused.value.headers["Retry-After"]) >= 1
        release.set()
        assert await asyncio.gather(*busy) == [True, True]
        assert await executor.run(lambda: 7) == 7
        executor.close()

    asyncio.run(scenario())


def test_work_of_callers_who_gave_up_still_counts_until_it_ends() -> None:
    async def scenario() -> None:
        executor, release = BoundedExecutor("test", threads=1, waiting=1), threading.Event()
        tasks = [asyncio.create_task(executor.run(lambda: release.wait(5))) for _ in range(2)]
        await asyncio.sleep(0.05)
        tasks[0].cancel()  # runs already and cannot be stopped
        await asyncio.sleep(0.05)
        with pytest.raises(Unavailable):
            await executor.run(lambda: None)
        release.set()
        await tasks[1]
        assert await executor.run(lambda: 7) == 7
        executor.close()

    asyncio.run(scenario())


def test_errors_of_the_work_reach_the_caller_and_the_loop_runs_on_meanwhile() -> None:
    async def scenario() -> None:
        executor = BoundedExecutor("test", threads=1, waiting=1)

        def fail() -> None:
            time.sleep(0.2)
            raise ValueError("told")

        task = asyncio.create_task(executor.run(fail))
        beats = 0
        while not task.done():
            await asyncio.sleep(0.01)
            beats += 1
        assert beats >= 5
        with pytest.raises(ValueError, match="told"):
            await task
        executor.close()

    asyncio.run(scenario())
