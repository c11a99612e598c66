"""Prefixed ids that sort by time of making: `prd_` + 48 bits of milliseconds + 80 random bits, Crockford base 32."""

import secrets
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """A fresh id such as `prd_01jd3z9w6k2v8r4m5n7p0q1s2t` (ULID layout, lower case)."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return f"{prefix}_" + "".join(ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))
