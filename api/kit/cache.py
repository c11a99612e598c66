"""A memory in front of slow lookups: warm entries are answered at once and refreshed behind the scenes."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_refreshers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="cache-refresh")


class FreshCache(Generic[K, V]):
    """`load(key)` at most once at a time a key. Past `refresh_after_s` a hit starts a reload in the background and
    still answers the old value; past `expire_after_s` the caller waits for a new one. So a warm path issues no SQL,
    and nothing older than `expire_after_s` is ever told."""

    def __init__(
        self, load: Callable[[K], V], *, refresh_after_s: float, expire_after_s: float, max_entries: int = 100_000
    ) -> None:
        self._load = load
        self._refresh_after_s = refresh_after_s
        self._expire_after_s = expire_after_s
        self._max_entries = max_entries
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._loading: set[K] = set()
        self._generation = 0
        self._lock = threading.Lock()

    def peek(self, key: K) -> tuple[bool, V | None]:
        """(True, value) from memory, (False, None) when the caller would have to wait. Never loads in the caller."""
        now = time.monotonic()
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or now - entry[0] > self._expire_after_s:
                return False, None
            start = now - entry[0] > self._refresh_after_s and key not in self._loading
            if start:
                self._loading.add(key)
        if start:
            _refreshers.submit(self._reload_quietly, key)
        return True, entry[1]

    def get(self, key: K) -> V:
        """From memory when warm, else by `load` in the caller's thread; its exceptions pass through."""
        found, value = self.peek(key)
        return value if found else self._reload(key)  # type: ignore[return-value]  # found means it is a V

    def drop(self, key: K) -> bool:
        """Forget one key now; a reload under way does not bring the old value back. Whether it would have been told."""
        with self._lock:
            self._generation += 1
            entry = self._entries.pop(key, None)
        return entry is not None and time.monotonic() - entry[0] <= self._expire_after_s

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._generation += 1
            self._entries.clear()

    def _reload(self, key: K) -> V:
        with self._lock:
            generation = self._generation
        loaded_at = time.monotonic()  # before the load: the age counts from when the truth was read
        value = self._load(key)
        with self._lock:
            if generation == self._generation:
                self._entries[key] = (loaded_at, value)
                self._entries.move_to_end(key)
                while len(self._entries) > self._max_entries:
                    self._entries.popitem(last=False)
        return value

    def _reload_quietly(self, key: K) -> None:
        try:
            self._reload(key)
        except Exception:  # noqa: BLE001 - the entry then expires, and the next caller meets the error itself
            self.drop(key)
        finally:
            with self._lock:
                self._loading.discard(key)
