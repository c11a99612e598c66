"""What a benchmark tells, and how time and memory are taken."""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """`ratio` is above 1 where we do more than the peer, or wait less; `rss_mb` is of all processes measured."""

    name: str
    what: str
    unit: str
    ours: float
    peer: float
    peer_is: str
    ratio: float
    rss_mb: float
    note: str = ""


def median_ms(work: Callable[[], object], seconds: float, *, most: int = 1000) -> float:
    """Of as many runs as fit, three at least, after one that does not count."""
    work()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < 3 or (time.perf_counter() < end and len(taken) < most):
        started = time.perf_counter()
        work()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def by_turns_ms(ours: Callable[[], object], peer: Callable[[], object], seconds: float) -> tuple[float, float]:
    """Medians of both, one after the other over and over: what else the machine does then hits both alike."""
    taken: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + seconds
    while len(taken[0]) < 4 or time.perf_counter() < end:
        for work, times in zip((ours, peer), taken, strict=True):
            started = time.perf_counter()
            work()
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken[0][1:]), statistics.median(taken[1][1:])


def rss_mb(pid: int) -> float:
    """Resident memory of a process and its children; pages that they share count for each."""
    kb = next(
        int(line.split()[1])
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    )
    return kb / 1024 + sum(map(rss_mb, children_of(pid)))


def rss_mb_of_self() -> float:
    return rss_mb(os.getpid())


def peak_mb(pid: int) -> float:
    """The most a process held at a time, with its children; pages that they share count for each."""
    kb = next(
        int(line.split()[1])
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )
    return kb / 1024 + sum(map(peak_mb, children_of(pid)))


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]
