"""One caller's tasks on several cores. Models leave Python's lock while they work, OpenCV does now and then."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


class Crew:
    """Thread-safe. Whoever calls works as well, and waits for no helper that has not begun: while others have all cores
    it is as if there were no helpers."""

    def __init__(self, name: str, cores: int) -> None:
        self._helpers = ThreadPoolExecutor(max(cores - 1, 1), thread_name_prefix=name)
        self._count = cores - 1

    def all(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        """What each of them returns; raises what one of them raises."""
        return self.both(tasks, ())[0]

    def both(self, ones: Sequence[Callable[[], T]], others: Sequence[Callable[[], U]]) -> tuple[list[T], list[U]]:
        """The same of two kinds. The caller begins with the first of the ones, its helpers with the last of the others:
        what holds Python's lock for long is not done twice at a time."""
        first: dict[int, T] = {}
        second: dict[int, U] = {}
        self._work_off(deque([*_kept(ones, first), *_kept(others, second)]))
        return [first[at] for at in range(len(ones))], [second[at] for at in range(len(others))]

    def close(self) -> None:
        self._helpers.shutdown(wait=True, cancel_futures=True)

    def _work_off(self, jobs: deque[Callable[[], None]]) -> None:
        helping = [self._helpers.submit(_work, jobs.pop) for _ in range(min(self._count, len(jobs) - 1))]
        try:
            _work(jobs.popleft)
        finally:
            jobs.clear()  # after an error nobody needs the rest
            for each in helping:
                if not each.cancel():
                    each.result()


def _work(taken: Callable[[], Callable[[], None]]) -> None:
    while True:
        try:
            job = taken()  # one step: no two threads get the same
        except IndexError:
            return
        job()


def _kept(tasks: Sequence[Callable[[], T]], results: dict[int, T]) -> list[Callable[[], None]]:
    def keep(at: int, task: Callable[[], T]) -> None:
        results[at] = task()

    return [partial(keep, at, task) for at, task in enumerate(tasks)]
