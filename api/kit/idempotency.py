"""`Idempotency-Key` on POSTs: the first answer is kept for a day and told again, so that a retry creates nothing twice.

The caller is the Authorization header's hash, so one tenant's keys never meet another's."""

import hashlib
import json
import logging
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING

from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError, Conflict, Unprocessable, problem, store_problem
from api.kit.idempotency_repository import IdempotencyAcrossTenants, Stored

if TYPE_CHECKING:
    from api.ports import Ports

log = logging.getLogger(__name__)
MAX_KEY = 255
MAX_KEPT = 256 * 1024
MAX_HASHED = 64 * 1024
KEEP = timedelta(hours=24)
# a request whose process died leaves its claim behind; by then no retry of it is still being served
ABANDONED = timedelta(minutes=15)
# answers that hold a secret are never stored: a retry is told that the first try succeeded
SECRET_PATHS = {"/v1/keys"}


class IdempotencyMiddleware:
    """Plain ASGI, so that other requests pass without a wrapper around their bodies."""

    def __init__(self, app: ASGIApp, ports: "Ports") -> None:
        self._app = app
        self._ports = ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ())) if scope["type"] == "http" else {}
        key = headers.get(b"idempotency-key", b"").decode("latin-1")
        caller = headers.get(b"authorization", b"")
        if not key or not caller or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            await self._once(scope, receive, send, key, hashlib.sha256(caller).hexdigest())
        except ApiError as error:
            await problem(error)(scope, receive, send)
        except SQLAlchemyError as error:  # of the claim: the handlers of the app stand further in
            known = store_problem(error)
            if known is None:
                raise
            await problem(known)(scope, receive, send)

    async def _once(self, scope: Scope, receive: Receive, send: Send, key: str, caller: str) -> None:
        if len(key) > MAX_KEY or not key.isprintable():
            raise Unprocessable(f"Use at most {MAX_KEY} characters, no controls.", pointer="@Idempotency-Key")
        beginning, rest = await _beginning(scope, receive)
        fingerprint = _fingerprint(scope, beginning)
        kept = await run_in_threadpool(self._claim, caller, key, fingerprint)
        if kept is not None:
            await _replay(kept, fingerprint, send)
            return
        answer = _Recorder(send)
        try:
            await self._app(scope, rest, answer.send)
        finally:
            body = "" if scope["path"] in SECRET_PATHS else answer.body.decode("utf-8", "replace")
            keep = 200 <= answer.status < 300 and len(body) <= MAX_KEPT and "\x00" not in body
            try:
                await run_in_threadpool(self._settle, caller, key, answer.status if keep else None, body)
            except SQLAlchemyError:  # what was asked for is done; a retry is told that it is being served
                log.warning("the answer to an Idempotency-Key could not be kept", exc_info=True)
            await answer.finish()

    def _claim(self, caller: str, key: str, fingerprint: str) -> Stored | None:
        now = self._ports.clock.now()
        with self._ports.database.write() as session:
            rows = IdempotencyAcrossTenants(session)
            rows.forget_before(now - KEEP, now - ABANDONED)
            if rows.claim(caller, key, fingerprint, now):
                return None
            # one that failed since is forgotten by now: its retry, this one, is told to come again
            return rows.find(caller, key) or Stored(fingerprint, None, "")

    def _settle(self, caller: str, key: str, status: int | None, body: str) -> None:
        with self._ports.database.write() as session:
            IdempotencyAcrossTenants(session).settle(caller, key, status, body)


class _Recorder:
    """Passes an answer on and remembers it; its end waits, so that a retry after it finds the answer kept."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._end: Message | None = None
        self.status = 500
        self.body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body" and len(self.body) <= MAX_KEPT:
            self.body += message.get("body", b"")
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._end = message
            return
        await self._send(message)

    async def finish(self) -> None:
        """Send the end."""
        if self._end is not None:
            await self._send(self._end)


async def _beginning(scope: Scope, receive: Receive) -> tuple[bytes, Receive]:
    """The first bytes of a body, and how to receive it from its start. Uploads are gigabytes, and a retry of a form
    has another boundary: of those nothing is read."""
    if dict(scope["headers"]).get(b"content-type", b"").lower().startswith(b"multipart/"):
        return b"", receive
    messages: deque[Message] = deque()
    body, more = b"", True
    while more and len(body) < MAX_HASHED:
        message = await receive()
        messages.append(message)
        body += message.get("body", b"")
        more = message.get("more_body", False)

    async def again() -> Message:
        return messages.popleft() if messages else await receive()

    return body, again


def _fingerprint(scope: Scope, beginning: bytes) -> str:
    """Path, query, length and the beginning of the body: one of a gigabyte is not read twice for this."""
    length = dict(scope["headers"]).get(b"content-length", b"")
    parts = [scope["path"].encode(), scope["query_string"], length, beginning]
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


async def _replay(kept: Stored, fingerprint: str, send: Send) -> None:
    if kept.fingerprint != fingerprint:
        raise Unprocessable("This key was used for another request.", pointer="@Idempotency-Key")
    if kept.status is None:
        raise Conflict("The first request with this key is still being served.", code="idempotency_in_progress")
    body = kept.body or json.dumps({"detail": "The first request with this key succeeded; its secret is not repeated."})
    headers = [(b"content-type", b"application/json"), (b"idempotency-replayed", b"true")]
    await send({"type": "http.response.start", "status": kept.status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
