"""Step: new rows into the store. Any prefix of these inserts may survive a crash; the replay adds the rest."""

from typing import Any

from api.events.reasons import RULES_VERSION, Drop
from api.events.records import columns
from workers.sink.batch import Batch, Ends, Judged, Placed
from workers.sink.facts import fact_columns

_SHARED = ["publisher_id", "event_id", "type", "at_ms", "received_at_ms", "site_id", "media_id", "media_kind", "tag_id"]
_SHARED += ["product_id", "brand_id", "campaign_id", "creative_id", "arm", "currency", "core", "full"]
_EVENT = [*_SHARED, "issued_at_ms", "nonce", "price_kind", "billable", "user_agent"]


def write(batch: Batch, ends: Ends) -> None:
    """Insert what the steps before left over."""
    ends.store.insert("event_conflicts", conflict_columns(batch.conflicts))
    ends.store.insert("dead_letters", _dead_columns(batch))
    ends.store.insert("usage", _usage_columns(batch))
    ends.store.insert("facts", fact_columns(batch.judged))  # first: an event that is there has its fact
    ends.store.insert("events", event_columns(batch.judged))


def event_columns(judged: list[Judged]) -> dict[str, list[Any]]:
    """Rows of the table events. Flagged ones cost nothing."""
    events = [item.event for item in judged]
    flags = [[str(flag) for flag in item.flags] for item in judged]
    return {
        **columns(events, _EVENT),
        "at": [event.at_ms // 1000 for event in events],
        "log_offset": [item.offset for item in judged],
        "spend_micros": [0 if item.flags else item.event.charge_micros for item in judged],
        "flags": flags,
        "flag": [reasons[0] if reasons else "" for reasons in flags],
        "rules_version": [RULES_VERSION] * len(judged),
        "media_firsts": [item.media_firsts for item in judged],
    }


def conflict_columns(placed: list[Placed]) -> dict[str, list[Any]]:
    """Rows of the table event_conflicts."""
    events = [item.event for item in placed]
    return {
        **columns(events, _SHARED),
        "at": [event.at_ms // 1000 for event in events],
        "log_offset": [item.offset for item in placed],
    }


def _usage_columns(batch: Batch) -> dict[str, list[Any]]:
    records = [record for _, record in batch.usage]
    return {
        **columns(records, ["tenant_id", "query_id", "kind", "quantity"]),
        "at": [record.at_ms // 1000 for record in records],
        "log_offset": [offset for offset, _ in batch.usage],
    }


def _dead_columns(batch: Batch) -> dict[str, list[Any]]:
    return {
        "log_offset": [record.offset for record in batch.dead],
        "reason": [str(Drop.unparsable)] * len(batch.dead),
        "payload": [record.payload.hex() for record in batch.dead],
    }
