"""The roll-up's one query: the sink runs it for dirty quarters of an hour, `rebuild` for everything."""

from api.events.store import EventStore

BUCKET_S = 900
BUCKET = f"intDiv(toUInt32(at), {BUCKET_S}) * {BUCKET_S}"
COLUMNS = (
    "publisher_id, bucket, brand_id, site_id, product_id, media_id, media_kind, tag_id, campaign_id, creative_id, arm, "
    "price_kind, currency, type, flag, events, billable, spend_micros, gross_media, gross_media_brand, "
    "gross_media_product, net_media, net_media_brand, net_media_product, version"
)
_BITS = ", ".join(f"sum(bitAnd(bitShiftRight(media_firsts, {bit}), 1))" for bit in range(6))


def recompute(table: str, condition: str) -> str:
    """The statement that adds the roll-ups of whole quarters to `table`, from the de-duplicated events under
    `condition`. `billable` counts what will be paid: flagged events are not."""
    return f"""
INSERT INTO {table} ({COLUMNS})
SELECT publisher_id, toDateTime({BUCKET}, 'UTC') AS quarter, brand_id, site_id, product_id, media_id, media_kind,
       tag_id, campaign_id, creative_id, arm, price_kind, currency, type, flag,
       count(), sum(if(flag = '', billable, 0)), sum(spend_micros), {_BITS}, count()
FROM events WHERE {condition}
GROUP BY publisher_id, quarter, brand_id, site_id, product_id, media_id, media_kind, tag_id, campaign_id, creative_id,
         arm, price_kind, currency, type, flag"""  # noqa: S608 - table and condition are ours


def rebuild(store: EventStore) -> int:
    """Throw every roll-up away and compute it anew, while the sink may go on. Returns how many events are in it.

    One at a time: two would share the table that is being filled."""
    newest = int(store.select("SELECT max(log_offset) AS newest FROM events")[0]["newest"])
    store.command("DROP TABLE IF EXISTS rollup_15m_new")
    store.command("DROP TABLE IF EXISTS rollup_15m_old")
    store.command("CREATE TABLE rollup_15m_new AS rollup_15m")
    for row in store.select("SELECT DISTINCT toYYYYMMDD(at) AS day FROM events ORDER BY day"):
        store.command(recompute("rollup_15m_new", f"toYYYYMMDD(at) = {int(row['day'])}"))
    store.command("RENAME TABLE rollup_15m TO rollup_15m_old, rollup_15m_new TO rollup_15m")
    # what the sink wrote meanwhile went into the table that has just been put away
    meanwhile = f"(publisher_id, {BUCKET}) IN (SELECT publisher_id, {BUCKET} FROM events WHERE log_offset > {newest})"  # noqa: S608
    store.command(recompute("rollup_15m", meanwhile))
    store.command("DROP TABLE rollup_15m_old")
    return int(store.select("SELECT sum(events) AS n FROM rollup_15m FINAL")[0]["n"] or 0)
