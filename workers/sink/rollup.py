"""Step: recompute the dirty quarters of an hour from the de-duplicated events. The same query rebuilds everything."""

from api.events.store import Columns, EventStore
from workers.sink.batch import BUCKET_S, Batch, Ends

COLUMNS = (
    "publisher_id, bucket, brand_id, site_id, product_id, media_id, media_kind, tag_id, campaign_id, creative_id, arm, "
    "price_kind, currency, type, flag, events, billable, spend_micros, gross_media, gross_media_brand, "
    "gross_media_product, net_media, net_media_brand, net_media_product, version"
)
_BUCKET = f"intDiv(toUInt32(at), {BUCKET_S}) * {BUCKET_S}"
_BITS = ", ".join(f"sum(bitAnd(bitShiftRight(media_firsts, {bit}), 1))" for bit in range(6))


def _insert(table: str, condition: str) -> str:
    """`billable` counts what will be paid: flagged events are not."""
    return f"""
INSERT INTO {table} ({COLUMNS})
SELECT publisher_id, toDateTime({_BUCKET}, 'UTC') AS quarter, brand_id, site_id, product_id, media_id, media_kind,
       tag_id, campaign_id, creative_id, arm, price_kind, currency, type, flag,
       count(), sum(if(flag = '', billable, 0)), sum(spend_micros), {_BITS}, count()
FROM events WHERE {condition}
GROUP BY publisher_id, quarter, brand_id, site_id, product_id, media_id, media_kind, tag_id, campaign_id, creative_id,
         arm, price_kind, currency, type, flag"""  # noqa: S608 - table and condition are ours


def roll_up(batch: Batch, ends: Ends) -> None:
    """Write the dirty quarters' rows; a newer version replaces the older one of the same key."""
    if not batch.dirty:
        return
    starts = [start for _, start in batch.dirty]
    days = f"at >= toDateTime({min(starts)}, 'UTC') AND at < toDateTime({max(starts) + BUCKET_S}, 'UTC')"
    dirty = f"{days} AND (publisher_id, {_BUCKET}) IN (SELECT publisher_id, bucket FROM @keys)"  # noqa: S608 - integers
    keys: Columns = {"publisher_id": [publisher_id for publisher_id, _ in batch.dirty], "bucket": starts}
    ends.store.command(_insert("rollup_15m", dirty), keys)


def rebuild(store: EventStore) -> int:
    """Throw every roll-up away and compute it anew, while the sink may go on. Returns how many events are in it."""
    newest = int(store.select("SELECT max(log_offset) AS newest FROM events")[0]["newest"])
    store.command("DROP TABLE IF EXISTS rollup_15m_new")
    store.command("DROP TABLE IF EXISTS rollup_15m_old")
    store.command("CREATE TABLE rollup_15m_new AS rollup_15m")
    for row in store.select("SELECT DISTINCT toYYYYMMDD(at) AS day FROM events ORDER BY day"):
        store.command(_insert("rollup_15m_new", f"toYYYYMMDD(at) = {int(row['day'])}"))
    store.command("RENAME TABLE rollup_15m TO rollup_15m_old, rollup_15m_new TO rollup_15m")
    # what the sink wrote meanwhile went into the table that has just been put away
    meanwhile = f"(publisher_id, {_BUCKET}) IN (SELECT publisher_id, {_BUCKET} FROM events WHERE log_offset > {newest})"  # noqa: S608
    store.command(_insert("rollup_15m", meanwhile))
    store.command("DROP TABLE rollup_15m_old")
    return int(store.select("SELECT sum(events) AS n FROM rollup_15m FINAL")[0]["n"])
