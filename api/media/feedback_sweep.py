"""Counts words on tags again: how often each tag was seen says how many of them it takes, and old ones end."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlmodel import Session

from api.events.store import KEYS, EventStore, StoreUnavailable
from api.kit.db import Database
from api.media.feedback import KEPT, PER_TAG, Feedback, needed_of, objected_in, off_of
from api.media.votes_repository import Count, Judged, VotesAcrossTenants

log = logging.getLogger(__name__)
AT_ONCE = 500  # tags
# net impressions alone: one a view and tag, without programs and repetitions
SEEN = f"""
SELECT tag_id, toInt64(sum(events)) AS views
FROM rollup_15m FINAL
WHERE publisher_id IN (SELECT publisher_id FROM {KEYS}) AND tag_id IN (SELECT tag_id FROM {KEYS})
    AND bucket >= toDateTime({{since:Int64}}, 'UTC') AND type = 'impression' AND flag = ''
GROUP BY tag_id
"""  # noqa: S608 - our names, bound values


def sweep(database: Database, store: EventStore, now: datetime) -> int:
    """How many tags have changed. While the event store is away, each tag needs what it needed before."""
    changed, after = 0, ""
    while True:
        with database.read() as session:
            tags = VotesAcrossTenants(session).judged(after, AT_ONCE)
            words = _standing(session, tags, now)
            crowded = VotesAcrossTenants(session).crowded([tag.tag_id for tag in tags], PER_TAG)
        if not tags:
            break
        views = _views(store, tags, now)
        for tag in tags:
            needed = tag.votes_needed if views is None else needed_of(views.get(tag.tag_id, 0))
            counts = words[tag.tag_id]
            off, objected = off_of(counts, needed, tag.matched), objected_in(counts)
            if (off, needed, objected) != (tag.voted_off, tag.votes_needed, tag.objected):
                with database.write() as session:
                    Feedback(session, tag.tenant_id, now).settle(tag.tag_id, needed)
                changed += 1
        for tag_id in crowded:
            with database.write() as session:
                VotesAcrossTenants(session).thin_out(tag_id, PER_TAG)
        after = tags[-1].tag_id
    with database.write() as session:
        VotesAcrossTenants(session).forget_before(now - KEPT)
    return changed


def _standing(session: Session, tags: Sequence[Judged], now: datetime) -> Mapping[str, Sequence[Count]]:
    found: dict[str, list[Count]] = {}
    for tenant_id in sorted({tag.tenant_id for tag in tags}):
        ids = [tag.tag_id for tag in tags if tag.tenant_id == tenant_id]
        found |= Feedback(session, tenant_id, now).standing(ids)
    return found


def _views(store: EventStore, tags: Sequence[Judged], now: datetime) -> Mapping[str, int] | None:
    keys = {"publisher_id": [tag.tenant_id for tag in tags], "tag_id": [tag.tag_id for tag in tags]}
    try:
        rows = store.select(SEEN, {"since": int((now - KEPT).timestamp())}, keys)
    except StoreUnavailable as error:
        log.info("how often tags were seen is not known now: %s", error)
        return None
    return {str(row["tag_id"]): int(row["views"]) for row in rows}
