"""The real server is killed, hangs, and comes back empty, while six threads search: nobody waits long, nobody is told a
half-truth, and all goes on by itself."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from api.search.index import IndexFilter, IndexMissing, IndexRow, IndexUnavailable
from api.search.milvus import MilvusIndex
from api.search.milvus_server import CONNECT_S
from api.settings import IndexSettings
from infra.services.milvus_server import Milvus
from infra.services.place import Place
from tests.patience import until
from tests.services import url_of

DIM = 64
UNITS = np.eye(DIM, dtype=np.float32)
WHERE = IndexFilter(frozenset({"ctg_a"}))
ROWS = [IndexRow(f"prd_{n:02}", UNITS[n]) for n in range(DIM)]
TIMEOUT_S = 3.0
PATIENCE_S = TIMEOUT_S + CONNECT_S + 10.0  # a call, connecting anew, and a very busy machine


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Milvus]:
    """One of our own, to be killed."""
    url_of("milvus")  # installed, or this test says why not
    milvus = Milvus(Place.beside(tmp_path))
    milvus.start(kept=False)
    yield milvus
    milvus.stop()


class Visitors:
    """Six threads that search without end, what each is told, and the longest that anybody waited for it."""

    def __init__(self, index: MilvusIndex) -> None:
        self._index = index
        self._over = threading.Event()
        self.longest_s = [0.0] * 6
        self.told: list[list[str]] = [[] for _ in range(6)]
        self._threads = [threading.Thread(target=self._search, args=(number,)) for number in range(6)]
        for thread in self._threads:
            thread.start()

    def until(self, word: str) -> None:
        """Until the last answers to each were this word: nobody is left waiting."""
        until(lambda: all(told[-2:] == [word] * 2 for told in self.told), f"not all are told: {word}", pause_s=0.1)

    def leave(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _search(self, number: int) -> None:
        while not self._over.wait(0.03):
            started = time.monotonic()
            try:
                word = f"{len(self._index.search(UNITS[:1], 100, WHERE)[0])} found"
            except IndexMissing:
                word = "missing"
            except IndexUnavailable:
                word = "away"
            self.longest_s[number] = max(self.longest_s[number], time.monotonic() - started)
            self.told[number].append(word)


def test_killed_hung_and_emptied(server: Milvus) -> None:
    settings = IndexSettings(milvus_url=server.address, collection="killed", timeout_s=TIMEOUT_S)
    index = MilvusIndex(settings, DIM)
    with index.replacement() as fresh:
        fresh.put("ctg_a", ROWS)
    visitors = Visitors(index)
    try:
        visitors.until("64 found")
        _kill(server)
        visitors.until("away")
        server.start(kept=False)
        visitors.until("64 found")
        kept = server.process()
        assert kept is not None
        os.kill(kept.pid, signal.SIGSTOP)
        visitors.until("away")
        os.kill(kept.pid, signal.SIGCONT)
        visitors.until("64 found")
        _kill(server)
        shutil.rmtree(server.data)
        server.start(kept=False)
        visitors.until("missing")
        with pytest.raises(IndexMissing):
            index.put("ctg_a", ROWS)
        with index.replacement() as fresh:
            fresh.put("ctg_a", ROWS)
        visitors.until("64 found")
    finally:
        visitors.leave()
    assert set().union(*visitors.told) == {"64 found", "away", "missing"}  # never a part of it
    assert max(visitors.longest_s) < PATIENCE_S
    index.destroy()
    index.close()


def _kill(server: Milvus) -> None:
    kept = server.process()
    assert kept is not None
    os.kill(kept.pid, signal.SIGKILL)
    until(lambda: server.process() is None)
