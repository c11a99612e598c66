"""Slows guessing of passwords: a few tries an address, more a caller, then a wait. Counted in rows that all processes
share; signing in costs a slow hash anyway."""

import hashlib
import ipaddress
from datetime import datetime, timedelta

from api.accounts.throttle_repository import SignInTriesAcrossTenants
from api.errors import TooManyRequests
from api.kit.clock import Clock, SystemClock
from api.kit.db import Database

TRIES, WINDOW = 10, timedelta(minutes=15)
CALLER_TRIES = 10 * TRIES  # a whole office may share one address


class SignInThrottle:
    """Counts tries by e-mail address and by caller. Threads and processes may share the store."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    def admit(self, address: str, caller: str) -> None:
        """Count a try in, before its password is looked at: many at once get no more than the others. Raises
        TooManyRequests with the seconds to wait."""
        now = self._clock.now()
        with self._database.write() as session:
            tries = SignInTriesAcrossTenants(session)
            tries.forget_older(now - WINDOW)
            waits = [
                self._wait(tries.count(name, now, now - WINDOW), now, bound) for name, bound in _bounds(address, caller)
            ]
        if (wait := max(waits)) > 0:
            raise TooManyRequests(
                f"Too many wrong passwords; try again in {-(-wait // 60)} minutes.",
                code="too_many_failures",
                headers={"Retry-After": str(wait)},
            )

    def succeeded(self, address: str, caller: str) -> None:
        """Forget the address's tries, and take back this one of the caller: whoever has one account to sign in to must
        not gain tries at others by it."""
        with self._database.write() as session:
            tries = SignInTriesAcrossTenants(session)
            tries.forget(_name("address", address))
            tries.take_back(_name("caller", _network(caller)))

    def _wait(self, counted: tuple[datetime, int], now: datetime, bound: int) -> int:
        since, count = counted
        return int((since + WINDOW - now).total_seconds()) + 1 if count > bound else 0


def _bounds(address: str, caller: str) -> list[tuple[str, int]]:
    """Names and how many tries each has, in one order for everybody: rows that are locked in turn cannot block each
    other."""
    return sorted(((_name("address", address), TRIES), (_name("caller", _network(caller)), CALLER_TRIES)))


def _network(caller: str) -> str:
    """An IPv6 caller has a whole /64 to call from, and counts as one."""
    try:
        found = ipaddress.IPv6Address(caller.partition("%")[0])
    except ValueError:
        return caller
    return str(found.ipv4_mapped or ipaddress.IPv6Network((int(found), 64), strict=False))


def _name(kind: str, value: str) -> str:
    """Nothing that anybody types at the door is kept, however long it is."""
    return hashlib.sha256(f"{kind} {value.strip().lower()}".encode("utf-8", "replace")).hexdigest()
