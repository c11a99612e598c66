"""Prefixed ids that sort by time of making: `prd_` + 48 bits of milliseconds + 80 random bits, Crockford base 32."""

import secrets
import threading
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_lock = threading.Lock()
_last = 0


def new_id(prefix: str) -> str:
    """A fresh id such as `prd_01jd3z9w6k2v8r4m5n7p0q1s2t` (ULID layout, lower case). Later ones of a process sort
    behind earlier ones, also within a millisecond and when the clock is set back."""
    global _last  # noqa: PLW0603 - the one counter of the process
    with _lock:
        made = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
        # within the millisecond: a random step on, so that nobody can guess the next one
        _last = made if made >> 80 > _last >> 80 else _last + 1 + secrets.randbits(64)
        value = _last
    return f"{prefix}_" + "".join(ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))
