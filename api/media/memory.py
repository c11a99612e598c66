"""The tag server's memory of a site's media: views by (site, URL hash), and the opening of what is not known yet."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

from api.kit.cache import FreshCache
from api.kit.clock import Clock
from api.kit.db import Database
from api.kit.ids import new_id
from api.kit.queue import TaskQueue
from api.media.models import Media, MediaKind
from api.media.repository import MediaAcrossTenants, MediaRepository
from api.media.urls import MediaUrl
from api.media.views import MediaView, view_of

log = logging.getLogger(__name__)
# moderation shows on pages within 4 s, in every process
REFRESH_S, EXPIRE_S = 1.5, 4.0
Key = tuple[str, str]


@dataclass(frozen=True)
class Unknown:
    """A picture or video that a page showed first."""

    url: MediaUrl
    kind: MediaKind


class MediaMemory:
    """`peek` is for the event loop; `load` and `open` are for threads."""

    def __init__(self, database: Database, queue: TaskQueue, clock: Clock, daily_budget: int) -> None:
        self._database = database
        self._queue = queue
        self._clock = clock
        self._daily_budget = daily_budget
        self._views: FreshCache[Key, MediaView | None] = FreshCache(
            self._load, refresh_after_s=REFRESH_S, expire_after_s=EXPIRE_S
        )
        # site -> when its budget of the day ran out: nothing is asked of the store for it until tomorrow
        self._spent: dict[str, datetime] = {}
        self._opening = threading.Lock()

    def peek(self, site_id: str, url: MediaUrl) -> tuple[bool, MediaView | None]:
        """(known to this memory, the view; None where the site has no such media)."""
        return self._views.peek((site_id, url.hash))

    def load(self, site_id: str, url: MediaUrl) -> MediaView | None:
        """The view, from the store if need be."""
        return self._views.get((site_id, url.hash))

    def forget(self) -> None:
        """Drop all views, after a change in this process."""
        self._views.clear()

    def has_budget(self, site_id: str) -> bool:
        """False once today's new media of the site have reached the budget."""
        return self._spent.get(site_id) != self._today()

    def open(self, site_id: str, tenant_id: str, unknown: Sequence[Unknown]) -> set[str]:
        """Store rows for new media and ask for their analysis; the hashes that are known afterwards, the others being
        over the budget."""
        wanted = {item.url.hash: item for item in unknown}
        with self._opening:  # the embedded store has one writer; waiting here costs no connection of the other's pool
            known, opened = self._insert(site_id, tenant_id, wanted)
        for url_hash in known | {row.url_hash or "" for row in opened}:
            self._views.drop((site_id, url_hash))
        for row in opened:
            self._queue.send("media.analyse", media_id=row.id)
        return known | {row.url_hash or "" for row in opened}

    def _insert(self, site_id: str, tenant_id: str, wanted: dict[str, Unknown]) -> tuple[set[str], list[Media]]:
        now = self._clock.now()
        with self._database.write() as session:
            rows = MediaRepository(session, tenant_id)
            rows.take_turns(site_id)  # other processes count the same budget, and meet the same pictures
            known = rows.hashes_among(site_id, list(wanted))
            new = [item for url_hash, item in wanted.items() if url_hash not in known]
            left = self._daily_budget - rows.created_since(site_id, self._today()) if new else 0
            opened = [_row(item, site_id, tenant_id, now) for item in new[: max(0, left)]]
            for row in opened:
                rows.add(row)
        if len(opened) < len(new):
            log.warning("site %s has used up its %d new media of today", site_id, self._daily_budget)
            self._spent[site_id] = self._today()
        return known, opened

    def _load(self, key: Key) -> MediaView | None:
        with self._database.read() as session:
            found = MediaAcrossTenants(session).by_url(*key)
        return view_of(*found) if found else None

    def _today(self) -> datetime:
        return datetime.combine(self._clock.now().date(), time(), UTC)


def _row(item: Unknown, site_id: str, tenant_id: str, now: datetime) -> Media:
    return Media(
        id=new_id("med"),
        tenant_id=tenant_id,
        site_id=site_id,
        kind=item.kind,
        url=item.url.text,
        url_hash=item.url.hash,
        due_at=now,
        created_at=now,
    )
