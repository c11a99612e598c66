"""What lies in the event log: stamped events and usage of the API. The stamp is made once, by the collector."""

from typing import Any, Literal

import msgspec

UsageKind = Literal["detect", "search", "similar", "complements", "video_minute"]


class StampedEvent(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag_field="record", tag="event"):
    """One accepted event. New fields go to the end and have a default. Absent ids are empty strings.

    `core` identifies what the event says (type and token), `full` all fields that the client sent ("" for the click by
    redirect, which sends none). `charge_micros` is due if the event turns out net; 0 unless billable.
    """

    publisher_id: str
    event_id: str
    type: str
    at_ms: int
    received_at_ms: int
    issued_at_ms: int
    nonce: str
    site_id: str
    media_id: str
    media_kind: str
    tag_id: str
    product_id: str
    brand_id: str
    campaign_id: str
    creative_id: str
    arm: str
    price_kind: str
    currency: str
    charge_micros: int
    billable: bool
    core: str
    full: str
    user_agent: str
    hidden: bool = False
    traceparent: str = ""  # of the request, where that one is traced


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag_field="record", tag="usage"):
    """One paid call of the API; counted once a query id."""

    tenant_id: str
    query_id: str
    kind: UsageKind
    quantity: int
    at_ms: int


_TRACE_CHARS = 55
_TRACED = bytes([0xD9, _TRACE_CHARS])  # msgpack: a text of that length
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[StampedEvent | UsageRecord] = msgspec.msgpack.Decoder(StampedEvent | UsageRecord)


def encode(record: StampedEvent | UsageRecord) -> bytes:
    """A record's bytes in the log."""
    return _encoder.encode(record)


def decode(payload: bytes) -> StampedEvent | UsageRecord:
    """The record; msgspec.MsgspecError when the bytes are none."""
    return _decoder.decode(payload)


def traceparent_of(payload: bytes) -> str:
    """The trace that a record came by, "" for most: the last field of an event, read without decoding the others."""
    traced = payload[-_TRACE_CHARS - len(_TRACED) :].startswith(_TRACED)
    return payload[-_TRACE_CHARS:].decode("latin-1") if traced else ""


def columns(rows: list[Any], names: list[str]) -> dict[str, list[Any]]:
    """Attributes of rows as columns, the form in which stores take them."""
    return {name: [getattr(row, name) for row in rows] for name in names}
