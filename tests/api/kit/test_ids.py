"""Ids sort in the order of their making, whatever the clock does."""

import threading

import pytest

from api.kit import ids


def test_they_sort_in_the_order_of_making_and_never_repeat() -> None:
    made = [ids.new_id("x") for _ in range(5000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert all(len(one) == 28 for one in made)


def test_they_do_so_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ids.new_id("x")
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_000_000_000)
    after = ids.new_id("x")
    assert after > before


def test_threads_never_share_one() -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend(ids.new_id("x") for _ in range(500))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 4000
