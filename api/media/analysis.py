"""The life of one analysis: claimed by one worker, kept while it lives, and stored whole or not at all.

The looking itself (fetch, decode, detect, embed) is the workers'; here are the rules of state, retry and matching."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from api.kit.clock import Clock
from api.kit.db import Database
from api.kit.ids import new_id
from api.kit.names import storable
from api.media.matching import Matcher
from api.media.models import Media, MediaState
from api.media.objects import SeenObject, reconcile, stored, vectors_of
from api.media.repository import MediaAcrossTenants
from api.media.shelf import Shelf
from api.media.views import Candidate
from api.media.voting import each_once, elected
from api.search.index import IndexUnavailable, ProductIndex

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=120)
MAX_ATTEMPTS = 4
BACKOFF = (timedelta(seconds=15), timedelta(minutes=2), timedelta(minutes=15))
REMATCH_AFTER = timedelta(minutes=15)
MAX_ERROR_CHARS = 500
INTERRUPTED = "the analysis was interrupted too often"


@dataclass(frozen=True)
class Facts:
    """What looking at it has told beside the objects."""

    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    truncated: bool = False
    frames: int = 0
    poster_key: str | None = None
    error: str | None = None  # why only a part of it was seen, where something went wrong


@dataclass(frozen=True)
class Job:
    """A claimed row; it is this worker's as long as the lease is renewed in time."""

    media: Media
    lease_id: str

    @property
    def given_up(self) -> bool:
        """Too many tries have led to nothing more: it is not looked at again, but what was seen before counts."""
        return self.media.attempts > MAX_ATTEMPTS


