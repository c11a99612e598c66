"""One event as a page sent it: read from its JSON, checked field by field, fingerprinted. Opens no tokens."""

import hashlib
import math
import re
from datetime import datetime
from typing import Any

import msgspec

from api.events.reasons import EventType, Rejection

MAX_EVENT_BYTES = 4096
ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_TYPES = frozenset(EventType)
_MAX_TIME_CHARS = 40


class ClientEvent(msgspec.Struct, frozen=True):
    """The fields that are understood; `full` covers the others too."""

    id: str
    type: str
    token: str
    at_ms: int
    hidden: bool
    full: str


class Refused(Exception):
    """This event is not taken; `event_id` as far as it could be read."""

    def __init__(self, reason: Rejection, event_id: str | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.event_id = event_id


def parse(raw: bytes | memoryview) -> ClientEvent:
    """The event, or Refused with the first thing that is wrong with it."""
    fields = _fields(raw)
    event_id = fields.get("id")
    shown = event_id[:64] if isinstance(event_id, str) else None
    if not isinstance(event_id, str) or not ID.fullmatch(event_id):
        raise Refused(Rejection.id_invalid, shown)
    if len(raw) > MAX_EVENT_BYTES:
        raise Refused(Rejection.too_large, shown)
    event_type = fields.get("type")
    if not isinstance(event_type, str) or event_type not in _TYPES:
        raise Refused(Rejection.type_unknown, shown)
    token = fields.get("token")
    if not isinstance(token, str) or not token:
        raise Refused(Rejection.token_missing, shown)
    at_ms = _at_ms(fields.get("at"))
    if at_ms is None:
        raise Refused(Rejection.at_invalid, shown)
    try:
        full = _fingerprint(fields)
    except RecursionError as error:
        raise Refused(Rejection.malformed, shown) from error
    return ClientEvent(event_id, event_type, token, at_ms, _is_hidden(fields), full)


def core_fingerprint(event_type: str, token: str) -> str:
    """What the event says, whichever way it came: a click by redirect has the same as its beacon."""
    return hashlib.blake2b(f"{event_type}\0{token}".encode(), digest_size=16).hexdigest()


def _fields(raw: bytes | memoryview) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Refused(Rejection.malformed, None) from error
    if not isinstance(fields, dict):
        raise Refused(Rejection.malformed, None)
    return fields


def _fingerprint(fields: dict[str, Any]) -> str:
    """Over every field, whatever their order."""
    return hashlib.blake2b(msgspec.json.encode(fields, order="deterministic"), digest_size=16).hexdigest()


def _at_ms(value: object) -> int | None:
    """RFC 3339 with an offset, or milliseconds since 1970."""
    if isinstance(value, str) and len(value) <= _MAX_TIME_CHARS:
        try:
            at = datetime.fromisoformat(value)
            return None if at.tzinfo is None else math.floor(at.timestamp() * 1000)
        except (ValueError, OverflowError):
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value)


def _is_hidden(fields: dict[str, Any]) -> bool:
    """0x0 and 1x1 placements (MRC's general invalid traffic), as far as the page tells its size in CSS pixels."""
    sides = (fields.get("width"), fields.get("height"))
    return any(isinstance(side, int | float) and not isinstance(side, bool) and side <= 1 for side in sides)
