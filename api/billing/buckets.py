"""Token buckets, one a key: in the memory of a process that is alone, or in Redis for a rate that holds over all
processes."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

log = logging.getLogger(__name__)
MAX_BUCKETS = 50_000
# a server that is away or slow costs a call no more than this, and then none for so long
_TIMEOUT_S, _LOOK_AWAY_S = 0.25, 5.0
_CONNECTIONS = 64  # as many as there are threads that may ask
# Redis' own clock, so that processes' clocks need not agree. Numbers as text: its answers cut them to integers.
_TAKE = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if held[1] then
  tokens = math.min(burst, tonumber(held[1]) + math.max(0, now - tonumber(held[2])) * rate)
end
local taken = 0
if tokens >= 1 then
  tokens = tokens - 1
  taken = 1
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return {taken, string.format('%.6f', tokens)}
"""


class Buckets(Protocol):
    """`take` answers at once only where `at_once` says so; elsewhere ask from a thread."""

    at_once: bool

    def take(self, key: str, rate_per_s: float, burst: int) -> tuple[bool, float]:
        """Whether there was a token for this call, and what is left. A key that is new begins with a full burst."""


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class OwnBuckets:
    """Of this process alone; the least recently used go when there are too many."""

    at_once = True

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str, rate_per_s: float, burst: int) -> tuple[bool, float]:
        """From memory."""
        now = self._monotonic()
        with self._lock:
            bucket = self._buckets.pop(key, None) or _Bucket(burst, now)
            self._buckets[key] = bucket
            while len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
            bucket.tokens = min(burst, bucket.tokens + (now - bucket.filled_at) * rate_per_s)
            bucket.filled_at = now
            taken = bucket.tokens >= 1
            bucket.tokens -= 1 if taken else 0
            return taken, bucket.tokens


class SharedBuckets:
    """Of all processes that share the queue's Redis.

    Why not a share of the rate for each process: a caller whose connection stays with one process would get a fraction
    of what it pays for, and the number of processes would be one more setting to keep right. A paid call takes tens of
    milliseconds; this adds a fraction of one. While Redis is away each process keeps the rate by itself: calls go on,
    and at worst as many times the rate passes as there are processes. Quotas never depend on it.
    """

    at_once = False

    def __init__(self, redis_url: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        import redis  # noqa: PLC0415 - the embedded shape runs without it

        self._errors = (redis.RedisError, OSError)
        pool = redis.BlockingConnectionPool.from_url(
            redis_url,
            max_connections=_CONNECTIONS,
            timeout=_TIMEOUT_S,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
        )
        self._redis = redis.Redis.from_pool(pool)
        self._take = self._redis.register_script(_TAKE)
        self._own = OwnBuckets(monotonic)
        self._monotonic = monotonic
        self._away_until = 0.0

    def take(self, key: str, rate_per_s: float, burst: int) -> tuple[bool, float]:
        """From Redis, or from memory while it is away."""
        if self._monotonic() >= self._away_until:
            try:
                taken, left = self._take(keys=[f"shoplight:rate:{key}"], args=[rate_per_s, burst])
                return bool(taken), float(left)
            except self._errors as error:
                self._away_until = self._monotonic() + _LOOK_AWAY_S
                log.warning("rates are kept by this process alone for now: %s", type(error).__name__)
        return self._own.take(key, rate_per_s, burst)

    def close(self) -> None:
        """Let go of the connections."""
        self._redis.close()
