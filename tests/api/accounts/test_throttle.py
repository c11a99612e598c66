"""Guessing passwords: the same number of tries however many processes answer."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import func, select

from api.accounts.models import SignInTries
from api.accounts.throttle import CALLER_TRIES, TRIES, WINDOW, SignInThrottle
from api.errors import TooManyRequests
from api.kit.clock import FixedClock
from api.kit.db import Database
from api.kit.migrations import upgrade


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "postgresql":
        with request.getfixturevalue("test_databases").migrated() as made:
            yield made
        return
    url = f"sqlite:///{tmp_path / 'shoplight.db'}"
    database = Database(url)
    upgrade(database)
    database.close()
    yield url


@pytest.fixture
def throttles(url: str, clock: FixedClock) -> Iterator[list[SignInThrottle]]:
    """Those of two processes."""
    databases = [Database(url) for _ in range(2)]
    yield [SignInThrottle(database, clock) for database in databases]
    for database in databases:
        database.close()


def admitted(throttle: SignInThrottle, address: str, caller: str) -> bool:
    try:
        throttle.admit(address, caller)
    except TooManyRequests:
        return False
    return True


def test_tries_at_one_address_are_counted_over_all_processes(throttles: list[SignInThrottle]) -> None:
    let_in = [admitted(throttles[n % 2], "ada@example.com", f"caller {n}") for n in range(TRIES + 5)]
    assert let_in == [True] * TRIES + [False] * 5
    assert admitted(throttles[0], "bob@example.com", "caller 0")
    assert not admitted(throttles[1], "  ADA@example.com ", "somebody else"), "the same address, however it is typed"


def test_tries_of_one_caller_are_counted_whoever_it_tries_to_be(throttles: list[SignInThrottle]) -> None:
    let_in = [admitted(throttles[n % 2], f"user{n}@example.com", "203.0.113.9") for n in range(CALLER_TRIES + 3)]
    assert let_in == [True] * CALLER_TRIES + [False] * 3


def test_ten_wrong_passwords_lock_nobody_else_out_behind_the_same_address(throttles: list[SignInThrottle]) -> None:
    assert [admitted(throttles[0], "ada@example.com", "203.0.113.9") for _ in range(TRIES + 1)][-1] is False
    assert admitted(throttles[1], "bob@example.com", "203.0.113.9")


def test_an_ipv6_network_is_one_caller(throttles: list[SignInThrottle]) -> None:
    for n in range(CALLER_TRIES):
        assert admitted(throttles[n % 2], f"user{n}@example.com", f"2001:db8::{n:x}")
    assert not admitted(throttles[0], "ada@example.com", "2001:0DB8:0:0:ffff::9%eth0")
    assert admitted(throttles[0], "bob@example.com", "2001:db8:0:1::1")
    assert admitted(throttles[0], "eve@example.com", "::ffff:203.0.113.9"), "an IPv4 address is no network"
    throttles[1].succeeded("user0@example.com", "2001:db8::aaaa")
    throttles[1].succeeded("user1@example.com", "2001:db8::bbbb")
    assert admitted(throttles[0], "joe@example.com", "2001:db8::1")


def test_many_at_once_get_no_more_tries_than_one_after_another(throttles: list[SignInThrottle]) -> None:
    let_in: list[bool] = []
    gate = threading.Barrier(24)

    def attempt(number: int) -> None:
        gate.wait(60)
        let_in.append(admitted(throttles[number % 2], "ada@example.com", f"caller {number}"))

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(let_in), sum(let_in)) == (24, TRIES)


def test_the_wait_is_told_and_ends(throttles: list[SignInThrottle], clock: FixedClock) -> None:
    for _ in range(TRIES):
        throttles[0].admit("ada@example.com", "caller")
    clock.advance(timedelta(minutes=5))
    with pytest.raises(TooManyRequests) as refusal:
        throttles[1].admit("ada@example.com", "another caller")
    assert 595 <= int(refusal.value.headers["Retry-After"]) <= 601
    assert "10 minutes" in refusal.value.detail or "11 minutes" in refusal.value.detail
    clock.advance(WINDOW)
    assert admitted(throttles[0], "ada@example.com", "caller")


def test_signing_in_forgets_the_address_but_gives_a_caller_no_tries_at_others(throttles: list[SignInThrottle]) -> None:
    """Somebody with an account of his own must not get ten new guesses by signing in to it."""
    for n in range(CALLER_TRIES - 1):
        throttles[0].admit("ada@example.com" if n < TRIES - 1 else f"user{n}@example.com", "caller")
    throttles[0].admit("mallory@example.com", "caller")
    throttles[1].succeeded("mallory@example.com", "caller")
    assert admitted(throttles[0], "eve@example.com", "caller")
    assert not admitted(throttles[1], "bob@example.com", "caller")
    throttles[0].succeeded("ada@example.com", "her own machine")
    assert admitted(throttles[1], "ada@example.com", "her own machine")


def test_what_was_typed_is_not_kept_and_old_rows_go(
    throttles: list[SignInThrottle], url: str, clock: FixedClock
) -> None:
    throttles[0].admit("ada@example.com" * 10_000, "\ud800 caller")
    database = Database(url)
    with database.read() as session:
        names = list(session.exec(select(SignInTries.name)))
    assert {len(name) for name in names} == {64}
    clock.advance(WINDOW + timedelta(seconds=1))
    throttles[0].admit("bob@example.com", "another")
    with database.read() as session:
        assert session.exec(select(func.count()).select_from(SignInTries)).one() == 2
    database.close()
