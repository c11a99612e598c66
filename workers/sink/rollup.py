"""Step: recompute the dirty quarters of an hour from the de-duplicated events."""

from api.events.rollup import BUCKET, BUCKET_S, recompute
from api.events.store import Columns
from workers.sink.batch import Batch, Ends


def roll_up(batch: Batch, ends: Ends) -> None:
    """Write the dirty quarters' rows; a newer version replaces the older one of the same key."""
    dirty_quarters = batch.dirty
    if not dirty_quarters:
        return
    starts = [start for _, start in dirty_quarters]
    days = f"at >= toDateTime({min(starts)}, 'UTC') AND at < toDateTime({max(starts) + BUCKET_S}, 'UTC')"
    dirty = f"{days} AND (publisher_id, {BUCKET}) IN (SELECT publisher_id, bucket FROM @keys)"  # noqa: S608 - integers
    keys: Columns = {"publisher_id": [publisher_id for publisher_id, _ in dirty_quarters], "bucket": starts}
    ends.store.command(recompute("rollup_15m", dirty), keys)
