"""The publisher's control over media and tags. Looking at media is in `analysis.py`, pages' answers in `serving.py`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from sqlmodel import Session

from api.accounts.service import AccountService
from api.errors import Conflict, NotFound, Unprocessable
from api.kit.paging import Cursor
from api.media.analysis import Analyses, Facts
from api.media.feedback import summed
from api.media.matching import Matcher
from api.media.models import Media, MediaState, Tag, TagState
from api.media.repository import MediaRepository
from api.media.schemas import BoxRead, MediaRead, MediaStatus, MediaUpdate, TagProduct, TagRead, TagUpdate, VotesRead
from api.media.shelf import Shelf
from api.media.views import box_of, candidates_of
from api.media.votes_repository import Count, VotesRepository

if TYPE_CHECKING:
    from api.ports import Ports


def analyses_of(ports: "Ports") -> Analyses:
    """The analyses on open ports, for the workers."""
    floor = ports.settings.vision.min_tag_score or ports.eyes.similar_floor
    matcher = Matcher(ports.finder, floor)
    return Analyses(ports.database, ports.clock, ports.shelf, ports.index, matcher, ports.eyes.embedder_version)


def charge_minutes(ports: "Ports", media: Media, facts: Facts) -> None:
    """Meter a tenant's own video by started minutes; a page's videos cost its publisher nothing."""
    if media.site_id is None:
        minutes = max(1, math.ceil((facts.duration_ms or 0) / 60_000))
        ports.meter.record(media.tenant_id, "video_minute", minutes, media.id)


class MediaService:
    """What one publisher does with its media. `actor` is for the audit log."""

    def __init__(self, session: Session, tenant_id: str, actor: str, now: datetime, shelf: Shelf) -> None:
        self._rows = MediaRepository(session, tenant_id)
        self._votes = VotesRepository(session, tenant_id)
        self._account = AccountService(session, tenant_id, actor, now)
        self._shelf = shelf
        self._now = now

    def page(
        self, site_id: str | None, status: MediaStatus | None, cursor: Cursor, *, objected: bool = False
    ) -> Sequence[MediaRead]:
        """Media with their tags, newest first, one more than the page holds; `objected`: only where shoppers have said
        "not this"."""
        rows = self._rows.page(site_id, status, cursor.after, cursor.limit, objected=objected)
        tags = self._rows.tags_of([media.id for media in rows])
        votes = self._votes.counts([tag.id for found in tags.values() for tag in found])
        return [self._read(media, tags[media.id], votes) for media in rows]

    def get(self, media_id: str) -> MediaRead:
        """One picture or video."""
        media = self._media(media_id)
        tags = self._rows.tags_of([media_id])[media_id]
        return self._read(media, tags, self._votes.counts([tag.id for tag in tags]))

    def update(self, media_id: str, data: MediaUpdate) -> MediaRead:
        """Block it or let it be tagged."""
        self._media(media_id, lock=True).blocked = data.blocked
        self._account.record("media.blocked" if data.blocked else "media.unblocked", media_id)
        return self.get(media_id)

    def analyse(self, media_id: str) -> MediaRead:
        """Have it looked at again; its tags stay until that is done."""
        media = self._media(media_id, lock=True)
        if media.state is MediaState.running:
            raise Conflict("It is being looked at right now.", code="analysis_running")
        media.state, media.attempts, media.due_at, media.error = MediaState.pending, 0, self._now, None
        media.stopping, media.progress = False, 0.0
        self._account.record("media.analyse", media_id)
        return self.get(media_id)

    def update_tag(self, tag_id: str, data: TagUpdate) -> TagRead:
        """Hide, approve, rename, move or pin; null takes back."""
        tag = self._rows.tag(tag_id)
        if tag is None:
            raise NotFound("No such tag.")
        given = data.model_fields_set
        if "state" in given:
            tag.state = data.state or TagState.active
        if "label" in given:
            tag.edited_label = data.label
        if "box" in given:
            if data.box is not None and not data.box.fits():
                raise Unprocessable("The box reaches out of the picture.", pointer="#/box")
            tag.edited_box = [data.box.x, data.box.y, data.box.w, data.box.h] if data.box else None
        if "product_id" in given:
            self._pin(tag, data.product_id)
        tag.updated_at = self._now
        self._account.record("tag.updated", tag_id)
        return self._tag(tag, self._votes.counts([tag.id])[tag.id])

    def _pin(self, tag: Tag, product_id: str | None) -> None:
        if product_id is not None and not self._shelf.within(self._shelf.listed(), [product_id]):
            raise Unprocessable("No such product in the listed catalogs.", pointer="#/product_id")
        tag.pinned_product_id = product_id
        media = self._rows.get(tag.media_id)
        if media is not None and media.state in {MediaState.ready, MediaState.none}:
            tags = self._rows.tags_of([media.id])[media.id]
            shown = any(other.matches or other.pinned_product_id for other in tags)
            media.state = MediaState.ready if shown else MediaState.none

    def _media(self, media_id: str, *, lock: bool = False) -> Media:
        media = self._rows.get(media_id, lock=lock)
        if media is None or media.site_id is None:
            raise NotFound("No such picture or video.")
        return media

    def _read(self, media: Media, tags: Sequence[Tag], votes: Mapping[str, Sequence[Count]]) -> MediaRead:
        fields = media.model_dump(include=set(MediaRead.model_fields))
        status = MediaStatus.blocked if media.blocked else MediaStatus(media.state)
        return MediaRead(**fields, status=status, tags=[self._tag(tag, votes[tag.id]) for tag in tags])

    def _tag(self, tag: Tag, votes: Sequence[Count]) -> TagRead:
        off = () if tag.state is TagState.approved else tag.voted_off
        detected = {"label": tag.label, "box": {"x": tag.x, "y": tag.y, "w": tag.w, "h": tag.h}}
        return TagRead(
            id=tag.id, media_id=tag.media_id, state=tag.state, label=tag.edited_label or tag.label,
            box=BoxRead(**box_of(tag)), detected=detected, score=tag.score, from_ms=tag.from_ms, to_ms=tag.to_ms,
            track=tag.track, product_id=tag.pinned_product_id,
            products=products_of(tag, self._shelf, self._shelf.listed()), updated_at=tag.updated_at,
            votes=[VotesRead(**asdict(said), off=said.product_id in off) for said in summed(votes)],
        )  # fmt: skip


def products_of(tag: Tag, shelf: Shelf, catalog_ids: frozenset[str]) -> list[TagProduct]:
    """The products of a tag that exist in these catalogs, best first."""
    candidates = candidates_of(tag)
    found = shelf.within(catalog_ids, [candidate.product_id for candidate in candidates])
    return [
        TagProduct(**found[c.product_id].fields, score=c.score, match_type=c.match_type)
        for c in candidates
        if c.product_id in found
    ]