class Analyses:
    """Built from ports by the workers. No method holds a transaction while it matches."""

    def __init__(
        self, database: Database, clock: Clock, shelf: Shelf, index: ProductIndex, matcher: Matcher, version: str
    ) -> None:
        self._database = database
        self._index = index
        self._clock = clock
        self._shelf = shelf
        self._matcher = matcher
        self._version = version

    def claim(self, media_id: str) -> Job | None:
        """Take the row, or None when there is nothing to do or somebody else does it. Without the index nothing is
        taken: what was looked at could not be matched, and the row waits as it is for the next sweep."""
        if not self._index_serves():
            return None
        now = self._clock.now()
        lease_id = new_id("lea")
        with self._database.write() as session:
            media = MediaAcrossTenants(session).claim(media_id, lease_id, now, now + LEASE)
        if media is None:
            return None
        job = Job(media, lease_id)
        if not job.given_up or (media.attempts == MAX_ATTEMPTS + 1 and self.checkpoint(job) is not None):
            return job
        # it has taken workers down, or been taken down with them, too often
        self._end(job, MediaState.failed, error=media.error or INTERRUPTED)
        return None

    def progress(self, job: Job, share: float, frames: int, *, lease: timedelta = LEASE) -> bool:
        """Store how far it is and keep the row for another `lease`; False when it is another worker's by now."""
        with self._database.write() as session:
            values = {"progress": min(share, 0.99), "frames": frames, "due_at": self._clock.now() + lease}
            return MediaAcrossTenants(session).update_held(job.media.id, job.lease_id, values)

    def checkpoint(self, job: Job) -> bytes | None:
        """What a worker before this one has kept, or None at the beginning."""
        with self._database.read() as session:
            kept = MediaAcrossTenants(session).checkpoint(job.media.id)
        return kept.state if kept else None

    def keep(self, job: Job, share: float, frames: int, at_ms: int, state: bytes) -> bool:
        """Store how far it is so that another worker could go on from there; False when another does already. What gets
        on has not failed: interruptions are counted anew from here."""
        now = self._clock.now()
        values = {"progress": min(share, 0.99), "frames": frames, "due_at": now + LEASE, "attempts": 0}
        with self._database.write() as session:
            rows = MediaAcrossTenants(session)
            if not rows.update_held(job.media.id, job.lease_id, values):
                return False
            rows.set_checkpoint(job.media, at_ms, state, now)
        job.media.attempts = 0
        return True

    def must_stop(self, job: Job) -> bool:
        """Whether somebody has asked for an end of watching it."""
        with self._database.read() as session:
            media = MediaAcrossTenants(session).get(job.media.id)
        return media is None or media.stopping

    def fail(self, job: Job, reason: str, *, retryable: bool) -> None:
        """Try again later, or never."""
        if retryable and job.media.attempts < MAX_ATTEMPTS:
            wait = BACKOFF[max(0, min(job.media.attempts, len(BACKOFF)) - 1)]
            self._end(job, MediaState.pending, error=_shown(reason), due_at=self._clock.now() + wait)
        else:
            self._end(job, MediaState.failed, error=_shown(reason))

    def postpone(self, job: Job, reason: str, *, wait: timedelta = BACKOFF[0]) -> None:
        """What it takes is away, or the disk is full, which is not its fault: try again; this attempt does not
        count."""
        log.info("%s waits: %s", job.media.id, reason)
        waits = {"due_at": self._clock.now() + wait, "attempts": max(0, job.media.attempts - 1)}
        self._end(job, MediaState.pending, error=_shown(reason), **waits)

    def finish(
        self, job: Job, seen: Sequence[SeenObject], facts: Facts, *, more_after: timedelta | None = None
    ) -> bool:
        """Match what was seen and store it, in one short transaction; False when the row is another worker's by now.
        With `more_after` it is a live stream's window, and the next is due so much later."""
        now = self._clock.now()
        try:
            against, catalogs = self._index_state(), self._catalogs(job.media)
            matches = self._elect(seen, catalogs)
        except IndexUnavailable as error:
            self.postpone(job, error.detail)
            return False
        with self._database.write() as session:
            rows = MediaAcrossTenants(session)
            ended = _finished(facts, now, against) if more_after is None else _goes_on(facts, now + more_after)
            if not rows.update_held(job.media.id, job.lease_id, ended):
                log.info("%s was taken over while it was looked at", job.media.id)
                return False
            if more_after is None:
                rows.drop_checkpoint(job.media.id)
            tags = rows.tags(job.media.id)
            until = facts.duration_ms if facts.error else None
            new, gone = reconcile(job.media, tags, seen, matches, self._version, now, broke_at_ms=until)
            session.add_all(new)
            rows.delete_tags(gone)
            left = [tag for tag in tags if tag.id not in set(gone)] + new
            if more_after is None and any(tag.matches or tag.pinned_product_id for tag in left):
                rows.set_state(job.media.id, MediaState.ready)
        return True

    def _elect(self, seen: Sequence[SeenObject], catalogs: frozenset[str]) -> list[tuple[Candidate, ...]]:
        """A thing that appears in several spans is matched once."""
        elections: dict[object, tuple[Candidate, ...]] = {}
        for index, item in enumerate(seen):
            key = _thing(index, item)
            if key not in elections:
                elections[key] = elected(self._matcher, item.label, item.vectors, item.weights, catalogs)
        found = [elections[_thing(index, item)] for index, item in enumerate(seen)]
        kept = each_once([(item.from_ms, item.to_ms) for item in seen], found)
        return [candidates if keeps else () for candidates, keeps in zip(found, kept, strict=True)]

    def rematch(self, media_id: str) -> None:
        """Match the stored vectors again: products have come or gone. Fetches and looks at nothing. Without the index
        the old matches stay, and the row stays stale."""
        if not self._index_serves():
            return
        now = self._clock.now()
        with self._database.read() as session:
            rows = MediaAcrossTenants(session)
            media, tags = rows.get(media_id), rows.tags(media_id)
        if media is None or media.state not in {MediaState.ready, MediaState.none}:
            return
        if any(tag.embedder_version != self._version for tag in tags):
            self._again(media_id, now)  # vectors of another model compare with nothing: it must be looked at anew
            return
        against, catalogs = self._index_state(), self._catalogs(media)
        things = {tag.object_id or tag.id: tag for tag in tags}
        found = {
            key: elected(self._matcher, tag.label, vectors_of(tag), tag.weights, catalogs)
            for key, tag in things.items()
        }
        each = [found[tag.object_id or tag.id] for tag in tags]
        kept = each_once([(tag.from_ms, tag.to_ms) for tag in tags], each)
        matches = {
            tag.id: stored(candidates) if keeps else [] for tag, candidates, keeps in zip(tags, each, kept, strict=True)
        }
        with self._database.write() as session:
            rows = MediaAcrossTenants(session)
            rows.get(media_id, lock=True)
            left = rows.tags(media_id)
            for tag in left:
                if tag.id in matches and tag.matches != matches[tag.id]:
                    tag.matches, tag.updated_at = matches[tag.id], now
            shown = any(tag.matches or tag.pinned_product_id for tag in left)
            rows.set_matched(media_id, MediaState.ready if shown else MediaState.none, now, against)

    def due(self, limit: int) -> list[str]:
        """Unfinished media that nobody works on; none without the index, because nothing would be taken."""
        if not self._index_serves():
            return []
        with self._database.read() as session:
            return [media.id for media in MediaAcrossTenants(session).due(self._clock.now(), limit)]

    def stale(self, limit: int) -> list[str]:
        """Media to match again, because the index has changed since or it is long ago: a product's new picture changes
        no count."""
        if not self._index_serves():
            return []
        now = self._clock.now()
        with self._database.read() as session:
            return list(MediaAcrossTenants(session).stale(self._index_state(), now - REMATCH_AFTER, limit))

    def _index_serves(self) -> bool:
        try:
            self._index.check()
        except IndexUnavailable as error:
            log.info("media wait: %s", error.detail)
            return False
        return True

    def _index_state(self) -> str:
        """A fingerprint of what tags can draw on."""
        listed = self._shelf.listed()
        return hashlib.sha256(repr((sorted(listed), self._index.total(listed))).encode()).hexdigest()

    def _catalogs(self, media: Media) -> frozenset[str]:
        """A page's tags draw on listed catalogs alone; a tenant's own video also on its own."""
        return self._shelf.listed() if media.site_id else self._shelf.searchable(media.tenant_id)

    def _again(self, media_id: str, now: datetime) -> None:
        with self._database.write() as session:
            MediaAcrossTenants(session).reopen(media_id, now)

    def _end(self, job: Job, state: MediaState, **values: object) -> None:
        if state is MediaState.failed:
            values |= {"live": False, "stopping": False}
        with self._database.write() as session:
            ended = {"state": state, "lease_id": None, **values}
            rows = MediaAcrossTenants(session)
            if rows.update_held(job.media.id, job.lease_id, ended) and state is MediaState.failed:
                rows.drop_checkpoint(job.media.id)


def _shown(reason: str) -> str:
    return storable(reason)[:MAX_ERROR_CHARS]


def _thing(index: int, item: SeenObject) -> object:
    return ("picture", index) if item.object_number is None else ("thing", item.object_number)


def _goes_on(facts: Facts, due_at: datetime) -> dict[str, Any]:
    """The columns of a live stream of which one more window was watched."""
    told = {name: value for name, value in asdict(facts).items() if value is not None}
    return {
        "state": MediaState.pending,
        "lease_id": None,
        "error": None,
        "attempts": 0,
        "live": True,
        "due_at": due_at,
    } | told


def _finished(facts: Facts, now: datetime, against: str) -> dict[str, Any]:
    """The columns of a row that was looked at; whether it is ready its tags will say."""
    return {
        "state": MediaState.none,
        "lease_id": None,
        "attempts": 0,
        "progress": 1.0,
        "live": False,
        "stopping": False,
        "analysed_at": now,
        "matched_at": now,
        "matched_against": against,
        **asdict(facts),
        "error": _shown(facts.error) if facts.error else None,
    }
