"""The roll-up's one query: the sink runs it for dirty quarters of an hour, `rebuild` for everything."""

import time

from api.events.distinct import once
from api.events.store import EventStore

BUCKET_S = 900
BUCKET = f"toInt64(intDiv(toUInt32(at), {BUCKET_S}) * {BUCKET_S})"
COLUMNS = (
    "publisher_id, bucket, brand_id, site_id, product_id, media_id, media_kind, tag_id, campaign_id, creative_id, arm, "
    "price_kind, currency, type, flag, events, billable, spend_micros, gross_media, gross_media_brand, "
    "gross_media_product, net_media, net_media_brand, net_media_product, version"
)
_KEYS = (
    "brand_id, site_id, product_id, media_id, media_kind, tag_id, campaign_id, creative_id, arm, price_kind, currency, "
    "type, flag"
)
_BITS = ", ".join(f"sum(bitAnd(bitShiftRight(media_firsts, {bit}), 1))" for bit in range(6))
_SLICE_ROWS = 4_000_000  # events whose identities are held in memory at a time: some 300 MB
_LEFTOVER_MS = 24 * 3600 * 1000
_MAKING, _OLD = "rollup_15m_making_", "rollup_15m_old_"


def recompute(table: str, condition: str) -> str:
    """The statement that adds the roll-ups of whole quarters to `table`, from the de-duplicated events under
    `condition`. `billable` counts what will be paid: flagged events are not.

    The version is the number of distinct events, so whoever has seen more of a quarter wins, whenever the row arrives:
    two sinks may recompute the same quarter at once.
    """
    rows = once("events", f"publisher_id, at, {_KEYS}, billable, spend_micros, media_firsts", condition)
    return f"""
INSERT INTO {table} ({COLUMNS})
SELECT publisher_id, toDateTime({BUCKET}, 'UTC') AS quarter, {_KEYS},
       count(), sum(if(flag = '', billable, 0)), sum(spend_micros), {_BITS}, count()
FROM {rows} GROUP BY publisher_id, quarter, {_KEYS}"""  # noqa: S608 - table and condition are ours


def rebuild(store: EventStore) -> int:
    """Throw every roll-up away and compute it anew, while sinks go on. Returns how many events are in it."""
    now_ms = time.time_ns() // 1_000_000
    _drop_leftovers(store, now_ms - _LEFTOVER_MS)
    making, old = f"{_MAKING}{now_ms}", f"{_OLD}{now_ms}"
    before = _rows_by_day(store)
    store.command(f"CREATE TABLE {making} AS rollup_15m")
    for day, rows in before.items():
        _recompute_day(store, making, day, rows)
    store.command(f"RENAME TABLE rollup_15m TO {old}, {making} TO rollup_15m")
    # what sinks wrote meanwhile went into the table that has just been put away; the events behind it came first
    for day, rows in _rows_by_day(store).items():
        if rows != before.get(day):
            _recompute_day(store, "rollup_15m", day, rows)
    store.command(f"DROP TABLE {old}")
    return int(store.select("SELECT sum(events) AS n FROM rollup_15m FINAL")[0]["n"] or 0)


def _rows_by_day(store: EventStore) -> dict[int, int]:
    found = store.select("SELECT toYYYYMMDD(at) AS day, count() AS n FROM events GROUP BY day ORDER BY day")
    return {int(row["day"]): int(row["n"]) for row in found}


def _recompute_day(store: EventStore, table: str, day: int, rows: int) -> None:
    slices = -(-rows // _SLICE_ROWS)
    for i in range(slices):
        part = f"intDiv(toUInt32(at), {BUCKET_S}) % {slices} = {i}"
        store.command(recompute(table, f"toYYYYMMDD(at) = {day} AND {part}"))


def _drop_leftovers(store: EventStore, before_ms: int) -> None:
    """Of rebuilds that were killed. A name holds the time of its making: a younger one may be at work elsewhere."""
    tables = store.select("SELECT name FROM system.tables WHERE database = currentDatabase()")
    for name in [str(row["name"]) for row in tables]:
        if name.startswith((_MAKING, _OLD)) and int(name.rpartition("_")[2]) < before_ms:
            store.command(f"DROP TABLE IF EXISTS {name}")
