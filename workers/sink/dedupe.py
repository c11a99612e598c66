"""Step: keep the first event of each identity, in log order; tell replays from conflicts. Looks into the store first.

After a crash the same records come again. One that is in the store at its own offset has landed: it is not inserted
again, but its roll-up is recomputed, for the crash may have come between the two.
"""

from typing import NamedTuple

from api.events.reasons import Drop
from workers.sink.batch import Batch, Ends, Placed

_KNOWN = """
SELECT publisher_id, event_id, core, full, log_offset FROM events
WHERE (publisher_id, event_id) IN (SELECT publisher_id, event_id FROM @keys)"""
_KNOWN_CONFLICTS = """
SELECT publisher_id, event_id, core, full, log_offset FROM event_conflicts
WHERE (publisher_id, event_id) IN (SELECT publisher_id, event_id FROM @keys)"""
_KNOWN_USAGE = """
SELECT tenant_id, query_id, log_offset FROM usage
WHERE (tenant_id, query_id) IN (SELECT tenant_id, query_id FROM @keys)"""
_KNOWN_DEAD = "SELECT log_offset FROM dead_letters WHERE log_offset IN (SELECT log_offset FROM @keys)"


class _First(NamedTuple):
    core: str
    full: str
    offset: int


def dedupe(batch: Batch, ends: Ends) -> None:
    """Fill `fresh`, `conflicts` and the dirty quarters; leave only new rows in `usage` and `dead`."""
    suspects = _split(batch, ends)
    _new_conflicts(batch, ends, suspects)
    _new_usage(batch, ends)
    _new_dead(batch, ends)


def _split(batch: Batch, ends: Ends) -> list[Placed]:
    """Sort events into fresh, landed and duplicate; returns the conflicting ones."""
    if not batch.events:
        return []
    rows = ends.store.select(_KNOWN, keys=_identities(batch.events))
    firsts = {(r["publisher_id"], r["event_id"]): _First(r["core"], r["full"], r["log_offset"]) for r in rows}
    suspects = []
    for placed in batch.events:
        event = placed.event
        identity = (event.publisher_id, event.event_id)
        first = firsts.get(identity)
        if first is None:
            firsts[identity] = _First(event.core, event.full, placed.offset)
            batch.fresh.append(placed)
        run = batch.run_of[placed.offset]
        if first is None or first.offset == placed.offset:
            run.stored += 1
            run.touch(event.publisher_id, event.at_ms)
        elif _same(first, event.core, event.full):
            run.drops[Drop.duplicate] += 1
        else:
            suspects.append(placed)
    return suspects


def _same(first: _First, core: str, full: str) -> bool:
    """A click comes by redirect (no client fields) and by beacon: one event, whichever lands first."""
    return first.core == core and (not full or not first.full or first.full == full)


def _new_conflicts(batch: Batch, ends: Ends, suspects: list[Placed]) -> None:
    if not suspects:
        return
    rows = ends.store.select(_KNOWN_CONFLICTS, keys=_identities(suspects))
    known = {(r["publisher_id"], r["event_id"], r["core"], r["full"]): r["log_offset"] for r in rows}
    for placed in suspects:
        event = placed.event
        key = (event.publisher_id, event.event_id, event.core, event.full)
        if key not in known:
            known[key] = placed.offset
            batch.conflicts.append(placed)
        # the same conflict again is a replay of it
        drop = Drop.conflict if known[key] == placed.offset else Drop.duplicate
        batch.run_of[placed.offset].drops[drop] += 1


def _new_usage(batch: Batch, ends: Ends) -> None:
    if not batch.usage:
        return
    keys = {
        "tenant_id": [record.tenant_id for _, record in batch.usage],
        "query_id": [record.query_id for _, record in batch.usage],
    }
    known = {(r["tenant_id"], r["query_id"]): r["log_offset"] for r in ends.store.select(_KNOWN_USAGE, keys=keys)}
    new = []
    for offset, record in batch.usage:
        identity = (record.tenant_id, record.query_id)
        if identity not in known:
            known[identity] = offset
            new.append((offset, record))
        run = batch.run_of[offset]
        if known[identity] == offset:
            run.stored += 1
        else:
            run.drops[Drop.duplicate] += 1
    batch.usage = new


def _new_dead(batch: Batch, ends: Ends) -> None:
    if not batch.dead:
        return
    rows = ends.store.select(_KNOWN_DEAD, keys={"log_offset": [record.offset for record in batch.dead]})
    known = {row["log_offset"] for row in rows}
    batch.dead = [record for record in batch.dead if record.offset not in known]


def _identities(events: list[Placed]) -> dict[str, list[str]]:
    return {
        "publisher_id": [placed.event.publisher_id for placed in events],
        "event_id": [placed.event.event_id for placed in events],
    }
