"""Blocking work beside the event loop: bounded, and the loop stays free."""

import asyncio
import threading

import pytest

from api.errors import Unavailable
from api.vision.executor import BoundedExecutor
from tests.patience import HANGS_S


class Held:
    """Work that has begun and goes on until it is let go."""

    def __init__(self) -> None:
        self.begun, self.release = threading.Event(), threading.Event()

    def __call__(self) -> bool:
        self.begun.set()
        return self.release.wait(HANGS_S)


def test_a_full_queue_is_refused_at_once_and_room_comes_back() -> None:
    async def scenario() -> None:
        executor, work = BoundedExecutor("test", threads=1, waiting=1), Held()
        busy = [asyncio.create_task(executor.run(work)) for _ in range(2)]
        await asyncio.sleep(0)  # both have asked
        with pytest.raises(Unavailable) as refused:
            executor.run(lambda: None).send(None)  # by hand, up to where it would wait: it does not
        assert int(refused.value.headers["Retry-After"]) >= 1
        work.release.set()
        assert await asyncio.gather(*busy) == [True, True]
        assert await executor.run(lambda: 7) == 7
        executor.close()

    asyncio.run(scenario())


def test_work_of_callers_who_gave_up_still_counts_until_it_ends() -> None:
    async def scenario() -> None:
        executor, work = BoundedExecutor("test", threads=1, waiting=1), Held()
        tasks = [asyncio.create_task(executor.run(work)) for _ in range(2)]
        assert await asyncio.to_thread(work.begun.wait, HANGS_S)
        tasks[0].cancel()  # runs already and cannot be stopped
        assert isinstance((await asyncio.gather(tasks[0], return_exceptions=True))[0], asyncio.CancelledError)
        with pytest.raises(Unavailable):
            await executor.run(lambda: None)
        work.release.set()
        await tasks[1]
        assert await executor.run(lambda: 7) == 7
        executor.close()

    asyncio.run(scenario())


def test_errors_of_the_work_reach_the_caller_and_the_loop_runs_on_meanwhile() -> None:
    async def scenario() -> None:
        executor, release = BoundedExecutor("test", threads=1, waiting=1), threading.Event()

        def fail() -> None:
            assert release.wait(HANGS_S), "the loop stood still"
            raise ValueError("told")

        task = asyncio.create_task(executor.run(fail))
        for _ in range(5):  # rounds of a loop that is free; one that is held would never let the work go
            await asyncio.sleep(0.01)
        assert not task.done()
        release.set()
        with pytest.raises(ValueError, match="told"):
            await task
        executor.close()

    asyncio.run(scenario())
