"""One connection to Milvus: opened when first needed, every call bounded in time. A server that is away is asked by one
caller at a time, all others are told so at once. What is asked is milvus.py's."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import grpc  # type: ignore[import-untyped]  # pymilvus brings it, and lets its errors through
from pymilvus import MilvusClient, MilvusException
from pymilvus.exceptions import ParamError

from api.kit.metrics import STORE_ERRORS
from api.search.index import IndexMissing, IndexUnavailable
from api.settings import IndexSettings

log = logging.getLogger(__name__)
# the client logs each error with a traceback, also those that are met on purpose; we say what matters ourselves
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
T = TypeVar("T")
Ask = Callable[[MilvusClient, float], T]
CONNECT_S = 2.0
AGAIN_AFTER_S = 1.0
MISSING = frozenset({100, 1600})  # no such collection, no such alias
CLIENT_SAYS = 2  # up to here it is pymilvus that has something to say: no connection, no more time
NOT_SERVED = frozenset({101, 103})  # the collection is not loaded, or not fully
# what a search then waits for is at most five seconds old by itself (Milvus's graceful time, twice to be safe)
OWN_WRITES_S = 10.0


class MilvusServer:
    """Thread-safe. Raises IndexUnavailable for whatever keeps the server from answering."""

    def __init__(self, settings: IndexSettings) -> None:
        self._settings = settings
        self._client: MilvusClient | None = None
        self._lock = threading.Lock()
        self._away = False
        self._again_at = 0.0
        self._written_ts = 0
        self._written_at = float("-inf")

    def call(self, ask: Ask[T], timeout_s: float | None = None) -> T:
        """What `ask(client, seconds)` returns. Raises IndexMissing where the collection does not exist."""
        seconds = timeout_s or self._settings.timeout_s
        client = self._opened(seconds)
        try:
            answer = ask(client, seconds)
        except ParamError:
            raise
        except (MilvusException, grpc.RpcError) as error:
            raise self._told(client, error) from error
        self._answered()
        return answer

    def wrote(self) -> None:
        """After a write that returned: this process's searches must see it. The time is asked for, because the answer
        to a deletion names none (2.3.5)."""
        ts = self.call(lambda client, seconds: _handler(client).alloc_timestamp(timeout=seconds))
        with self._lock:
            self._written_ts, self._written_at = max(self._written_ts, ts), time.monotonic()

    def consistency(self) -> dict[str, Any]:
        """How fresh the answer to a read must be, as pymilvus takes it."""
        with self._lock:
            ts, at = self._written_ts, self._written_at
        if time.monotonic() - at > OWN_WRITES_S:
            return {"consistency_level": "Bounded"}
        return {"consistency_level": "Customized", "guarantee_timestamp": ts}

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _opened(self, seconds: float) -> MilvusClient:
        with self._lock:
            if self._away:
                if time.monotonic() < self._again_at:
                    raise IndexUnavailable("The product index does not answer at the moment.")
                self._again_at = time.monotonic() + seconds + CONNECT_S  # this caller finds out for all
            if self._client is None:
                self._client = self._connected()  # who waits for the lock meanwhile learns what came of it
            return self._client

    def _connected(self) -> MilvusClient:
        at, token = self._settings.milvus_url, self._settings.milvus_token
        try:
            # a connection of our own: shared ones are kept by pymilvus under one lock for the whole process
            client = MilvusClient(at, token=token, timeout=CONNECT_S, dedicated=True)
        except (MilvusException, grpc.RpcError) as error:
            self._fail(error)
            raise IndexUnavailable("The product index cannot be reached at the moment.") from error
        # on each error pymilvus would connect anew under that lock, thread after thread: we do, once
        _handler(client)._on_rpc_error = lambda _: False  # noqa: SLF001
        return client

    def _told(self, client: MilvusClient, error: MilvusException | grpc.RpcError) -> IndexUnavailable:
        code = error.code if isinstance(error, MilvusException) else None
        if code in MISSING:
            self._answered()
            return IndexMissing("The product index is empty; it is being filled from what we have stored.")
        if code in NOT_SERVED:
            self._answered()
            return IndexUnavailable("The product index is being loaded.")
        if isinstance(code, int) and code > CLIENT_SAYS:
            self._answered()
            log.error("the product index refuses: %s", error)
            return IndexUnavailable("The product index cannot answer at the moment.")
        with self._lock:
            self._fail(error)
            lost = not _timed_out(error) and self._client is client
            if lost:
                self._client = None
        if lost:
            client.close()
        return IndexUnavailable("The product index does not answer at the moment.")

    def _fail(self, error: Exception) -> None:
        """Under the lock."""
        STORE_ERRORS.labels("index").inc()
        if not self._away:
            log.warning("the product index at %s is away: %s", self._settings.milvus_url, error)
        self._away = True
        self._again_at = time.monotonic() + AGAIN_AFTER_S

    def _answered(self) -> None:
        if self._away:
            with self._lock:
                self._away = False
            log.info("the product index at %s answers again", self._settings.milvus_url)


def _timed_out(error: Exception) -> bool:
    """A slow answer is no reason to break the connection under everybody else."""
    return isinstance(error, grpc.RpcError) and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def _handler(client: MilvusClient) -> Any:
    return client._get_connection()  # noqa: SLF001 - the client's own way to what it does not offer
