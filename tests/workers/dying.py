"""A process that dies around a commit, played in this one: from then on it stores nothing more."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from api.kit.db import Database


class Killed(BaseException):
    """No handler of ours may catch it, as none can catch a kill -9."""


class Dying:
    """Kills right after the n-th commit of `database`."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self._write = database.write
        self._left: int | None = None
        self.commits = 0
        monkeypatch.setattr(database, "write", self._dying_write)

    @contextmanager
    def _dying_write(self) -> Iterator[Any]:
        if self._left == 0:
            raise Killed
        with self._write() as session:
            yield session
        self.commits += 1
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                raise Killed

    def dies(self, after_commits: int, work: Callable[[], object]) -> bool:
        """Does `work` until that commit; False when it came to its end before."""
        self._left = after_commits
        try:
            work()
        except Killed:
            return True
        finally:
            self._left = None
        return False
